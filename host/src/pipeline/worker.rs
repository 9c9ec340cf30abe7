//! One instance at work, on a thread of its own: batch after batch, each handled whole before the next.
//!
//! A batch on which the job fails is halved until the bad records are found; they become dead letters and the rest goes
//! on. A job that fails on one record after the other is held instead: it would only turn its topic into dead letters. It
//! is then retried with backoff until it works again, is replaced, or is cancelled. A version on probation is not held:
//! the one before takes over.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};

use crate::dead_letter::{DeadLetters, Stage};
use crate::engine::{Failure, Host, Process};
use crate::metrics::JobMetrics;
use crate::pipeline::ack::{Delivery, lock};
use crate::pipeline::destinations::Destinations;
use crate::pipeline::isolate::{Attempts, Part, isolate, shift};
use crate::pipeline::route::{Destination, Router};
use crate::pipeline::trace::JobTracer;
use crate::pipeline::version::{Current, Version};
use crate::record::{Batch, Outcome};
use crate::spec::Sink;
use crate::status::{State, Status};

/// Bad records in a row after which a job is held that has never worked.
pub const MOST_BAD_AT_FIRST: u32 = 10;
/// Bad records in a row, without a good one between, after which a job is held that has worked.
pub const MOST_BAD: u32 = 100;

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
    /// The instance's number, from 0.
    pub number: usize,
    /// The version that is to run, whoever changes it.
    pub current: Arc<Current>,
    /// What the guest's imports reach.
    pub host: Arc<dyn Host>,
    /// Where sinks are made.
    pub destinations: Arc<Destinations>,
    /// The sinks.
    pub router: Router,
    /// Where failures are told.
    pub status: Arc<Status>,
    /// Counts.
    pub metrics: JobMetrics,
    /// Told to stop: what waits for a retry is given up, unacknowledged.
    pub stop: Arc<AtomicBool>,
    /// Traces of the records, where tracing is on.
    pub tracer: Option<Arc<JobTracer>>,
    /// The part of the job under which failures are told.
    pub part: String,
    /// What changes with the version.
    pub version: Running,
    /// Sinks that the version before had, while they write what they were given.
    pub retired: Vec<Destination>,
    /// Memory of the instance as it was last told, bytes.
    pub memory: usize,
}

/// The version that an instance runs, and how that goes.
pub struct Running {
    version: Arc<Version>,
    generation: u64,
    /// The instance; none before the first batch and after a failure.
    instance: Option<Box<dyn Process>>,
    /// Bad records since the last good one.
    bad_streak: u32,
    /// Whether a record was ever good.
    has_worked: bool,
    /// Whether a failure is being told in the status.
    told: bool,
}

impl Running {
    /// The version that is to run now.
    pub fn new(current: &Current) -> Self {
        let (version, generation) = current.get();
        Self { version, generation, instance: None, bad_streak: 0, has_worked: false, told: false }
    }

    /// What the version declares as its sinks.
    pub fn sinks(&self) -> &[Sink] {
        &self.version.job.spec().sinks
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("part", &self.part).finish_non_exhaustive()
    }
}

impl Worker {
    /// Handles batches until the channel closes or it is told to stop while it waits.
    pub fn run(mut self, batches: &mpsc::Receiver<Arc<Delivery>>) {
        let mut cpu = Cpu::default();
        while let Ok(delivery) = batches.recv() {
            // The next owner of the partition reads it again.
            if delivery.ledger().is_closed() {
                continue;
            }
            let handled = self.handle(&delivery);
            self.metrics.cpu.inc_by(cpu.since());
            if handled.is_break() {
                if self.stop.load(Ordering::Acquire) || self.router.fault.get().is_some() {
                    break;
                }
                // Its partition was given up. What was told of it is the next owner's to tell.
                if std::mem::take(&mut self.version.told) {
                    self.status.clear(&self.part);
                }
            }
        }
        self.metrics.memory.dec_by(self.memory as i64);
    }

