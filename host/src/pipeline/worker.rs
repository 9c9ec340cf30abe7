//! One instance at work, on a thread of its own: batch after batch, each handled whole before the next.
//!
//! A batch on which the job fails is halved until the bad records are found; they become dead letters and the rest goes
//! on. A job that fails on one record after the other is held instead: it would only turn its topic into dead letters. It
//! is then retried with backoff until it works again, is replaced, or is cancelled.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};

use crate::dead_letter::{DeadLetters, Stage};
use crate::engine::{Failure, Host, Process, Program};
use crate::metrics::JobMetrics;
use crate::pipeline::ack::Delivery;
use crate::pipeline::isolate::{Attempts, Part, isolate, shift};
use crate::pipeline::route::Router;
use crate::record::{Batch, Outcome};
use crate::status::{State, Status};

/// Bad records in a row, without a good one between, after which a job is held: few while it has never worked.
const MOST_BAD_AT_FIRST: u32 = 10;
const MOST_BAD: u32 = 100;

/// The waits of a job that is retried: 1 s, doubling, at most 30 s, for ever.
pub fn backoff() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(1))
        .with_max_delay(Duration::from_secs(30))
        .with_jitter()
        .without_max_times()
        .build()
}

/// Waits, and breaks off once `over` says so.
pub fn wait(over: impl Fn() -> bool, time: Duration) -> ControlFlow<()> {
    let until = Instant::now() + time;
    while Instant::now() < until {
        if over() {
            return ControlFlow::Break(());
        }
        std::thread::sleep(Duration::from_millis(20).min(until.saturating_duration_since(Instant::now())));
    }
    ControlFlow::Continue(())
}

/// An instance and what it needs.
pub struct Worker {
    /// The compiled job.
    pub job: Arc<dyn Program>,
    /// Its parameters, completed.
    pub parameters: Arc<Vec<(String, String)>>,
    /// What the guest's imports reach.
    pub host: Arc<dyn Host>,
    /// The sinks.
    pub router: Router,
    /// Where failures are told.
    pub status: Arc<Status>,
    /// Counts.
    pub metrics: JobMetrics,
    /// Told to stop: what waits for a retry is given up, unacknowledged.
    pub stop: Arc<AtomicBool>,
    /// The part of the job under which failures are told.
    pub part: String,
    /// The instance; none before the first batch and after a failure.
    pub instance: Option<Box<dyn Process>>,
    /// Bad records since the last good one.
    pub bad_streak: u32,
    /// Whether a record was ever good.
    pub has_worked: bool,
    /// Whether a failure is being told in the status.
    pub told: bool,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("part", &self.part).finish_non_exhaustive()
    }
}

impl Worker {
    /// Handles batches until the channel closes or it is told to stop while it waits.
    pub fn run(mut self, batches: &mpsc::Receiver<Arc<Delivery>>) {
        while let Ok(delivery) = batches.recv() {
            // The next owner of the partition reads it again.
            if delivery.ledger().is_closed() {
                continue;
            }
            if self.handle(&delivery).is_break() {
                if self.stop.load(Ordering::Acquire) {
                    break;
                }
                // Its partition was given up. What was told of it is the next owner's to tell.
                if std::mem::take(&mut self.told) {
                    self.status.clear(&self.part);
                }
            }
        }
    }

    fn handle(&mut self, delivery: &Arc<Delivery>) -> ControlFlow<()> {
        match self.call(delivery, delivery.batch())? {
            Ok(outcome) => self.good(delivery, outcome),
            Err(failure) => {
                // A row of failing batches is told once, when it begins.
                if self.bad_streak == 0 {
                    let batch = delivery.batch();
                    tracing::warn!(
                        kafka.topic = &*batch.topic,
                        kafka.partition = batch.partition,
                        kafka.offset = batch.offsets.first(),
                        "{}: a batch of {} failed, looking for the bad records: {failure}",
                        self.part,
                        batch.len()
                    );
                }
                isolate(delivery.batch(), failure, &mut Isolation { worker: self, delivery })?;
            }
        }
        delivery.acknowledge(1);
        ControlFlow::Continue(())
    }

