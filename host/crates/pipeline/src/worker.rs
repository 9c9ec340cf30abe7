//! One instance at work, on a thread of its own: batch after batch, each handled whole before the next.
//!
//! A batch on which the job fails is halved until the bad records are found; they become dead letters and the rest goes
//! on. A job that fails on one record after the other is held instead: it would only turn its topic into dead letters.
//! It is then retried with backoff until it works again, is replaced, or is cancelled. A version on probation is not
//! held: the one before takes over.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pelton_connect::{Error, Outputs, Report, Requests};
use pelton_delivery::delivery::Delivery;
use pelton_model::record::Outcome;
use pelton_model::stage::Stage;
use pelton_model::status::{Part, State};
use pelton_model::sync::lock;
use pelton_runtime::Failure;

use crate::current::CurrentVersion;
use crate::guest::{Caller, GuestRunner, Handler, Held};
use crate::job::Job;
use crate::pace::Pace;
use crate::queue::Queue;
use crate::router::Router;
use crate::version::Version;

/// As good as for ever.
const LONG: Duration = Duration::from_secs(3600);

/// What the instances of an attempt share.
#[derive(Debug, Clone)]
pub struct WorkerContext {
    /// The job.
    pub job: Job,
    /// The version that is to run, whoever changes it.
    pub current: Arc<CurrentVersion>,
    /// What the sinks are made of.
    pub outputs: Outputs,
    /// Where failures are told.
    pub report: Report,
    /// Whether to stop: what waits for a retry is given up then, unacknowledged.
    pub requests: Requests,
    /// How it waits.
    pub pace: Pace,
}

/// An instance.
#[derive(Debug)]
pub struct Worker {
    guest: GuestRunner,
    desk: Desk,
}

/// What an instance has beside the guest.
#[derive(Debug)]
struct Desk {
    context: WorkerContext,
    /// The part of the job under which failures are told.
    part: Part,
    router: Router,
    version: Arc<Version>,
    generation: u64,
    /// Whether a failure is being told in the status.
    is_told: bool,
    /// Memory of the instance as it was last told, bytes.
    memory: usize,
    /// When the call under way began.
    called: Instant,
}

impl Worker {
    /// Instance `number`, from 0, with its sinks.
    ///
    /// # Errors
    /// A sink can't be made.
    pub fn new(context: &WorkerContext, number: usize) -> Result<Self, Error> {
        let (version, generation) = context.current.get();
        let desk = Desk {
            part: Part::Instance { number, job: context.job.name.to_string() },
            router: Router::new(number, &context.outputs, &context.report, &version.job.spec().sinks)?,
            version,
            generation,
            is_told: false,
            memory: 0,
            called: context.pace.now(),
            context: context.clone(),
        };
        Ok(Self { guest: GuestRunner::new(Arc::clone(&context.job.host)), desk })
    }

    /// The part of the job under which its failures are told.
    pub fn part(&self) -> &Part {
        &self.desk.part
    }

    /// Handles batches until the queue closes or it is told to stop while it waits.
    pub fn run(mut self, batches: &Queue<Arc<Delivery>>) {
        let mut cpu = Cpu::default();
        while let Some(delivery) = batches.pop(&*self.desk.context.pace.clock) {
            // The next owner of the partition reads it again.
            if delivery.ledger().is_closed() {
                continue;
            }
            let began = self.desk.context.pace.now();
            let handled = self.handle(&delivery);
            if delivery.handled() {
                self.desk.context.requests.wake.call();
            }
            self.desk.context.report.metrics.was_at_work(self.desk.context.pace.since(began));
            self.desk.context.report.metrics.cpu.inc_by(cpu.since());
            if handled.is_break() {
                if self.desk.context.requests.stops() || self.desk.context.report.fault.get().is_some() {
                    break;
                }
                // Its partition was given up. What was told of it is the next owner's to tell.
                self.desk.clear();
            }
        }
        self.desk.context.report.metrics.memory.dec_by(self.desk.memory as i64);
    }

    fn handle(&mut self, delivery: &Arc<Delivery>) -> ControlFlow<()> {
        if let Some(tracer) = &self.desk.context.job.tracer
            && let Some(traces) = tracer.begin(delivery.batch())
        {
            delivery.observe(Box::new(traces));
        }
        let mut handling = Handling { desk: &mut self.desk, delivery, no_instance: None, hold: None };
        self.guest.run(delivery.batch(), &mut handling)?;
        delivery.acknowledge(1);
        ControlFlow::Continue(())
    }
}

impl Desk {
    /// Takes up the version that is to run, if it is another one.
    fn take_up(&mut self) -> ControlFlow<()> {
        if self.context.current.generation() == self.generation {
            return ControlFlow::Continue(());
        }
        (self.version, self.generation) = self.context.current.get();
        if let Err(error) = self.router.change(&self.version.job.spec().sinks) {
            self.router.fail(format!("the sinks of a new version can't be made: {error}"));
            return ControlFlow::Break(());
        }
        self.clear();
        ControlFlow::Continue(())
    }

    /// Clears what was told of a failure.
    fn clear(&mut self) {
        if std::mem::take(&mut self.is_told) {
            self.context.report.status.clear(&self.part);
        }
    }
}

/// The waits of what is tried again.
type Waits = Box<dyn Iterator<Item = Duration> + Send>;

/// One delivery at the guest.
struct Handling<'a> {
    desk: &'a mut Desk,
    delivery: &'a Arc<Delivery>,
    no_instance: Option<Waits>,
    hold: Option<Waits>,
}

