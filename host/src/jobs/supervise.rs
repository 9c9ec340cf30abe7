//! Keeping a job running: attempt after attempt, with backoff, until it is told to pause or to stop.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use chrono::Utc;
use tokio::sync::watch;

use pelton_connect::{Assignment, AtLeastOnce, JobSource, Orders};
use pelton_model::partition::PartitionView;

use super::guest_host::GuestHost;
use super::log::JobLog;
use super::registry::Record;
use crate::engine::{Host, Job};
use crate::metrics::JobMetrics;
use crate::pipeline::sample::Samples;
use crate::pipeline::trace::{JobTracer, Tracer};
use crate::pipeline::{Attempt, Current, Ended, Job as AtWork, Surroundings, Version};
use crate::status::{Condition, State, Status};
use pelton_delivery::wake::Wake;
use pelton_model::sync::lock;

/// Gets the compiled job with a digest; called until it succeeds.
pub(super) type Load = Box<dyn Fn(&str) -> Result<Job> + Send + Sync>;

/// An attempt that ran this long was well: the next failure is waited out from the shortest backoff again.
const GOOD_RUN: Duration = Duration::from_secs(60);
/// The part under which failed attempts are told.
const PART: &str = "job";

/// The part under which it is told that it sleeps.
const SLEEP: &str = "kafka consumer";

/// What a job is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Paused,
    Stopped,
}

/// A submitted job and the thread that keeps it running.
pub(super) struct Supervised {
    pub(super) name: String,
    /// One change of the record at a time: each reads it, prepares for seconds perhaps, and writes.
    pub(super) changing: tokio::sync::Mutex<()>,
    pub(super) log: Arc<JobLog>,
    pub(super) host: Arc<dyn Host>,
    pub(super) metrics: JobMetrics,
    pub(super) status: Arc<Status>,
    pub(super) assignment: Arc<Mutex<Arc<Assignment>>>,
    record: Mutex<Record>,
    /// What runs, once it has been compiled.
    current: Mutex<Option<Arc<Current>>>,
    /// What is to be told although the job does its work, by part.
    notices: Mutex<BTreeMap<String, Condition>>,
    parallelism: Arc<AtomicUsize>,
    phase: Mutex<Phase>,
    phase_changed: Condvar,
    /// Tells the attempt to end.
    end: Arc<AtomicBool>,
    /// Has the attempt look at what it is told.
    wake: Arc<Wake>,
    /// What the thread does: `Running` also while it tries in vain.
    does: watch::Sender<Phase>,
    source: Arc<dyn JobSource>,
    load: Load,
    shared: Shared,
}

/// What the jobs of a host share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) surroundings: Surroundings,
    pub(super) tracer: Option<Arc<Tracer>>,
}