    /// Calls the job, on a fresh instance where there is none. An instance that can't be made is retried with backoff.
    fn call(&mut self, delivery: &Delivery, batch: &Batch) -> ControlFlow<(), Result<Outcome, Failure>> {
        let mut waits = backoff();
        let mut instance = loop {
            match self.instance.take() {
                Some(instance) => break instance,
                None => match self.job.instantiate(&self.parameters, Arc::clone(&self.host)) {
                    Ok(instance) => self.instance = Some(instance),
                    Err(failure) => {
                        self.metrics.guest_failures.inc();
                        let reason = format!("an instance could not be made: {failure}");
                        self.retry(delivery, &reason, waits.next().unwrap_or_default())?;
                    }
                },
            }
        };
        let start = Instant::now();
        let result = instance.process(batch);
        self.metrics.batch_time.observe(start.elapsed().as_secs_f64());
        match &result {
            Ok(_) => self.instance = Some(instance),
            Err(_) => drop(self.metrics.guest_failures.inc()),
        }
        ControlFlow::Continue(result)
    }

    /// Tells why the job waits, and waits; breaks off when it is told to stop or the delivery's partition is given up:
    /// whoever has it next reads it again from the last commit.
    fn retry(&mut self, delivery: &Delivery, reason: &str, after: Duration) -> ControlFlow<()> {
        let reason = format!("{reason}; trying again in {:.0} s", after.as_secs_f64());
        self.told = true;
        if self.status.raise(&self.part, State::Failed, &reason) {
            tracing::error!("{}: {reason}", self.part);
        }
        wait(|| self.stop.load(Ordering::Acquire) || delivery.ledger().is_closed(), after)
    }

    fn good(&mut self, delivery: &Arc<Delivery>, outcome: Outcome) {
        self.has_worked = true;
        if std::mem::take(&mut self.told) {
            self.status.clear(&self.part);
        }
        self.bad_streak = 0;
        self.router.route(delivery, outcome);
    }

    fn bad(&mut self, delivery: &Arc<Delivery>, index: u32, mut failure: Failure) -> ControlFlow<()> {
        self.bad_streak += 1;
        let most = if self.has_worked { MOST_BAD } else { MOST_BAD_AT_FIRST };
        if self.bad_streak > most {
            let mut waits = backoff();
            let i = index as usize;
            let single = delivery.batch().slice(i..i + 1);
            loop {
                let reason = format!("the job fails on every record: {failure}");
                self.retry(delivery, &reason, waits.next().unwrap_or_default())?;
                match self.call(delivery, &single)? {
                    Ok(mut outcome) => {
                        shift(&mut outcome, index);
                        self.good(delivery, outcome);
                        return ControlFlow::Continue(());
                    }
                    Err(again) => failure = again,
                }
            }
        }
        self.told = true;
        self.status.raise(&self.part, State::Failing, failure.to_string());
        self.router.dead_letters.send(delivery, index, Stage::Guest, &failure.to_string());
        ControlFlow::Continue(())
    }
}

/// The search for the bad records of one delivery.
struct Isolation<'a> {
    worker: &'a mut Worker,
    delivery: &'a Arc<Delivery>,
}

impl Attempts for Isolation<'_> {
    fn attempt(&mut self, part: &Batch) -> ControlFlow<(), Result<Outcome, Failure>> {
        self.worker.call(self.delivery, part)
    }

    fn found(&mut self, part: Part) -> ControlFlow<()> {
        match part {
            Part::Good(outcome) => {
                self.worker.good(self.delivery, outcome);
                ControlFlow::Continue(())
            }
            Part::Bad(index, failure) => self.worker.bad(self.delivery, index, failure),
        }
    }
}
