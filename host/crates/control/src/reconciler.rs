//! Making each job what its record says: whenever a record changes, a job ends, or what could not be done is due again.
//!
//! One thread sees who is due; what is to be done for a job is [planned](crate::reconcile) and done on a thread of
//! its own, one step after the other, so that no job waits for another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use crate::catalog::{Entry, Error as CatalogError, Revision};
use crate::reconcile::{Action, plan};
use crate::record::Note;
use crate::start_error::StartError;
use anyhow::Context;
use pelton_delivery::wake::Wake;
use pelton_model::cause::Because as _;
use pelton_model::sync::lock;

use crate::error::Error;
use crate::flow;
use crate::services::Services;
use crate::slot::Slot;
use crate::supervisor::{Supervised, Tells};
use crate::trim::give_back;
use pelton_model::status::Part;
use pelton_pipeline::{RolledBack, Version};

/// How long what could not be done waits until it is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// Who rolls back a version that does not pass its probation.
const HOST: &str = "host";
/// How long is waited at a time; whatever is waited for wakes.
const LONG: Duration = Duration::from_secs(3600);

/// Who is due.
#[derive(Debug, Default)]
struct Due {
    /// Any job may be.
    all: bool,
    jobs: BTreeSet<String>,
    /// Who is due later, and when.
    later: BTreeMap<String, Instant>,
}

/// All jobs of a host, and what makes them what their records say.
#[derive(Debug)]
pub(crate) struct Reconciler {
    pub(crate) services: Arc<Services>,
    slots: Mutex<BTreeMap<String, Arc<Slot>>>,
    due: Mutex<Due>,
    wake: Wake,
    /// What is told of jobs that are in each other's way, by job.
    told: Mutex<BTreeMap<String, String>>,
    /// Whether nothing is started or changed any more.
    is_closed: AtomicBool,
}

impl Reconciler {
    /// Has every job run that the catalog has, and keeps them as their records say from then on.
    ///
    /// # Errors
    /// The catalog can't be reached, or there is no thread.
    pub(crate) fn start(services: Arc<Services>) -> Result<Arc<Self>, StartError> {
        let this = Arc::new(Self {
            services,
            slots: Mutex::default(),
            due: Mutex::default(),
            wake: Wake::default(),
            told: Mutex::default(),
            is_closed: AtomicBool::new(false),
        });
        let weak = Arc::downgrade(&this);
        // Before they are listed, so that no change is missed.
        this.services.catalog.subscribe(Box::new(move |job| {
            if let Some(this) = weak.upgrade() {
                this.is_due(job);
            }
        }));
        let listing = this.services.catalog.list()?;
        for error in &listing.unreadable {
            tracing::error!("a submitted job can't be started: {error}");
        }
        for entry in listing.entries {
            let slot = this.slot(&entry.record.name);
            if slot.take_turn() {
                this.carry_out(&slot);
            }
        }
        let weak = Arc::downgrade(&this);
        let spawned = this.services.clock().spawn("reconcile", Box::new(move || run(&weak)));
        spawned.context("failed to start the thread that reconciles").because(StartError::Thread)?;
        Ok(this)
    }

    /// Says that a job is to be looked at; without a name, all are.
    fn is_due(&self, job: Option<&str>) {
        let mut due = lock(&self.due);
        match job {
            Some(job) => drop(due.jobs.insert(job.to_owned())),
            None => due.all = true,
        }
        drop(due);
        self.wake.call();
    }

    /// Takes who is due now, and says how long it is until the next one will be.
    fn take_due(&self) -> (BTreeSet<String>, Duration) {
        let now = self.services.clock().now();
        let mut due = lock(&self.due);
        let mut jobs = std::mem::take(&mut due.jobs);
        let all = std::mem::take(&mut due.all);
        jobs.extend(due.later.iter().filter(|(_, at)| **at <= now).map(|(job, _)| job.clone()));
        due.later.retain(|_, at| *at > now);
        let next = due.later.values().min().map_or(LONG, |at| at.saturating_duration_since(now));
        drop(due);
        if all {
            jobs.extend(lock(&self.slots).keys().cloned());
            match self.services.catalog.list() {
                Ok(listing) => jobs.extend(listing.entries.into_iter().map(|entry| entry.record.name)),
                Err(error) => {
                    tracing::warn!("the catalog can't be read: {error}; the jobs go on as they are");
                    lock(&self.due).all = true;
                    return (jobs, AGAIN);
                }
            }
        }
        (jobs, next)
    }

