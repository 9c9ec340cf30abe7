//! The task that writes for one sink.
//!
//! It holds one connection, opens it before the first row comes, and renews it when it is lost. A chunk is acknowledged
//! after the commit of its last row was confirmed and its refused rows were handed to the dead letters, never before.
//! When Postgres can't be used, the writer says so, and tries again for ever with growing pauses; the rows wait. So they
//! do where one after the other is refused: that is no longer the rows' fault, and a topic in the dead letters helps
//! nobody.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use pelton_delivery::streak::Streak;
use pelton_model::stage::Stage;
use pelton_model::sync::lock;
use tokio::sync::Notify;

use super::activity;
use super::apply::{Ready, Refused, Written};
use super::batch::{Batch, Queue, Row};
use super::connect::{ConnectionUrl, Session};
use super::copy::CopyBackoff;
use super::error::Failure;
use super::observer::SinkObserver;
use super::pace::Pace;
use super::plan::Plan;
use super::timeouts::Timeouts;
use super::transaction::Backend;
use crate::dead_letters::DeadLetters;
use crate::refusals;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Jitter makes a pause up to twice as long.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// The pauses where it is held for rows that are refused.
const FIRST_HOLD: Duration = Duration::from_secs(1);
const LONGEST_HOLD: Duration = Duration::from_secs(30);
/// How long a transaction takes until that is told, and how often what it waits for is looked at.
const TELL_AFTER: Duration = Duration::from_secs(5);

/// How many usual transactions are tried as one before it is said that every row is refused.
const MOST_TOGETHER: usize = 16;

/// What a writer works with.
pub(super) struct Writer {
    pub(super) job: String,
    pub(super) sink: String,
    pub(super) url: ConnectionUrl,
    pub(super) timeouts: Timeouts,
    pub(super) plan: Plan,
    /// The server's process that is at work for it.
    pub(super) backend: Arc<Backend>,
    pub(super) queue: Queue,
    /// The rows that were refused last.
    pub(super) streak: Streak,
    pub(super) dead_letters: Arc<dyn DeadLetters>,
    pub(super) observer: Arc<dyn SinkObserver>,
}

/// Why nothing is written for now.
enum Problem {
    /// Postgres can't be used.
    Down(String),
    /// It refuses one row after the other.
    Held(String),
}

impl From<String> for Problem {
    fn from(reason: String) -> Self {
        Self::Down(reason)
    }
}

/// What the last attempts came to.
struct State {
    ready: Option<Ready>,
    unwritten: Option<Batch>,
    /// Why Postgres can't be used; `None` while nothing is wrong.
    failure: Option<String>,
    pauses: ExponentialBackoff,
    holds: ExponentialBackoff,
    backoff: CopyBackoff,
    pace: Pace,
    /// Rows that are to be tried in one transaction, at least, because all of fewer were refused, or the last ones.
    together: usize,
}

impl Writer {
    /// Writes until it is told to close and everything sent before is written, or to end at once. Then the server is
    /// told, too: a statement that is only left alone goes on, with its locks.
    pub(super) async fn run(self, end: Arc<Notify>) {
        let (backend, url, name) = (Arc::clone(&self.backend), self.url.clone(), self.name());
        tokio::select! {
            biased;
            () = end.notified() => {}
            () = self.write_all() => return,
        }
        if let Some(backend) = backend.id() {
            Session::cancel(&url, &name, backend).await;
        }
    }

    async fn write_all(mut self) {
        let mut state = State {
            ready: None,
            unwritten: None,
            failure: Some("not connected yet".to_owned()),
            pauses: pauses(FIRST_PAUSE, LONGEST_PAUSE),
            holds: pauses(FIRST_HOLD, LONGEST_HOLD),
            backoff: CopyBackoff::default(),
            pace: Pace::new(self.queue.most_rows(), self.timeouts.write),
            together: 0,
        };
        while state.unwritten.is_some() || !self.queue.is_done() {
            let pause = match self.step(&mut state).await {
                Ok(()) => continue,
                Err(Problem::Down(reason)) => {
                    state.ready = None;
                    self.went_down(&mut state, reason);
                    state.pauses.next().unwrap_or(LONGEST_PAUSE)
                }
                Err(Problem::Held(reason)) => {
                    let pause = state.holds.next().unwrap_or(LONGEST_HOLD).min(LONGEST_HOLD);
                    self.observer.refuses(&format!("{reason}; trying again in {:.0} s", pause.as_secs_f64()), true);
                    pause
                }
            };
            self.queue.pause(pause, &mut state.unwritten).await;
        }
    }

