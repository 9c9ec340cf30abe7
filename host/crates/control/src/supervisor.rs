//! Keeping a job running: attempt after attempt, with backoff, until it is told to pause or to stop.

mod adapt;
mod auto;
mod duty;
mod held;
mod view;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::catalog::{Entry, Revision};
use crate::reconcile::Actual;
use crate::record::JobRecord;
use anyhow::{Context, Result, anyhow};
use chrono::{DateTime, Utc};
use pelton_delivery::clock::Task;
use pelton_model::parallelism::Parallelism;
use pelton_model::partition::PartitionView;
use pelton_model::sync::lock;

use crate::changes::Changes;
use crate::guest::GuestHost;
use crate::runner::{JobRunner, Observed};
use crate::services::Services;
use crate::types::JobView;
use auto::Auto;
use duty::Duty;
pub(crate) use duty::Phase;
use held::{Held, Look};
use pelton_model::status::{Part, State, Status, TOLD};
use pelton_pipeline::sample::Samples;
use pelton_pipeline::{CurrentVersion, Ended, RolledBack, Version};

/// An attempt that ran this long was well: the next failure is waited out from the shortest backoff again.
const GOOD_RUN: Duration = Duration::from_secs(60);

/// What a job's log begins with where the job is older than that.
const NEW_LOG: &str =
    "the host started: the job's counts and this log begin here, earlier lines are in the host's own log";

/// Why a job starts anew whose sink is the trouble.
const STUCK: &str = "a sink has not taken what the version before made";

/// What a job works with.
#[derive(Debug)]
struct Work {
    /// What it was last told to be.
    record: JobRecord,
    /// The revision of the record that has been carried out, all of it.
    revision: Revision,
    /// What runs, once it has been compiled.
    current: Option<Arc<CurrentVersion>>,
}

/// A submitted job and the thread that keeps it running.
#[derive(Debug)]
pub(crate) struct Supervised {
    pub(crate) observed: Observed,
    pub(crate) duty: Duty,
    work: Mutex<Work>,
    runner: Arc<dyn JobRunner>,
    held: Held,
    auto: Mutex<Auto>,
    services: Arc<Services>,
    tells: Tells,
    /// When this host began to have it.
    since: DateTime<Utc>,
    /// The job as it was when it had ended and all of it was forgotten.
    last: OnceLock<JobView>,
}

/// Called when something has happened to a job that its record doesn't say: it has ended, or gone back to another
/// version.
pub(crate) struct Tells(pub(crate) Arc<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for Tells {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tells")
    }
}

impl Supervised {
    /// Starts the thread. It compiles the job's component itself where that has not been done.
    pub(crate) fn start(
        services: &Arc<Services>,
        entry: &Entry,
        prepared: Option<Version>,
        changes: Arc<Changes>,
        tells: Tells,
    ) -> Result<Arc<Self>> {
        let record = entry.record.clone();
        let log = Arc::default();
        let metrics = services.metrics.job(&record.name);
        let host = GuestHost::new(&record.name, Arc::clone(&log), metrics.clone(), Arc::clone(services.clock()));
        let observed = Observed {
            name: record.name.clone(),
            status: Arc::new(Status::new(Arc::clone(&log))),
            log,
            metrics,
            host: Arc::new(host),
        };
        let phase = if record.paused { Phase::Paused } else { Phase::Running };
        let this = Arc::new(Self {
            duty: Duty::new(phase, record.parallelism.number().unwrap_or(1), changes),
            runner: services.runners.of(&observed),
            held: Held::default(),
            auto: Mutex::new(Auto::new(services)),
            observed,
            work: Mutex::new(Work { record, revision: entry.revision, current: None }),
            services: Arc::clone(services),
            tells,
            since: services.clock().date(),
            last: OnceLock::new(),
        });
        match prepared {
            Some(version) => this.install(&mut lock(&this.work), CurrentVersion::new(version, this.samples())),
            // It was there before: what is missing is told where it is missed.
            None => this.observed.log.add(tracing::Level::INFO, "host", NEW_LOG),
        }
        let supervised = Arc::clone(&this);
        let run = move || {
            let span = tracing::info_span!("job", job.name = supervised.observed.name);
            let _entered = span.enter();
            supervised.run();
            supervised.rest(State::Stopped);
            supervised.duty.now_does(Phase::Stopped);
            (supervised.tells.0)();
        };
        let _: Task = services
            .clock()
            .spawn(&format!("job-{}", this.observed.name), Box::new(run))
            .context("failed to start the thread of a job")?;
        Ok(this)
    }

