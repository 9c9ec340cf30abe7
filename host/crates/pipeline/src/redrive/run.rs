//! The pipeline of a redrive: one fresh instance, the job's own sinks, and a wait until every output is acknowledged.
//!
//! Everything waits here with a deadline, unlike in a job's own pipeline: a sink that is down ends the redrive and says
//! so.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pelton_connect::letters::LettersError;
use pelton_connect::letters::letter::REDRIVEN_FROM;
use pelton_connect::{Opening, Outputs, Report, WritersContext};
use pelton_delivery::budget::Budget;
use pelton_delivery::delivery::Delivery;
use pelton_delivery::fault::Fault;
use pelton_delivery::ledger::Ledger;
use pelton_model::metrics::{JobMetrics, Metrics};
use pelton_model::record::{Batch, Headers, Outcome, Output};
use pelton_model::stage::Stage;
use pelton_model::status::Status;
use pelton_runtime::Failure;

use crate::error::Error;
use crate::guest::{Caller, GuestRunner, Handler, Held};
use crate::job::{Job, JobEnvironment};
use crate::router::Router;
use crate::version::Version;

/// How long the sinks may take for one batch.
const PATIENCE: Duration = Duration::from_secs(30);
/// How soon it is noticed that a redrive is over before its batch is.
const LOOK: Duration = Duration::from_millis(20);

/// What it takes to run a submitted job's present version once more, beside its instances, whether it is running or
/// paused.
#[derive(Debug, Clone)]
pub struct RedriveJob {
    /// The job.
    pub job: Job,
    /// Its present version.
    pub version: Arc<Version>,
    /// What all jobs of the host run in.
    pub environment: JobEnvironment,
}

/// One redrive's pipeline.
#[derive(Debug)]
pub(super) struct Run<'a> {
    job: &'a RedriveJob,
    stop: &'a AtomicBool,
    guest: GuestRunner,
    router: Router,
    fault: Arc<Fault>,
    /// Where sinks tell how they fare.
    status: Arc<Status>,
    /// Counts of its own for dead letters: the answer tells how many there were.
    letters: JobMetrics,
}

impl<'a> Run<'a> {
    /// Opens the job's sinks.
    pub(super) fn start(job: &'a RedriveJob, stop: &'a AtomicBool) -> Result<Self, Error> {
        let RedriveJob { job: Job { name, metrics, host, .. }, version, environment } = job;
        let (fault, status) = (Arc::new(Fault::default()), Arc::new(Status::default()));
        let letters = Arc::new(Metrics::default()).job(name);
        let report = Report {
            job: Arc::clone(name),
            status: Arc::clone(&status),
            metrics: metrics.clone(),
            fault: Arc::clone(&fault),
        };
        let opening = Opening {
            context: WritersContext {
                report: report.clone(),
                client: format!("pelton-redrive-{name}"),
                // It has an end of its own, and what fails again is a dead letter again.
                hold_after: 0,
                patience: Some(PATIENCE),
                folder: environment.letters(),
            },
            letter_counts: letters.clone(),
        };
        let outputs = Outputs::open(&environment.connectors, &opening).map_err(LettersError::Unreachable)?;
        let router = Router::new(0, &outputs, &report, &version.job.spec().sinks).map_err(LettersError::Unreachable)?;
        Ok(Self { job, stop, guest: GuestRunner::new(Arc::clone(host)), router, fault, status, letters })
    }

    /// Runs a batch; returns once every output and dead letter of it is acknowledged. `marked` is the same batch with
    /// the header of its origin on each record, `origins` are those headers.
    pub(super) fn run(&mut self, batch: &Batch, marked: Batch, origins: &[String]) -> Result<(), Error> {
        let ledger = Arc::new(Ledger::default());
        let Some(delivery) = Delivery::new(marked, Arc::clone(&ledger), Arc::new(Budget::new(usize::MAX))) else {
            return Ok(());
        };
        delivery.handle_by(&self.job.version.label);
        if let Some(tracer) = &self.job.job.tracer
            && let Some(traces) = tracer.begin(delivery.batch())
        {
            delivery.observe(Box::new(traces));
        }
        let mut handling = Handling { job: self.job, router: &self.router, delivery: &delivery, origins };
        if let ControlFlow::Break(error) = self.guest.run(batch, &mut handling) {
            return Err(error);
        }
        delivery.acknowledge(1);
        drop(delivery);
        self.wait(&ledger)
    }