impl std::fmt::Debug for Supervised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervised").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Supervised {
    pub(super) fn start(
        record: Record,
        compiled: Option<Job>,
        load: Load,
        metrics: JobMetrics,
        shared: Shared,
    ) -> Result<Arc<Self>> {
        let log = Arc::<JobLog>::default();
        let source = shared.surroundings.connectors.sources().job(&record.name);
        let phase = if record.paused { Phase::Paused } else { Phase::Running };
        let this = Arc::new(Self {
            name: record.name.clone(),
            changing: tokio::sync::Mutex::default(),
            host: Arc::new(GuestHost::new(&record.name, Arc::clone(&log), metrics.clone())),
            metrics,
            status: Arc::new(Status::new(Arc::clone(&log))),
            log,
            assignment: Arc::default(),
            parallelism: Arc::new(AtomicUsize::new(record.parallelism)),
            record: Mutex::new(record),
            current: Mutex::default(),
            notices: Mutex::default(),
            phase: Mutex::new(phase),
            phase_changed: Condvar::new(),
            end: Arc::default(),
            wake: Arc::default(),
            does: watch::Sender::new(Phase::Running),
            source,
            load,
            shared,
        });
        if let Some(job) = compiled {
            this.compiled(&job)?;
        }
        let supervised = Arc::clone(&this);
        std::thread::Builder::new()
            .name(format!("job-{}", this.name))
            .spawn(move || {
                let span = tracing::info_span!("job", job.name = supervised.name);
                let _entered = span.enter();
                supervised.run();
                supervised.rest(State::Stopped);
                supervised.does.send_replace(Phase::Stopped);
            })
            .context("failed to start the thread of a job")?;
        Ok(this)
    }

    fn run(&self) {
        let pace = &self.shared.surroundings.pace;
        let mut waits = pace.backoff();
        while self.may_run() {
            self.status.set(State::Starting);
            let began = Instant::now();
            let ended = catch_unwind(AssertUnwindSafe(|| self.attempt()));
            self.source.rest();
            let error = match ended {
                Ok(Ok(Ended::Stopped)) => continue,
                Ok(Ok(Ended::Asleep(partitions))) => {
                    self.sleep(partitions);
                    continue;
                }
                Ok(Err(error)) => error,
                Err(_) => anyhow!("the job's thread panicked; this is a bug in Pelton, please report it"),
            };
            if began.elapsed() > GOOD_RUN {
                waits = pace.backoff();
            }
            let after = waits.next().unwrap_or_default();
            let reason = format!("{error:#}; trying again in {:.0} s", after.as_secs_f64());
            tracing::error!("job {}: {reason}", self.name);
            self.status.clear_all();
            self.status.raise(PART, State::Failed, reason);
            // Broken off by whatever changes the job: then it is tried at once.
            let _ = pace.wait(|| self.end.load(Ordering::Acquire), after);
            self.status.clear(PART);
        }
    }

    /// Waits until there is something for the job.
    fn sleep(&self, partitions: Vec<PartitionView>) {
        *lock(&self.assignment) = Arc::new(Assignment::asleep(&partitions));
        tracing::debug!("job {} sleeps", self.name);
        let reason = "sleeps, for nothing has come for long; the next record wakes it".to_owned();
        let condition = Condition { part: SLEEP.to_owned(), state: State::Running, reason, since: Utc::now() };
        lock(&self.notices).insert(SLEEP.to_owned(), condition);
        self.source.sleep(partitions, &self.wake, &|| self.end.load(Ordering::Acquire));
        self.clear_notice(SLEEP);
        tracing::debug!("job {} wakes", self.name);
    }

    /// Waits while the job is paused; says whether it is to run.
    fn may_run(&self) -> bool {
        let mut phase = lock(&self.phase);
        loop {
            match *phase {
                Phase::Stopped => return false,
                Phase::Running => {
                    self.end.store(false, Ordering::Release);
                    self.does.send_replace(Phase::Running);
                    return true;
                }
                Phase::Paused => {
                    self.rest(State::Paused);
                    self.does.send_replace(Phase::Paused);
                    phase = self.phase_changed.wait(phase).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn rest(&self, state: State) {
        self.status.clear_all();
        self.status.set(state);
        self.metrics.up.set(0);
        self.metrics.in_flight.set(0);
        *lock(&self.assignment) = Arc::default();
    }

    fn attempt(&self) -> Result<Ended> {
        let attempt = Attempt {
            job: self.at_work(),
            current: self.current()?,
            source: Arc::clone(&self.source),
            group: self.record().group,
            committer: Arc::new(AtLeastOnce),
            orders: Orders {
                stop: Arc::clone(&self.end),
                parallelism: Arc::clone(&self.parallelism),
                wake: Arc::clone(&self.wake),
            },
            status: Arc::clone(&self.status),
            assignment: Arc::clone(&self.assignment),
            surroundings: self.shared.surroundings.clone(),
        };
        Ok(attempt.run()?)
    }

    /// The job as its pipeline knows it.
    pub(super) fn at_work(&self) -> AtWork {
        AtWork {
            name: self.name.as_str().into(),
            host: Arc::clone(&self.host),
            metrics: self.metrics.clone(),
            tracer: self.tracer(),
        }
    }

    /// Traces of the job's records, where tracing is on.
    fn tracer(&self) -> Option<Arc<JobTracer>> {
        self.shared.tracer.as_ref().map(|tracer| tracer.job(&self.name, &self.record().group))
    }

    /// What runs; compiled here where that has not been done.
    fn current(&self) -> Result<Arc<Current>> {
        loop {
            if let Some(current) = self.running() {
                return Ok(current);
            }
            let digest = self.record().digest;
            let job = (self.load)(&digest).context("the job's component can't be loaded")?;
            // Meanwhile another version may have come.
            if self.record().digest == digest {
                self.compiled(&job)?;
            }
        }
    }

    fn compiled(&self, job: &Job) -> Result<()> {
        let version = version(&self.record(), job)?;
        let samples = Samples::new(self.shared.surroundings.config.samples.clone());
        *lock(&self.current) = Some(Arc::new(Current::new(version, samples)));
        Ok(())
    }

    /// What runs, if it has been compiled.
    pub(super) fn running(&self) -> Option<Arc<Current>> {
        lock(&self.current).clone()
    }

    /// The desired state.
    pub(super) fn record(&self) -> Record {
        lock(&self.record).clone()
    }

    /// The file in `usr_jobs` that it came from.
    pub(super) fn file(&self) -> Option<String> {
        lock(&self.record).file.as_ref().map(|file| file.name.clone())
    }

    /// Takes over a changed record, which has been saved. A `version` is put to work between two batches, or, where it
    /// reads other topics, with a new attempt.
    pub(super) fn change(&self, record: Record, version: Option<Version>) {
        self.parallelism.store(record.parallelism, Ordering::Release);
        self.wake.call();
        let to = if record.paused { Phase::Paused } else { Phase::Running };
        let (before, changed) = {
            let mut current = lock(&self.record);
            let before = current.spec.topics();
            let changed = before != record.spec.topics();
            *current = record;
            (before, changed)
        };
        if let Some(version) = version {
            let samples = Samples::new(self.shared.surroundings.config.samples.clone());
            match self.running() {
                Some(current) if !changed => current.set(version),
                Some(current) => {
                    tracing::info!(job.name = self.name, "starts anew: it read {}", before.join(", "));
                    *lock(&self.current) = Some(Arc::new(current.succeeded_by(version, samples)));
                    self.restart();
                }
                None => *lock(&self.current) = Some(Arc::new(Current::new(version, samples))),
            }
            // A job that waits for its next attempt need not wait any longer.
            if self.status.get().0 == State::Failed && self.status.is_told(PART) {
                self.restart();
            }
        }
        self.go(to);
    }

    fn restart(&self) {
        let _phase = lock(&self.phase);
        self.end.store(true, Ordering::Release);
        self.wake.call();
    }

    fn go(&self, to: Phase) {
        let mut phase = lock(&self.phase);
        if *phase != Phase::Stopped && *phase != to {
            *phase = to;
            self.end.store(to != Phase::Running, Ordering::Release);
            self.wake.call();
            self.phase_changed.notify_all();
        }
    }

    /// Tells the job to stop; returns at once.
    pub(super) fn stop(&self) {
        self.go(Phase::Stopped);
    }

    /// Waits until the job has stopped.
    pub(super) async fn stopped(&self) {
        let _ = self.does.subscribe().wait_for(|does| *does == Phase::Stopped).await;
    }

    /// Waits until the job has paused or stopped.
    pub(super) async fn paused(&self) {
        let _ = self.does.subscribe().wait_for(|does| *does != Phase::Running).await;
    }

    /// Tells something that does not hold the job up, until it is cleared; it is a line in the log as well.
    pub(super) fn notice(&self, part: &str, reason: &str) {
        self.log.add(tracing::Level::WARN, "host", format!("{part}: {reason}"));
        tracing::warn!(job.name = self.name, "{part}: {reason}");
        let (part, reason) = (part.to_owned(), reason.to_owned());
        let condition = Condition { part: part.clone(), state: State::Running, reason, since: Utc::now() };
        lock(&self.notices).insert(part, condition);
    }

    /// Clears a notice; says whether there was one.
    pub(super) fn clear_notice(&self, part: &str) -> bool {
        lock(&self.notices).remove(part).is_some()
    }

    pub(super) fn has_notice(&self, part: &str) -> bool {
        lock(&self.notices).contains_key(part)
    }

    /// All notices, by part.
    pub(super) fn notices(&self) -> Vec<Condition> {
        lock(&self.notices).values().cloned().collect()
    }
}

/// The version that a record asks for.
pub(super) fn version(record: &Record, job: &Job) -> Result<Version> {
    let set: Vec<_> = record.parameters.clone().into_iter().collect();
    let parameters = job.parameters(&set)?;
    Ok(Version::new(record.version, Arc::new(job.clone()), parameters, &record.digest))
}