    /// Connects if need be, and writes what is unwritten or else the next batch. What could not be written stays there.
    async fn step(&mut self, state: &mut State) -> Result<(), Problem> {
        let mut ready = match state.ready.take().filter(|ready| !ready.session.is_lost()) {
            Some(ready) => ready,
            None => Ready::open(&self.url, &self.name(), self.timeouts, &self.plan, &self.backend).await?,
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
            let waited = Mutex::default();
            let writing = ready.write(&self.plan, &first, &rows, self.streak, &mut state.backoff);
            let written = tokio::select! {
                biased;
                written = tokio::time::timeout(self.timeouts.write, writing) => written,
                never = self.watch(rows.len(), &waited) => match never {},
            };
            let waited = lock(&waited).take();
            if let Some(told) = &waited {
                // Told as a failure is, until it is over.
                state.failure = Some(told.clone());
            }
            let also = |reason: String| {
                Problem::Down(waited.as_ref().map_or(reason.clone(), |told| format!("{reason}; it {told}")))
            };
            if written.is_err()
                && let Some(backend) = self.backend.id()
            {
                Session::cancel(&self.url, &self.name(), backend).await;
            }
            self.backend.is_idle();
            let written = match written {
                Ok(Ok(written)) => {
                    state.pace.wrote(written.rows, began.elapsed());
                    state.together = 0;
                    self.account(&first, &rows, &written)
                }
                Ok(Err(Failure::TimedOut(reason))) => {
                    state.pace.timed_out(rows.len(), began.elapsed());
                    state.together = 0;
                    return Err(also(self.too_slow(&reason, rows.len())));
                }
                Ok(Err(Failure::Everything(reason))) => {
                    // Of what waits behind them some may be good, and then each has a fault of its own.
                    state.together = (rows.len() * 2).min(MOST_TOGETHER * self.queue.most_rows());
                    self.gather(batch, state.together);
                    if batch.len() == rows.len() || rows.len() >= state.together {
                        return Err(reason.into());
                    }
                    state.ready = Some(ready);
                    return Ok(());
                }
                Ok(Err(failure)) => return Err(also(failure.into_reason())),
                Err(_) => {
                    state.pace.timed_out(rows.len(), began.elapsed());
                    state.together = 0;
                    let limit = self.timeouts.write;
                    let reason = format!("no answer within {limit:?} (postgres.write_timeout)");
                    return Err(also(self.too_slow(&reason, rows.len())));
                }
            };
            let (done, held) = written;
            // The rest may take a while: whoever has a partition by now reads its records again.
            if !batch.skip(done) || !batch.forget_revoked() {
                state.unwritten = None;
            }
            self.went_up(state);
            match held {
                None => state.holds = pauses(FIRST_HOLD, LONGEST_HOLD),
                Some(reason) => {
                    // A good one among those that wait says that the others are bad by themselves.
                    state.together = self.queue.most_rows();
                    state.ready = Some(ready);
                    return Err(Problem::Held(reason));
                }
            }
        }
        state.ready = Some(ready);
        Ok(())
    }

    /// Tells what a transaction that takes long waits for, also to `waited`, for as long as it does.
    async fn watch(&self, rows: usize, waited: &Mutex<Option<String>>) -> Infallible {
        let began = Instant::now();
        loop {
            tokio::time::sleep(TELL_AFTER).await;
            let does = match self.backend.id() {
                Some(backend) => activity::look(&self.url, &self.name(), backend).await,
                None => "the server has not begun".to_owned(),
            };
            let told = format!("has taken {} s so far for {rows} rows: {does}", began.elapsed().as_secs());
            self.observer.down(&format!("{}: a transaction {told}", self.url));
            *lock(waited) = Some(told);
        }
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

    /// Has the rows that were refused become dead letters, and acknowledges what is done by that; gives how many rows that
    /// is. Where too many in a row were refused the last ones are not done, and why the sink is held comes with it.
    fn account(&mut self, batch: &Batch, rows: &[Row<'_>], written: &Written) -> (usize, Option<String>) {
        let Written { refused, held, .. } = written;
        self.streak = written.streak;
        self.observer.wrote((written.rows - refused.len()) as u64, batch.bytes() as u64);
        let done = held.unwrap_or(written.rows);
        for Refused { row, refusal } in refused {
            if let Some(row) = rows.get(*row).filter(|_| *row < done) {
                let reason = format!("sink `{}`: {}", self.sink, refusal.reason);
                self.dead_letters.send(&row.chunk().delivery, row.origin(), Stage::Sink, &reason);
            }
        }
        for chunk in batch.first(done).finished() {
            chunk.delivery.acknowledge(1);
        }
        match (refused.iter().find(|one| one.row >= done), refused.last()) {
            (Some(held), _) => return (done, Some(self.refuses(rows, held, true))),
            (None, Some(last)) if self.streak.is_long() => {
                self.observer.refuses(&self.refuses(rows, last, false), false);
            }
            _ => self.observer.takes(),
        }
        (done, None)
    }

    /// That it refuses one row after the other, of which this is the last.
    fn refuses(&self, rows: &[Row<'_>], last: &Refused, is_held: bool) -> String {
        let of = rows.get(last.row).map(|row| row.chunk().delivery.batch().place(row.origin() as usize));
        let what = format!("Postgres refuses every row of sink `{}`", self.sink);
        let row = format!("a row of {}", of.unwrap_or_default());
        refusals::told(&what, &self.streak, is_held, &last.refusal.reason, &row)
    }

    fn went_up(&self, state: &mut State) {
        if state.failure.take().is_some() {
            tracing::info!(job.name = %self.job, sink.name = %self.sink, "writing to {}", self.url);
            state.pauses = pauses(FIRST_PAUSE, LONGEST_PAUSE);
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

fn pauses(first: Duration, longest: Duration) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_delay(longest)
        .without_max_times()
        .with_jitter()
        .with_jitter_seed(rand::random())
        .build()
}