    fn wait(&self, ledger: &Ledger) -> Result<(), Error> {
        let ended = |reason: String| {
            ledger.close();
            Err(Error::SinkDown { reason })
        };
        let pace = &self.job.environment.pace;
        let began = pace.now();
        loop {
            if let Some(fault) = self.fault.get() {
                return ended(fault.to_owned());
            }
            if ledger.drain_in(&*pace.clock, LOOK) {
                break;
            }
            if self.stop.load(Ordering::Acquire) {
                return ended("the host is stopping".to_owned());
            }
            if pace.since(began) > PATIENCE {
                let down: Vec<_> =
                    self.status.get().1.into_iter().map(|c| format!("{}: {}", c.part, c.reason)).collect();
                return ended(if down.is_empty() {
                    format!("the sinks did not take a batch within {PATIENCE:?}")
                } else {
                    down.join("; ")
                });
            }
        }
        match ledger.committable() {
            Some(_) => Ok(()),
            None => ended("a sink gave up what it had".to_owned()),
        }
    }

    /// Adds the dead letters that were made to the job's counts; returns how many.
    pub(super) fn finish(self) -> u64 {
        for stage in [Stage::Reject, Stage::Guest, Stage::Sink] {
            self.job.job.metrics.dead_letters(stage).inc_by(self.letters.dead_letters(stage).get());
        }
        self.letters.dead_letters_total()
    }
}

/// One batch at the guest.
struct Handling<'a> {
    job: &'a RedriveJob,
    router: &'a Router,
    delivery: &'a Arc<Delivery>,
    origins: &'a [String],
}

impl Caller for Handling<'_> {
    type Stop = Error;

    fn version(&mut self) -> ControlFlow<Error, Arc<Version>> {
        ControlFlow::Continue(Arc::clone(&self.job.version))
    }

    fn no_instance(&mut self, _: &Arc<Version>, failure: Failure, _: u32) -> ControlFlow<Error> {
        self.job.job.metrics.guest_failures.inc();
        ControlFlow::Break(Error::NoInstance { reason: failure.to_string() })
    }

    fn called(&mut self, _: usize, failure: Option<&Failure>) {
        if failure.is_some() {
            self.job.job.metrics.guest_failures.inc();
        }
    }
}

impl Handler for Handling<'_> {
    fn good(&mut self, mut outcome: Outcome) {
        mark(&mut outcome, self.origins);
        self.router.route(self.delivery, outcome);
    }

    fn bad(&mut self, index: u32, failure: Failure) {
        self.router.give_up(self.delivery, index, Stage::Guest, &failure.to_string());
    }

    /// What was a dead letter becomes one again, however many there are.
    fn hold(&mut self, _: &Arc<Version>, _: u32, _: &Failure, _: u32) -> ControlFlow<Error, Held> {
        ControlFlow::Continue(Held::GiveUp)
    }
}

/// Gives every message that the job made a header with its origin. What it forwards has one already; rows can't.
fn mark(outcome: &mut Outcome, origins: &[String]) {
    for output in &mut outcome.outputs {
        let Output::Messages { messages, .. } = output else { continue };
        let mut marked = Headers::default();
        for (n, &index) in messages.origin.iter().enumerate() {
            for (name, value) in messages.headers.iter().flat_map(|headers| headers.of(n)) {
                marked.push(name, value);
            }
            let origin = origins.get(index as usize).map(String::as_bytes);
            marked.push(REDRIVEN_FROM.as_bytes(), origin);
            marked.end_record();
        }
        messages.headers = Some(marked);
    }
}
