//! Keeping a job running: attempt after attempt, with backoff, until it is told to stop.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::guest_host::GuestHost;
use super::is_well;
use super::registry::Record;
use crate::api::types::{Counts, JobView, SinkCounts};
use crate::config::Config;
use crate::engine::{Host, Job};
use crate::metrics::JobMetrics;
use crate::pipeline::Attempt;
use crate::pipeline::ack::lock;
use crate::pipeline::worker::{backoff, wait};
use crate::source::kafka::Assignment;
use crate::status::{State, Status};

/// Gets the compiled job; called until it succeeds.
pub(super) type Load = Box<dyn Fn() -> Result<Job> + Send>;

/// An attempt that ran this long was well: the next failure is waited out from the shortest backoff again.
const GOOD_RUN: Duration = Duration::from_secs(60);
/// The part under which failed attempts are told.
const PART: &str = "job";

/// A submitted job and the thread that keeps it running.
#[derive(Debug)]
pub(super) struct Supervised {
    pub(super) record: Record,
    status: Arc<Status>,
    metrics: JobMetrics,
    stop: Arc<AtomicBool>,
    stopped: watch::Receiver<bool>,
    assignment: Arc<Mutex<Arc<Assignment>>>,
}

impl Supervised {
    pub(super) fn start(
        record: Record,
        load: Load,
        config: Arc<Config>,
        metrics: JobMetrics,
        runtime: Handle,
    ) -> Result<Arc<Self>> {
        let (ended, stopped) = watch::channel(false);
        let supervised = Arc::new(Self {
            record,
            status: Arc::default(),
            metrics,
            stop: Arc::default(),
            stopped,
            assignment: Arc::default(),
        });
        let this = Arc::clone(&supervised);
        std::thread::Builder::new()
            .name(format!("job-{}", this.record.name))
            .spawn(move || {
                let span = tracing::info_span!("job", name = this.record.name);
                let _entered = span.enter();
                this.run(&load, &config, &runtime);
                this.status.clear_all();
                this.status.set(State::Stopped);
                this.metrics.up.set(0);
                *lock(&this.assignment) = Arc::default();
                // Whoever waited may have gone.
                let _ = ended.send(true);
            })
            .context("failed to start the thread of a job")?;
        Ok(supervised)
    }

    fn run(&self, load: &Load, config: &Arc<Config>, runtime: &Handle) {
        let mut waits = backoff();
        let mut compiled = None;
        while !self.stop.load(Ordering::Acquire) {
            self.status.set(State::Starting);
            let began = Instant::now();
            let attempt = || self.attempt(&mut compiled, load, config, runtime);
            let error = match catch_unwind(AssertUnwindSafe(attempt)) {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(_) => anyhow!("the job's thread panicked; this is a bug in Pelton, please report it"),
            };
            if began.elapsed() > GOOD_RUN {
                waits = backoff();
            }
            let after = waits.next().unwrap_or_default();
            let reason = format!("{error:#}; trying again in {:.0} s", after.as_secs_f64());
            tracing::error!("job {}: {reason}", self.record.name);
            self.status.clear_all();
            self.status.raise(PART, State::Failed, reason);
            if wait(|| self.stop.load(Ordering::Acquire), after).is_break() {
                return;
            }
            self.status.clear(PART);
        }
    }

    fn attempt(&self, compiled: &mut Option<Job>, load: &Load, config: &Arc<Config>, runtime: &Handle) -> Result<()> {
        let job = match compiled {
            Some(job) => job.clone(),
            None => compiled.insert(load().context("the job's component can't be loaded")?).clone(),
        };
        let set: Vec<_> = self.record.parameters.clone().into_iter().collect();
        let parameters = Arc::new(job.parameters(&set)?);
        let host: Arc<dyn Host> = Arc::new(GuestHost::new(&self.record.name, self.metrics.clone()));
        let attempt = Attempt {
            name: self.record.name.clone(),
            job: Arc::new(job),
            parameters,
            group: self.record.group.clone(),
            parallelism: self.record.parallelism,
            config: Arc::clone(config),
            host,
            status: Arc::clone(&self.status),
            metrics: self.metrics.clone(),
            stop: Arc::clone(&self.stop),
            runtime: runtime.clone(),
            assignment: Arc::clone(&self.assignment),
        };
        attempt.run()
    }

    /// Tells the job to stop; returns at once.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Waits until the job has stopped.
    pub(super) async fn stopped(&self) {
        // An error means that the thread is gone: stopped as well.
        let _ = self.stopped.clone().wait_for(|stopped| *stopped).await;
    }

    pub(super) fn observe(&self) {
        self.metrics.up.set(i64::from(is_well(self.status.get().0)));
    }

    pub(super) fn view(&self) -> JobView {
        let record = &self.record;
        let (state, conditions) = self.status.get();
        let partitions = lock(&self.assignment).view();
        let lags: Option<Vec<i64>> = partitions.iter().map(|partition| partition.lag).collect();
        let declared = record.spec.parameters.iter().filter_map(|p| Some((p.name.clone(), p.default.clone()?)));
        let sinks = record.spec.sinks.iter().map(|sink| {
            let metrics = self.metrics.sink(&sink.name);
            SinkCounts { name: sink.name.clone(), records_out: metrics.records.get(), bytes_out: metrics.bytes.get() }
        });
        JobView {
            name: record.name.clone(),
            state,
            conditions,
            digest: record.digest.clone(),
            spec: record.spec.clone(),
            parameters: declared.chain(record.parameters.clone()).collect(),
            group: record.group.clone(),
            parallelism: record.parallelism,
            submitted: record.submitted,
            counts: Counts {
                records_in: self.metrics.records_in.get(),
                bytes_in: self.metrics.bytes_in.get(),
                rejects: self.metrics.rejects.get(),
                dead_letters: self.metrics.dead_letters_total(),
                guest_failures: self.metrics.guest_failures.get(),
                sinks: sinks.collect(),
            },
            lag: lags.filter(|lags| !lags.is_empty()).map(|lags| lags.iter().sum()),
            partitions,
        }
    }
}