    fn handle(&mut self, delivery: &Arc<Delivery>) -> ControlFlow<()> {
        if let Some(tracer) = &self.tracer {
            if let Some(traces) = tracer.begin(delivery.batch()) {
                delivery.observe(Box::new(traces));
            }
        }
        let result = self.call(delivery, delivery.batch())?;
        self.current.handled(&self.version.version, result.as_ref().err().map(ToString::to_string).as_deref());
        match result {
            Ok(outcome) => {
                let spec = self.version.version.job.spec();
                self.current.samples.offer(spec, delivery.batch(), &outcome);
                if let Some(shadow) = &*lock(&self.current.shadow) {
                    shadow.offer(spec, delivery.batch(), &outcome);
                }
                self.good(delivery, outcome);
            }
            Err(failure) => {
                // A row of failing batches is told once, when it begins.
                if self.version.bad_streak == 0 {
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

    /// Takes up the version that is to run, if it is another one.
    fn take_up(&mut self, delivery: &Delivery) -> ControlFlow<()> {
        if self.current.generation() != self.version.generation {
            let before = std::mem::replace(&mut self.version, Running::new(&self.current));
            let mut had: Vec<_> =
                before.sinks().iter().cloned().zip(std::mem::take(&mut self.router.destinations)).collect();
            match self.destinations.make(self.number, self.version.sinks(), &mut had) {
                Ok(made) => self.router.destinations = made.into_iter().map(|(_, destination)| destination).collect(),
                Err(error) => {
                    self.router.fault.set(format!("the sinks of a new version can't be made: {error:#}"));
                    return ControlFlow::Break(());
                }
            }
            self.retired.retain(|destination| !destination.has_ended());
            for (_, destination) in had {
                destination.retire();
                self.retired.push(destination);
            }
            if before.told {
                self.status.clear(&self.part);
            }
        }
        delivery.handle_by(&self.version.version.label);
        ControlFlow::Continue(())
    }

    /// Calls the job, on a fresh instance where there is none. An instance that can't be made is retried with backoff.
    fn call(&mut self, delivery: &Delivery, batch: &Batch) -> ControlFlow<(), Result<Outcome, Failure>> {
        let mut waits = backoff();
        let mut instance = loop {
            self.take_up(delivery)?;
            let version = &self.version.version;
            match self.version.instance.take().or_else(|| version.take_ready()) {
                Some(instance) => break instance,
                None => match version.job.instantiate(&version.parameters, Arc::clone(&self.host)) {
                    Ok(instance) => break instance,
                    Err(failure) => {
                        self.metrics.guest_failures.inc();
                        let reason = format!("an instance could not be made: {failure}");
                        if !self.current.hopeless(version, &reason) {
                            self.retry(delivery, &reason, waits.next().unwrap_or_default())?;
                        }
                    }
                },
            }
        };
        let start = Instant::now();
        let result = instance.process(batch);
        self.metrics.batch(start.elapsed());
        let memory = instance.memory();
        self.metrics.memory.inc_by(memory as i64 - self.memory as i64);
        self.memory = memory;
        match &result {
            Ok(_) => self.version.instance = Some(instance),
            Err(_) => drop(self.metrics.guest_failures.inc()),
        }
        ControlFlow::Continue(result)
    }

    /// Tells why the job waits, and waits, until there is another version at most; breaks off when it is told to stop or
    /// the delivery's partition is given up: whoever has it next reads it again from the last commit.
    fn retry(&mut self, delivery: &Delivery, reason: &str, after: Duration) -> ControlFlow<()> {
        let reason = format!("{reason}; trying again in {:.0} s", after.as_secs_f64());
        self.version.told = true;
        if self.status.raise(&self.part, State::Failed, &reason) {
            tracing::error!("{}: {reason}", self.part);
        }
        let given_up = || self.stop.load(Ordering::Acquire) || delivery.ledger().is_closed();
        let replaced = || self.current.generation() != self.version.generation;
        // Broken off for another version, it goes on with that.
        let _ = wait(|| given_up() || replaced(), after);
        if given_up() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn good(&mut self, delivery: &Arc<Delivery>, outcome: Outcome) {
        self.version.has_worked = true;
        if std::mem::take(&mut self.version.told) {
            self.status.clear(&self.part);
        }
        self.version.bad_streak = 0;
        self.router.route(delivery, outcome);
    }

    fn bad(&mut self, delivery: &Arc<Delivery>, index: u32, mut failure: Failure) -> ControlFlow<()> {
        self.version.bad_streak += 1;
        let most = if self.version.has_worked { MOST_BAD } else { MOST_BAD_AT_FIRST };
        if self.version.bad_streak > most {
            let mut waits = backoff();
            let i = index as usize;
            let single = delivery.batch().slice(i..i + 1);
            loop {
                // The version before is tried at once.
                if !self.current.hopeless(&self.version.version, &failure.to_string()) {
                    let reason = format!("the job fails on every record: {failure}");
                    self.retry(delivery, &reason, waits.next().unwrap_or_default())?;
                }
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
        self.version.told = true;
        let batch = delivery.batch();
        let offset = batch.offsets.get(index as usize).copied().unwrap_or(-1);
        let told = format!("{}/{}/{offset}: {failure}", batch.topic, batch.partition);
        // The first of a row is told with the state.
        if !self.status.raise(&self.part, State::Failing, told.as_str()) {
            self.host.log(tracing::Level::ERROR, &told);
        }
        self.router.dead_letters.send(delivery, index, Stage::Guest, &failure.to_string());
        ControlFlow::Continue(())
    }
}

/// The CPU time of a thread.
#[derive(Default)]
struct Cpu(Option<Duration>);

impl Cpu {
    /// Seconds since the last call; 0 at the first.
    fn since(&mut self) -> f64 {
        // Where the clock can't be read nothing is counted.
        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).ok().map(Duration::from);
        let before = std::mem::replace(&mut self.0, now);
        now.zip(before).map_or(0.0, |(now, before)| now.saturating_sub(before).as_secs_f64())
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
