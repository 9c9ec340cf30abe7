//! The pipeline of a redrive: one fresh instance, the job's own sinks, and a wait until every output is acknowledged.
//!
//! Everything waits here with a deadline, unlike in a job's own pipeline: a sink that is down ends the redrive and says so.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use crate::api::types::Problem;
use crate::dead_letter::letter::REDRIVEN_FROM;
use crate::dead_letter::list::away;
use crate::dead_letter::{DeadLetters as _, KafkaDeadLetters, Stage};
use crate::engine::{Failure, Process};
use crate::jobs::running::Running;
use crate::kafka::producer;
use crate::metrics::Metrics;
use crate::pipeline::ack::{Budget, Delivery, Ledger};
use crate::pipeline::dead_letter_folder;
use crate::pipeline::destinations::Destinations;
use crate::pipeline::fault::Fault;
use crate::pipeline::isolate::{Attempts, Part, isolate};
use crate::pipeline::route::Router;
use crate::record::{Batch, Headers, Outcome, Output};
use crate::sink::kafka::{KafkaSink, Undeliverable};
use crate::sink::postgres::PostgresConfig;
use crate::status::Status;

/// How long the sinks may take for one batch.
const PATIENCE: Duration = Duration::from_secs(30);

/// One redrive's pipeline.
pub struct Run<'a> {
    job: &'a Running,
    stop: &'a AtomicBool,
    instance: Option<Box<dyn Process>>,
    router: Router,
    undeliverable: mpsc::Receiver<Undeliverable>,
    fault: Arc<Fault>,
    /// Where sinks tell how they fare.
    status: Arc<Status>,
}

impl std::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("job", &self.job.name).finish_non_exhaustive()
    }
}

impl<'a> Run<'a> {
    /// Opens the job's sinks.
    pub fn start(job: &'a Running, stop: &'a AtomicBool) -> Result<Self, Problem> {
        let (fault, status) = (Arc::new(Fault::default()), Arc::new(Status::default()));
        let mut settings = producer(&job.config.kafka, &format!("pelton-redrive-{}", job.name));
        settings.set("message.timeout.ms", PATIENCE.as_millis().to_string());
        let (kafka, undeliverable) = KafkaSink::new(&settings, Arc::clone(&status), Arc::clone(&fault));
        let kafka = Arc::new(kafka);
        let dead_letters = Arc::new(KafkaDeadLetters {
            job: job.name.clone(),
            sink: Arc::clone(&kafka),
            folder: dead_letter_folder(&job.config),
            fault: Arc::clone(&fault),
            // Counts of its own: the answer tells how many there were.
            metrics: Arc::new(Metrics::default()).job(&job.name),
        });
        let sinks = Destinations {
            name: job.name.clone(),
            postgres: PostgresConfig::of(&job.config.postgres).map_err(|error| away(&error))?,
            runtime: job.runtime.clone(),
            dead_letters: Arc::clone(&dead_letters),
            status: Arc::clone(&status),
            metrics: job.metrics.clone(),
        };
        let made = sinks.make(0, &job.version.job.spec().sinks, &mut Vec::new()).map_err(|error| away(&error))?;
        let destinations = made.into_iter().map(|(_, destination)| destination).collect();
        let metrics = job.metrics.clone();
        let router = Router { destinations, kafka, dead_letters, fault: Arc::clone(&fault), metrics };
        Ok(Self { job, stop, instance: None, router, undeliverable, fault, status })
    }

    /// Runs a batch; returns once every output and dead letter of it is acknowledged. `marked` is the same batch with the
    /// header of its origin on each record, `origins` are those headers.
    pub fn run(&mut self, batch: &Batch, marked: Batch, origins: &[String]) -> Result<(), Problem> {
        let ledger = Arc::new(Ledger::default());
        let Some(delivery) = Delivery::new(marked, Arc::clone(&ledger), Arc::new(Budget::new(usize::MAX))) else {
            return Ok(());
        };
        delivery.handle_by(&self.job.version.label);
        if let Some(tracer) = &self.job.tracer {
            if let Some(traces) = tracer.begin(delivery.batch()) {
                delivery.observe(Box::new(traces));
            }
        }
        let mut attempt = Attempt { run: self, delivery: &delivery, origins, problem: None };
        let mut go = || -> ControlFlow<()> {
            match attempt.attempt(batch)? {
                Ok(outcome) => attempt.found(Part::Good(outcome)),
                Err(failure) => isolate(batch, failure, &mut attempt),
            }
        };
        let went = go();
        if let Some(problem) = attempt.problem {
            return Err(problem);
        }
        if went.is_continue() {
            delivery.acknowledge(1);
        }
        drop(delivery);
        self.wait(&ledger)
    }

    fn wait(&self, ledger: &Ledger) -> Result<(), Problem> {
        let ended = |detail: String| {
            ledger.close();
            Err(Problem::new(503, "unavailable", "the redrive was ended", detail)
                .fix("redrive again when that is mended: what is done is skipped"))
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            while let Ok(undeliverable) = self.undeliverable.try_recv() {
                self.router.dead_letters.undeliverable(undeliverable);
            }
            if let Some(fault) = self.fault.get() {
                return ended(fault.to_owned());
            }
            if ledger.drain(Instant::now() + Duration::from_millis(20)) {
                break;
            }
            if self.stop.load(Ordering::Acquire) {
                return ended("the host is stopping".to_owned());
            }
            if Instant::now() > deadline {
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
    pub fn finish(self) -> u64 {
        let made = &self.router.dead_letters.metrics;
        for stage in [Stage::Reject, Stage::Guest, Stage::Sink] {
            self.job.metrics.dead_letters(stage).inc_by(made.dead_letters(stage).get());
        }
        made.dead_letters_total()
    }
}

/// One batch at the guest.
struct Attempt<'a, 'b> {
    run: &'a mut Run<'b>,
    delivery: &'a Arc<Delivery>,
    origins: &'a [String],
    problem: Option<Problem>,
}

impl Attempts for Attempt<'_, '_> {
    fn attempt(&mut self, part: &Batch) -> ControlFlow<(), Result<Outcome, Failure>> {
        let job = self.run.job;
        let mut instance = match self.run.instance.take() {
            Some(instance) => instance,
            None => match job.version.job.instantiate(&job.version.parameters, Arc::clone(&job.host)) {
                Ok(instance) => instance,
                Err(failure) => {
                    job.metrics.guest_failures.inc();
                    let detail = format!("an instance could not be made: {failure}");
                    let problem = Problem::new(409, "job-fails", "the redrive was ended", detail);
                    self.problem = Some(problem.fix("mend the job first"));
                    return ControlFlow::Break(());
                }
            },
        };
        let result = instance.process(part);
        match &result {
            Ok(_) => self.run.instance = Some(instance),
            Err(_) => drop(job.metrics.guest_failures.inc()),
        }
        ControlFlow::Continue(result)
    }

    fn found(&mut self, part: Part) -> ControlFlow<()> {
        match part {
            Part::Good(mut outcome) => {
                mark(&mut outcome, self.origins);
                self.run.router.route(self.delivery, outcome);
            }
            Part::Bad(index, failure) => {
                self.run.router.dead_letters.send(self.delivery, index, Stage::Guest, &failure.to_string());
            }
        }
        ControlFlow::Continue(())
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