    /// The place of a job, made where it has none.
    pub(crate) fn slot(&self, job: &str) -> Arc<Slot> {
        Arc::clone(lock(&self.slots).entry(job.to_owned()).or_insert_with(|| Arc::new(Slot::new(job))))
    }

    /// The place of a job that runs, or is held, on this host.
    pub(crate) fn find(&self, job: &str) -> Option<(Arc<Slot>, Arc<Supervised>)> {
        let slot = lock(&self.slots).get(job).cloned()?;
        let supervised = slot.supervised()?;
        Some((slot, supervised))
    }

    /// All jobs that run, or are held, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Supervised>> {
        let slots: Vec<_> = lock(&self.slots).values().cloned().collect();
        slots.iter().filter_map(|slot| slot.supervised()).collect()
    }

    /// Waits until a record of a job, which has been written, has been carried out.
    pub(crate) fn wait(&self, slot: &Slot, revision: Revision) -> Result<(), Error> {
        let looks = slot.looks();
        // Whoever is told of the write looks after this; once more where that was done before.
        self.is_due(Some(&slot.name));
        slot.changes.wait(&**self.services.clock(), || self.is_closed() || slot.outcome(revision, looks).is_some());
        slot.outcome(revision, looks).unwrap_or_else(|| Err(Error::Stopping(slot.name.clone())))
    }

    /// Whether the host is stopping.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Has the host start and change nothing any more, and tells all jobs to stop; returns them.
    pub(crate) fn close(&self) -> Vec<(Arc<Slot>, Arc<Supervised>)> {
        self.is_closed.store(true, Ordering::Release);
        self.wake.call();
        let slots: Vec<_> = lock(&self.slots).values().cloned().collect();
        let all: Vec<_> = slots.into_iter().filter_map(|slot| slot.supervised().map(|job| (slot, job))).collect();
        for (slot, supervised) in &all {
            supervised.stop();
            slot.changes.tell();
        }
        all
    }

    /// Does what is to be done for a job, with its turn taken.
    fn carry_out(self: &Arc<Self>, slot: &Arc<Slot>) {
        loop {
            while !self.is_closed() {
                match self.step(slot) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(Failure::Again) => {}
                    Err(Failure::Later(error)) => {
                        tracing::warn!(job.name = slot.name, "{}: {error}; trying again", slot.name);
                        let at = self.services.clock().now() + AGAIN;
                        lock(&self.due).later.insert(slot.name.clone(), at);
                        self.wake.call();
                        break;
                    }
                }
            }
            if !slot.goes_on() {
                return;
            }
        }
    }

    /// Does the next steps for a job; says whether there were any.
    fn step(self: &Arc<Self>, slot: &Arc<Slot>) -> Result<bool, Failure> {
        let look = slot.look();
        let mut desired = self.desired(slot)?;
        if let Some(told) = slot.rolled_back() {
            self.keep_rollback(slot, desired.as_ref(), &told)?;
            desired = self.desired(slot)?;
        }
        let actual = slot.supervised().map(|supervised| supervised.actual());
        let steps = plan(desired.as_ref(), actual.as_ref());
        for action in &steps {
            if self.is_closed() {
                return Ok(false);
            }
            if let Err(error) = self.act(slot, desired.as_ref(), *action) {
                if let (Failure::Later(error), Some(entry)) = (&error, &desired) {
                    slot.set_failure(Some((entry.revision, error.clone())));
                }
                return Err(error);
            }
        }
        if steps.is_empty() {
            slot.is_settled(look);
        }
        Ok(!steps.is_empty())
    }

    /// The record of a job. Who waits for any of its changes is told where it can't be read.
    fn desired(&self, slot: &Slot) -> Result<Option<Entry>, Failure> {
        self.services.catalog.get(&slot.name).map_err(|error| {
            let error = Error::internal("the job's record can't be read", &error);
            slot.set_failure(Some((Revision(u64::MAX), error.clone())));
            Failure::Later(error)
        })
    }

    fn act(self: &Arc<Self>, slot: &Arc<Slot>, desired: Option<&Entry>, action: Action) -> Result<(), Failure> {
        let supervised = slot.supervised();
        match (action, desired, &supervised) {
            (Action::Start, Some(entry), _) => self.begin(slot, entry)?,
            (Action::Version, Some(entry), Some(supervised)) => self.put_to_work(slot, entry, supervised)?,
            (Action::Scale, Some(entry), Some(supervised)) => supervised.scale(entry.record.parallelism),
            (Action::Hold(paused), _, Some(supervised)) => supervised.hold(paused),
            (Action::Adopt(_), Some(entry), Some(supervised)) => {
                supervised.adopt(entry);
                supervised.observed.status.clear_notice(&Part::Version);
                slot.set_failure(None);
            }
            (Action::Stop, _, Some(supervised)) => supervised.stop(),
            (Action::Remove(revision), ..) => self
                .services
                .catalog
                .remove(&slot.name, revision)
                .map_err(|error| Failure::of(error, "failed to forget the job"))?,
            (Action::Forget, _, Some(supervised)) => {
                let last = supervised.view();
                let sinks: Vec<_> = last.spec.sinks.iter().map(|sink| sink.name.clone()).collect();
                supervised.observed.metrics.forget(sinks.iter().map(String::as_str));
                tracing::info!(job.name = slot.name, "cancelled {}", slot.name);
                supervised.is_gone(last);
                slot.set_supervised(None);
                give_back();
            }
            // No plan has the others.
            _ => {}
        }
        if matches!(action, Action::Start | Action::Version | Action::Forget) {
            self.tell_of_flow();
        }
        Ok(())
    }

    /// Tells in each job what it and others do to each other, where that is not what has been told already.
    fn tell_of_flow(&self) {
        // Held until all is told: whoever is the last has seen all jobs.
        let mut told = lock(&self.told);
        let jobs = self.all();
        let records: Vec<_> = jobs.iter().map(|job| job.record()).collect();
        let now = flow::notices(&records);
        for job in &jobs {
            let name = &job.observed.name;
            match now.get(name) {
                Some(text) if told.get(name) == Some(text) && job.observed.status.has_notice(&Part::Flow) => {}
                Some(text) => job.notice(&Part::Flow, text),
                None => drop(job.observed.status.clear_notice(&Part::Flow)),
            }
        }
        *told = now;
    }

    fn begin(self: &Arc<Self>, slot: &Arc<Slot>, entry: &Entry) -> Result<(), Failure> {
        let prepared = slot.take_prepared(&entry.record);
        let tells = self.tells(&slot.name);
        let supervised = Supervised::start(&self.services, entry, prepared, Arc::clone(&slot.changes), tells)
            .map_err(|error| Failure::Later(Error::internal("failed to start the job", &format!("{error:#}"))))?;
        slot.set_supervised(Some(Arc::clone(&supervised)));
        // Whoever closes sees the job, or this sees that it is closed.
        if self.is_closed() {
            supervised.stop();
        }
        Ok(())
    }

    fn tells(self: &Arc<Self>, job: &str) -> Tells {
        let (weak, job) = (Arc::downgrade(self), job.to_owned());
        Tells(Arc::new(move || {
            if let Some(this) = weak.upgrade() {
                this.is_due(Some(&job));
            }
        }))
    }

    /// Puts the version of a record to work: that which was opened for it, or one that is made now, where one runs.
    fn put_to_work(&self, slot: &Slot, entry: &Entry, supervised: &Supervised) -> Result<(), Failure> {
        let record = &entry.record;
        let version = match slot.take_prepared(record) {
            Some(version) => Some(version),
            None if supervised.running().is_none() => None,
            None => {
                let made = self
                    .services
                    .component(&record.digest)
                    .and_then(|component| Ok(self.services.version(record, &component)?));
                Some(made.map_err(|error| {
                    let cause = format!("{error:#}");
                    if slot.failure(entry.revision).is_none() {
                        let told = format!("version {} can't be put to work: {cause}", record.version);
                        supervised.notice(&Part::Version, &told);
                    }
                    Failure::Later(Error::Internal { what: "a kept component can't be loaded".to_owned(), cause })
                })?)
            }
        };
        let before = supervised.record();
        supervised.put_to_work(record, version);
        // What the host has rolled back is told as that.
        if let Some(change) = record.history.last().filter(|change| change.by != HOST) {
            if record.digest != before.digest {
                // Somebody has decided what is to run in the place of what was refused or rolled back.
                supervised.observed.status.clear_notice(&Part::Reload);
                supervised.observed.status.clear_notice(&Part::Rollback);
            }
            let told = format!(
                "version {} ({}) took over from version {}: {} by {}",
                record.version, record.spec.version, before.version, change.why, change.by
            );
            tracing::info!(job.name = slot.name, "{}: {told}", slot.name);
            supervised.observed.log.add(tracing::Level::INFO, "host", told);
        }
        Ok(())
    }

    /// Keeps what the pipeline has done already: the version before is back.
    fn keep_rollback(&self, slot: &Slot, desired: Option<&Entry>, told: &RolledBack) -> Result<(), Failure> {
        let of_it = desired.filter(|entry| entry.record.version == told.failed.number && !entry.record.cancelled);
        let (Some(Entry { revision, record }), Some(supervised)) = (of_it, slot.supervised()) else {
            // Another version has come meanwhile.
            slot.rollback_is_kept();
            return Ok(());
        };
        let reason = format!("version {} was rolled back by the host: {}", told.failed.number, told.reason);
        let Some(good) = record.earlier(Some(told.good.number)).cloned() else {
            slot.rollback_is_kept();
            supervised.event(&Part::Rollback, &reason);
            tracing::error!(
                job.name = slot.name,
                "a rollback is not kept over a restart: version {} is not known",
                told.good.number
            );
            return Ok(());
        };
        let mut record = record.clone();
        let note = Note { by: HOST.to_owned(), why: reason.clone(), at: self.services.clock().date() };
        record.parameters = good.parameters;
        record.mapping = good.mapping;
        record.adopt(&good.digest, told.good.job.spec(), &note);
        let job = Arc::clone(&told.good.job);
        let version = Version::new(record.version, job, told.good.parameters.to_vec(), &record.digest);
        slot.prepare(&record, version);
        // Before others can see that it is back.
        supervised.event(&Part::Rollback, &reason);
        if let Err(error) = self.services.catalog.put(&record, Some(*revision)) {
            slot.take_prepared(&record);
            return Err(Failure::of(error, "a rollback is not kept over a restart"));
        }
        slot.rollback_is_kept();
        Ok(())
    }
}

/// Sees who is due, until the host has ended.
fn run(weak: &Weak<Reconciler>) {
    while let Some(this) = weak.upgrade().filter(|this| !this.is_closed()) {
        let (jobs, next) = this.take_due();
        for job in jobs {
            let slot = this.slot(&job);
            if !slot.take_turn() {
                continue;
            }
            let worker = Arc::clone(&this);
            let of = Arc::clone(&slot);
            let spawned =
                this.services.clock().spawn(&format!("reconcile-{job}"), Box::new(move || worker.carry_out(&of)));
            if spawned.is_err() {
                // Slower, since others wait meanwhile.
                this.carry_out(&slot);
            }
        }
        this.services.clock().wait(&this.wake, next);
    }
}

/// Why a step was not done.
#[derive(Debug)]
enum Failure {
    /// The record is another one by now.
    Again,
    /// Something failed that may go well later.
    Later(Error),
}

impl Failure {
    fn of(error: CatalogError, what: &str) -> Self {
        if error.is_conflict() { Self::Again } else { Self::Later(Error::internal(what, &error)) }
    }
}