impl Handling<'_> {
    /// The next of the waits that have begun with time 0.
    fn next(waits: &mut Option<Waits>, times: u32, pace: &Pace) -> Duration {
        if times == 0 {
            *waits = None;
        }
        waits.get_or_insert_with(|| Box::new(pace.backoff())).next().unwrap_or_default()
    }

    /// Tells why the job waits, and waits, until there is another version at most; breaks off when it is told to stop
    /// or the delivery's partition is given up: whoever has it next reads it again from the last commit.
    fn retry(&mut self, reason: &str, after: Duration) -> ControlFlow<()> {
        let Desk { context, part, generation, .. } = &*self.desk;
        let reason = format!("{reason}; trying again in {:.0} s", after.as_secs_f64());
        if context.report.status.raise(part, State::Failed, &reason) {
            tracing::error!("{part}: {reason}");
        }
        let given_up = || context.requests.stops() || self.delivery.ledger().is_closed();
        let replaced = || context.current.generation() != *generation;
        // Broken off for another version, it goes on with that.
        let _ = context.pace.wait(|| given_up() || replaced(), after);
        let is_given_up = given_up();
        self.desk.is_told = true;
        if is_given_up { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Caller for Handling<'_> {
    type Stop = ();

    /// Once there is room for what comes of it: whatever waits to be written was made from records that a guest may
    /// have made many of each.
    fn version(&mut self) -> ControlFlow<(), Arc<Version>> {
        self.desk.take_up()?;
        while !self.delivery.has_room() {
            let Desk { context, generation, .. } = &*self.desk;
            let given_up = || context.requests.stops() || self.delivery.ledger().is_closed();
            let over = || self.delivery.has_room() || given_up() || context.current.generation() != *generation;
            let _ = context.pace.wait(over, LONG);
            if given_up() {
                return ControlFlow::Break(());
            }
            self.desk.take_up()?;
        }
        self.delivery.handle_by(&self.desk.version.label);
        ControlFlow::Continue(Arc::clone(&self.desk.version))
    }

    /// Retried with backoff, unless the version before can take over.
    fn no_instance(&mut self, version: &Arc<Version>, failure: Failure, times: u32) -> ControlFlow<()> {
        self.desk.context.report.metrics.guest_failures.inc();
        let reason = format!("an instance could not be made: {failure}");
        if self.desk.context.current.hopeless(version, &reason) {
            return ControlFlow::Continue(());
        }
        let after = Self::next(&mut self.no_instance, times, &self.desk.context.pace);
        self.retry(&reason, after)
    }

    fn calls(&mut self) {
        self.desk.called = self.desk.context.pace.now();
    }

    fn called(&mut self, memory: usize, failure: Option<&Failure>) {
        let metrics = &self.desk.context.report.metrics;
        metrics.batch(self.desk.context.pace.since(self.desk.called));
        metrics.memory.inc_by(memory as i64 - self.desk.memory as i64);
        self.desk.memory = memory;
        if failure.is_some() {
            metrics.guest_failures.inc();
        }
    }
}

impl Handler for Handling<'_> {
    fn tried(&mut self, version: &Arc<Version>, result: Result<&Outcome, &Failure>, is_first: bool) {
        let (context, batch) = (&self.desk.context, self.delivery.batch());
        context.current.handled(version, result.err().map(ToString::to_string).as_deref());
        match result {
            Ok(outcome) => {
                let spec = version.job.spec();
                if context.current.samples.is_on() {
                    context.current.samples.offer(context.pace.now(), spec, batch, outcome);
                }
                if let Some(shadow) = &*lock(&context.current.shadow) {
                    shadow.offer(spec, batch, outcome);
                }
            }
            // A row of failing batches is told once, when it begins.
            Err(failure) if is_first => tracing::warn!(
                kafka.topic = &*batch.topic,
                kafka.partition = batch.partition,
                kafka.offset = batch.offsets.first(),
                "{}: a batch of {} failed, looking for the bad records: {failure}",
                self.desk.part,
                batch.len()
            ),
            Err(_) => {}
        }
    }

    fn good(&mut self, outcome: Outcome) {
        self.desk.clear();
        self.desk.router.route(self.delivery, outcome);
    }

    fn bad(&mut self, index: u32, failure: Failure) {
        if let Failure::Unreadable(_) = failure {
            return self.desk.router.give_up(self.delivery, index, Stage::Guest, &failure.to_string());
        }
        self.desk.is_told = true;
        let Desk { context, part, router, .. } = &*self.desk;
        let batch = self.delivery.batch();
        let told = format!("{}: {failure}", batch.place(index as usize));
        // The first of a row is told with the state.
        if !context.report.status.raise(part, State::Failing, told.as_str()) {
            context.job.host.log(tracing::Level::ERROR, &told);
        }
        router.give_up(self.delivery, index, Stage::Guest, &failure.to_string());
    }

    fn hold(&mut self, version: &Arc<Version>, _: u32, failure: &Failure, times: u32) -> ControlFlow<(), Held> {
        // The version before is tried at once.
        if !self.desk.context.current.hopeless(version, &failure.to_string()) {
            let after = Self::next(&mut self.hold, times, &self.desk.context.pace);
            self.retry(&format!("the job fails on every record: {failure}"), after)?;
        }
        ControlFlow::Continue(Held::TryAgain)
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
