//! The task that writes for one sink.
//!
//! It holds one connection, opens it before the first row comes, and renews it when it is lost. A chunk is acknowledged
//! after the commit of its last row was confirmed and its refused rows were handed to the dead letters, never before.
//! When Postgres can't be used, the writer says so, and tries again for ever with growing pauses; the rows wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use pelton_model::stage::Stage;

use super::apply::{Ready, Refused};
use super::batch::{Batch, Queue, Row};
use super::connect::ConnectionUrl;
use super::copy::CopyBackoff;
use super::error::Failure;
use super::observer::SinkObserver;
use super::pace::Pace;
use super::plan::Plan;
use super::timeouts::Timeouts;
use crate::dead_letters::DeadLetters;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Jitter makes a pause up to twice as long.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// How many usual transactions are tried as one before it is said that every row is refused.
const MOST_TOGETHER: usize = 16;

/// What a writer works with.
pub(super) struct Writer {
    pub(super) job: String,
    pub(super) sink: String,
    pub(super) url: ConnectionUrl,
    pub(super) timeouts: Timeouts,
    pub(super) plan: Plan,
    pub(super) queue: Queue,
    pub(super) dead_letters: Arc<dyn DeadLetters>,
    pub(super) observer: Arc<dyn SinkObserver>,
}

/// What the last attempts came to.
struct State {
    ready: Option<Ready>,
    unwritten: Option<Batch>,
    /// Why Postgres can't be used; `None` while nothing is wrong.
    failure: Option<String>,
    pauses: ExponentialBackoff,
    backoff: CopyBackoff,
    pace: Pace,
    /// Rows that are to be tried in one transaction, at least, because all of fewer were refused.
    together: usize,
}

impl Writer {
    /// Writes until it is told to close and everything sent before is written.
    pub(super) async fn run(mut self) {
        let mut state = State {
            ready: None,
            unwritten: None,
            failure: Some("not connected yet".to_owned()),
            pauses: pauses(),
            backoff: CopyBackoff::default(),
            pace: Pace::new(self.queue.most_rows(), self.timeouts.write),
            together: 0,
        };
        while state.unwritten.is_some() || !self.queue.is_done() {
            if let Err(failure) = self.step(&mut state).await {
                state.ready = None;
                self.went_down(&mut state, failure);
                let pause = state.pauses.next().unwrap_or(LONGEST_PAUSE);
                self.queue.pause(pause, &mut state.unwritten).await;
            }
        }
    }

    /// Connects if need be, and writes what is unwritten or else the next batch. What could not be written stays there.
    async fn step(&mut self, state: &mut State) -> Result<(), String> {
        let mut ready = match state.ready.take().filter(|ready| !ready.session.is_lost()) {
            Some(ready) => ready,
            None => Ready::open(&self.url, &self.name(), self.timeouts, &self.plan).await?,
        };
        if state.unwritten.is_none() {
            // Otherwise it is up only once what failed is written.
            self.went_up(state);
            tokio::select! {
                biased;
                batch = self.queue.next() => state.unwritten = batch,
                () = ready.session.lost() => {}
            }
        }
        if let Some(batch) = &mut state.unwritten {
            self.gather(batch, state.together);
            let first = batch.first(state.pace.rows().max(state.together));
            let rows = first.rows();
            let began = Instant::now();
            let writing = self.write(&ready, &first, &rows, &mut state.backoff);
            match tokio::time::timeout(self.timeouts.write, writing).await {
                Ok(Ok(())) => {
                    state.pace.wrote(rows.len(), began.elapsed());
                    state.together = 0;
                }
                Ok(Err(Failure::TimedOut(reason))) => {
                    state.pace.timed_out(rows.len(), began.elapsed());
                    state.together = 0;
                    return Err(self.too_slow(&reason, rows.len()));
                }
                Ok(Err(Failure::Everything(reason))) => {
                    // Of what waits behind them some may be good, and then each has a fault of its own.
                    state.together = (rows.len() * 2).min(MOST_TOGETHER * self.queue.most_rows());
                    self.gather(batch, state.together);
                    if batch.len() == rows.len() || rows.len() >= state.together {
                        return Err(reason);
                    }
                    state.ready = Some(ready);
                    return Ok(());
                }
                Ok(Err(failure)) => return Err(failure.into_reason()),
                Err(_) => {
                    ready.cancel(&self.url, &self.name()).await;
                    state.pace.timed_out(rows.len(), began.elapsed());
                    state.together = 0;
                    let limit = self.timeouts.write;
                    return Err(
                        self.too_slow(&format!("no answer within {limit:?} (postgres.write_timeout)"), rows.len())
                    );
                }
            }
            // The rest may take a while: whoever has a partition by now reads its records again.
            if !batch.skip(rows.len()) || !batch.forget_revoked() {
                state.unwritten = None;
            }
            self.went_up(state);
        }
        state.ready = Some(ready);
        Ok(())
    }

    /// Takes more of what waits into a batch, until it has so many rows.
    fn gather(&mut self, batch: &mut Batch, rows: usize) {
        while batch.len() < rows
            && let Some(more) = self.queue.try_next()
        {
            batch.append(more);
        }
    }

    /// What the server knows this as.
    fn name(&self) -> String {
        format!("pelton/{}", self.job)
    }

    fn too_slow(&self, reason: &str, rows: usize) -> String {
        let next = if rows > 1 { ", fewer are tried" } else { "" };
        format!("{}: {rows} rows in one transaction took too long{next}: {reason}", self.url)
    }

    async fn write(
        &self,
        ready: &Ready,
        batch: &Batch,
        rows: &[Row<'_>],
        backoff: &mut CopyBackoff,
    ) -> Result<(), Failure> {
        let refused = ready.write(&self.plan, batch, rows, backoff).await?;
        self.observer.wrote((rows.len() - refused.len()) as u64, batch.bytes() as u64);
        for Refused { row, refusal } in &refused {
            if let Some(row) = rows.get(*row) {
                let reason = format!("sink `{}`: {}", self.sink, refusal.reason);
                self.dead_letters.send(&row.chunk().delivery, row.origin(), Stage::Sink, &reason);
            }
        }
        for chunk in batch.finished() {
            chunk.delivery.acknowledge(1);
        }
        Ok(())
    }

    fn went_up(&self, state: &mut State) {
        if state.failure.take().is_some() {
            tracing::info!(job.name = %self.job, sink.name = %self.sink, "writing to {}", self.url);
            state.pauses = pauses();
            self.observer.up();
        }
    }

    fn went_down(&self, state: &mut State, reason: String) {
        self.observer.down(&reason);
        if state.failure.as_ref() != Some(&reason) {
            tracing::warn!(job.name = %self.job, sink.name = %self.sink, "can't write to Postgres: {reason}");
            state.failure = Some(reason);
        }
    }
}

fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .without_max_times()
        .with_jitter()
        .with_jitter_seed(rand::random())
        .build()
}