    fn run(&self) {
        let (clock, status) = (&**self.services.clock(), &self.observed.status);
        let mut waits = self.services.environment.pace.backoff();
        while self.duty.may_run(clock, || self.hold_still()) {
            status.set(State::Starting);
            let began = clock.now();
            let ended = catch_unwind(AssertUnwindSafe(|| self.attempt()));
            self.runner.attempt_is_over();
            let error = match ended {
                Ok(Ok(Ended::Stopped)) => continue,
                Ok(Ok(Ended::Asleep(partitions))) => {
                    self.sleep(partitions);
                    continue;
                }
                Ok(Err(error)) => error,
                Err(_) => anyhow!("the job's thread panicked; this is a bug in Pelton, please report it"),
            };
            if clock.now().saturating_duration_since(began) > GOOD_RUN {
                waits = self.services.environment.pace.backoff();
            }
            let after = waits.next().unwrap_or_default();
            let reason = format!("{error:#}; trying again in {:.0} s", after.as_secs_f64());
            tracing::error!("job {}: {reason}", self.observed.name);
            status.clear_all();
            status.raise(&Part::Job, State::Failed, reason);
            // Broken off by whatever changes the job: then it is tried at once.
            self.duty.wait(clock, after);
        }
    }

    /// Waits until there is something for the job.
    fn sleep(&self, partitions: Vec<PartitionView>) {
        let name = &self.observed.name;
        tracing::debug!("job {name} sleeps");
        let part = Part::Sleep(self.runner.sleeping_client());
        self.observed.status.note(&part, "sleeps, for nothing has come for long; the next record wakes it");
        self.runner.sleep(partitions, self.duty.requests());
        self.observed.status.clear_notice(&part);
        tracing::debug!("job {name} wakes");
    }

    /// Rests until the job may go on, and shows where it is.
    fn hold_still(&self) {
        self.held.begin(self.runner.partitions());
        self.rest(State::Paused);
        self.look_if_due();
    }

    /// Has somebody look where the job is, which is held, where that has not been done for a while.
    fn look_if_due(&self) {
        let clock = self.services.clock();
        let Some(look) = self.held.look_if_due(clock.now()) else { return };
        let see = self.see(look);
        // Without a thread it stays as it was last seen.
        let _: Result<Task, _> = clock.spawn(&format!("look-{}", self.observed.name), Box::new(see));
    }

    /// Looks where the job is, which is held. Blocks.
    pub(crate) fn look(&self) {
        self.see(self.held.look(self.services.clock().now()))();
    }

    fn see(&self, look: Look) -> impl FnOnce() + Send + use<> {
        let (runner, record) = (Arc::clone(&self.runner), self.record());
        move || look.saw(runner.look(&record.group, &record.spec.topics()))
    }

    fn rest(&self, state: State) {
        self.observed.status.clear_all();
        self.observed.status.set(state);
        self.observed.metrics.up.set(0);
        self.observed.metrics.in_flight.set(0);
        self.observed.metrics.instances.set(0);
        self.runner.rest();
    }

    fn attempt(&self) -> Result<Ended> {
        Ok(self.runner.run(&self.current()?, &self.record().group, self.duty.requests())?)
    }

    /// What runs; compiled here where that has not been done.
    fn current(&self) -> Result<Arc<CurrentVersion>> {
        loop {
            if let Some(current) = self.running() {
                return Ok(current);
            }
            let record = self.record();
            let component = self.services.component(&record.digest).context("the job's component can't be loaded")?;
            let version = self.services.version(&record, &component)?;
            let mut work = lock(&self.work);
            // Meanwhile another version may have come.
            if work.current.is_none() && record.is_version_of(&work.record) {
                self.install(&mut work, CurrentVersion::new(version, self.samples()));
            }
        }
    }

    fn samples(&self) -> Samples {
        Samples::new(self.services.config().samples.clone())
    }

    fn install(&self, work: &mut Work, current: CurrentVersion) {
        let tells = Arc::clone(&self.tells.0);
        current.on_rolled_back(Box::new(move || tells()));
        work.current = Some(Arc::new(current));
    }

    /// What runs, if it has been compiled.
    pub(crate) fn running(&self) -> Option<Arc<CurrentVersion>> {
        lock(&self.work).current.clone()
    }

    /// What it was last told to be.
    pub(crate) fn record(&self) -> JobRecord {
        lock(&self.work).record.clone()
    }

    /// The file in `usr_jobs` that it came from.
    pub(crate) fn file(&self) -> Option<String> {
        lock(&self.work).record.file.as_ref().map(|file| file.name.clone())
    }

    /// What is there of the job.
    pub(crate) fn actual(&self) -> Actual {
        let (ends, is_over) = (self.duty.told() == Phase::Stopped, self.is_over());
        let work = lock(&self.work);
        Actual { record: work.record.clone(), revision: work.revision, ends, is_over }
    }

    /// Whether its thread has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.duty.does() == Phase::Stopped
    }

    /// Holds the job, or lets it go on.
    pub(crate) fn hold(&self, paused: bool) {
        lock(&self.work).record.paused = paused;
        self.duty.give(if paused { Phase::Paused } else { Phase::Running });
    }

    /// Changes the number of instances, once what is in flight is delivered.
    pub(crate) fn scale(&self, parallelism: Parallelism) {
        lock(&self.work).record.parallelism = parallelism;
        match parallelism.number() {
            Some(instances) => self.duty.scale(instances),
            // It goes on with as many as it has.
            None => *lock(&self.auto) = Auto::new(&self.services),
        }
    }

    /// Puts the version of a record to work between two batches, or with a new attempt: where it reads other topics,
    /// and where a sink does not take what the version before made, which is to be made anew by this one. Without
    /// a version the job's thread is to make it, for it has not begun with any.
    pub(crate) fn put_to_work(&self, wanted: &JobRecord, version: Option<Version>) {
        let mut work = lock(&self.work);
        let before = work.record.spec.topics();
        let reads_others = before != wanted.spec.topics();
        let status = &self.observed.status;
        let writes_others = work.record.spec.sinks != wanted.spec.sinks;
        // What the version before made, and no sink has taken, would wait for ever, and be overtaken by what comes.
        let is_stuck = status.is_held() || writes_others && status.waits_for_a_sink();
        let JobRecord { paused, parallelism, .. } = work.record;
        work.record = JobRecord { paused, parallelism, ..wanted.clone() };
        let mut starts_anew = false;
        match (version, work.current.clone()) {
            (Some(version), Some(current)) if !reads_others && !is_stuck => current.set(version),
            (Some(version), Some(current)) => {
                let name = &self.observed.name;
                let why = if reads_others { format!("it read {}", before.join(", ")) } else { STUCK.to_owned() };
                tracing::info!(job.name = name, "starts anew: {why}");
                let current = current.succeeded_by(version, self.samples());
                self.install(&mut work, current);
                starts_anew = true;
            }
            (Some(version), None) => {
                let current = CurrentVersion::new(version, self.samples());
                self.install(&mut work, current);
            }
            (None, _) => work.current = None,
        }
        drop(work);
        // What another version does with an instance is not known.
        lock(&self.auto).forget();
        // A job that waits for its next attempt need not wait any longer.
        if starts_anew || (status.get().0 == State::Failed && status.is_told(&Part::Job)) {
            self.duty.restart(is_stuck);
        }
    }

    /// Notes that a record has been carried out.
    pub(crate) fn adopt(&self, entry: &Entry) {
        let mut work = lock(&self.work);
        work.record = entry.record.clone();
        work.revision = entry.revision;
    }

    /// Tells the job to stop for good; returns at once.
    pub(crate) fn stop(&self) {
        self.duty.give(Phase::Stopped);
    }

    /// Says that the job has ended and all of it is forgotten.
    pub(crate) fn is_gone(&self, last: JobView) {
        // Nobody says it twice.
        let _ = self.last.set(last);
    }

    /// The job as it was when it had ended and all of it was forgotten.
    pub(crate) fn last(&self) -> Option<&JobView> {
        self.last.get()
    }

    /// The version that did not pass its probation, once.
    pub(crate) fn take_rolled_back(&self) -> Option<RolledBack> {
        self.running()?.take_rolled_back()
    }

    /// Tells what has happened and is over, for a day, or until it is cleared; it is a line in the log as well.
    pub(crate) fn event(&self, part: &Part, reason: &str) {
        tracing::warn!(job.name = self.observed.name, "{part}: {reason}");
        self.observed.status.event(part, reason, TOLD);
    }

    /// Writes a line to the log that tells of nothing that goes on.
    pub(crate) fn log_only(&self, part: &Part, reason: &str) {
        tracing::warn!(job.name = self.observed.name, "{part}: {reason}");
        self.observed.log.add(tracing::Level::WARN, "host", format!("{part}: {reason}"));
    }

    /// Tells something that does not hold the job up, until it is cleared; it is a line in the log as well.
    pub(crate) fn notice(&self, part: &Part, reason: &str) {
        tracing::warn!(job.name = self.observed.name, "{part}: {reason}");
        self.observed.status.notice(part, reason);
    }
}
