//! A job run without Kafka and Postgres: records from a reader, everything that it makes of them as lines of JSON.
//!
//! It is the host's own engine with the host's limits, batches cut as the host cuts them, and a failed batch halved as
//! the pipeline does it, so what happens here happens there. The lines depend on nothing but the component, its
//! parameters and the records: a call that failed and is made again on a half leaves no line and no metric behind.

mod golden;
mod guest_host;
mod input;
mod lines;

use std::fmt::{self, Display};
use std::io::BufRead;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use serde::Serialize;

use crate::engine::{Engine, Failure, Instance, Job};
use crate::pipeline::isolate::{Attempts, Part, isolate};
use crate::pipeline::worker::{MOST_BAD, MOST_BAD_AT_FIRST};
use crate::record::{Batch, Outcome};
use crate::sink::postgres::Encoder;
pub use golden::Golden;
use guest_host::{Recorder, Told};
pub use input::Format;
use input::Records;

/// How a job is to be run.
#[derive(Debug, Clone)]
pub struct DryRun {
    /// Parameters that are set; the others have their defaults.
    pub parameters: Vec<(String, String)>,
    /// Most records in a batch.
    pub batch_records: usize,
    /// Most bytes in a batch; a larger record is a batch of its own.
    pub batch_bytes: usize,
    /// What a line of the input is.
    pub format: Format,
}

/// What a run came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Records read.
    pub records: u64,
    /// Outputs by sink, in declared order.
    pub outputs: Vec<SinkSummary>,
    /// Records that the job rejected.
    pub rejects: u64,
    /// Records on which it failed.
    pub failures: u64,
    /// CPU time that the job took for a record, nanoseconds, calls that failed included.
    pub nanoseconds_per_record: u64,
    /// Most memory of an instance, bytes.
    pub memory_bytes: usize,
    /// Time from the component's bytes to the job, milliseconds: compiling, or loading compiled code.
    pub load_milliseconds: u64,
}

/// Outputs for one sink.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SinkSummary {
    /// The sink.
    pub sink: String,
    /// Messages, or rows.
    pub outputs: u64,
    /// Those of the rows that Postgres could not hold.
    pub refused: u64,
}

impl DryRun {
    /// Runs a component over all records of the input. `print` is given each line, in order.
    ///
    /// # Errors
    /// The component is no job, a parameter is missing or not taken, an instance can't be made, a line of the input is
    /// not as the format says, the job fails on one record after the other, or `print` failed.
    pub fn run(
        &self,
        engine: &Engine,
        component: &[u8],
        input: impl BufRead,
        print: &mut dyn FnMut(&str) -> Result<()>,
    ) -> Result<Summary> {
        let began = Instant::now();
        let job = engine.load(component)?;
        let load = began.elapsed();
        let parameters = job.parameters(&self.parameters)?;
        let spec = Arc::clone(job.spec());
        let mut records = Records::new(input, &spec, self);
        let mut run = Run {
            encoders: spec.sinks.iter().map(|sink| Encoder::new(&sink.target)).collect(),
            summary: Summary { load_milliseconds: load.as_millis() as u64, ..Summary::default() },
            recorder: Arc::default(),
            job,
            parameters,
            instance: None,
            cpu: Duration::ZERO,
            bad_streak: 0,
            has_worked: false,
            found: Vec::new(),
            over: None,
        };
        run.summary.outputs =
            spec.sinks.iter().map(|sink| SinkSummary { sink: sink.name.clone(), ..SinkSummary::default() }).collect();
        // Also where there is no record: parameters that don't serve are told.
        run.instance = Some(run.fresh()?);
        while let Some(batch) = records.next_batch()? {
            run.handle(&batch)?;
            run.print(print)?;
            run.summary.records += batch.len() as u64;
            if let Some(reason) = run.over.take() {
                bail!(reason);
            }
        }
        run.recorder.take_metrics().iter().try_for_each(|metric| print(&lines::metric(metric)))?;
        let nanoseconds = run.cpu.as_nanos() / u128::from(run.summary.records.max(1));
        run.summary.nanoseconds_per_record = u64::try_from(nanoseconds).unwrap_or(u64::MAX);
        Ok(run.summary)
    }
}

/// A run under way.
struct Run {
    job: Job,
    parameters: Vec<(String, String)>,
    instance: Option<Instance>,
    recorder: Arc<Recorder>,
    encoders: Vec<Encoder>,
    summary: Summary,
    cpu: Duration,
    /// Bad records since the last good one, and whether a record was ever good, as the pipeline counts them.
    bad_streak: u32,
    has_worked: bool,
    /// What came of the batch at hand, in the order of its records, each with what the job told meanwhile.
    found: Vec<(Part, Told)>,
    /// Why the run goes no further.
    over: Option<anyhow::Error>,
}

impl Run {
    fn fresh(&self) -> Result<Instance> {
        let instance = self.job.instantiate(&self.parameters, Arc::clone(&self.recorder) as _);
        instance.map_err(|failure| anyhow!("an instance could not be made: {failure}"))
    }

    /// Has the job handle a batch, halving it where it fails.
    fn handle(&mut self, batch: &Batch) -> Result<()> {
        match self.call(batch)? {
            Ok(outcome) => drop(self.found(Part::Good(outcome))),
            // Broken off, it leaves the reason.
            Err(failure) => drop(isolate(batch, failure, self)),
        }
        Ok(())
    }

    fn call(&mut self, batch: &Batch) -> Result<Result<Outcome, Failure>> {
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.fresh()?,
        };
        self.recorder.begin();
        let before = cpu();
        let result = instance.process(batch);
        self.cpu += cpu().saturating_sub(before);
        self.summary.memory_bytes = self.summary.memory_bytes.max(instance.memory());
        if result.is_ok() {
            self.instance = Some(instance);
        }
        Ok(result)
    }

    /// Prints what was found of a batch, and counts it.
    fn print(&mut self, print: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        let found = std::mem::take(&mut self.found);
        let spec = Arc::clone(self.job.spec());
        for (_, told) in &found {
            told.lines().iter().try_for_each(|line| print(&lines::log(line)))?;
        }
        for (part, _) in &found {
            let printed = lines::Printed { first: self.summary.records, spec: &spec, encoders: &self.encoders };
            match part {
                Part::Good(outcome) => printed.outcome(outcome, &mut self.summary, print)?,
                Part::Bad(index, failure) => {
                    self.summary.failures += 1;
                    print(&printed.failure(*index, failure))?;
                }
            }
        }
        Ok(())
    }
}

impl Attempts for Run {
    fn attempt(&mut self, part: &Batch) -> ControlFlow<(), Result<Outcome, Failure>> {
        match self.call(part) {
            Ok(result) => ControlFlow::Continue(result),
            Err(error) => {
                self.over = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn found(&mut self, part: Part) -> ControlFlow<()> {
        let told = self.recorder.end(&part);
        match &part {
            Part::Good(_) => (self.bad_streak, self.has_worked) = (0, true),
            Part::Bad(..) => self.bad_streak += 1,
        }
        self.found.push((part, told));
        let most = if self.has_worked { MOST_BAD } else { MOST_BAD_AT_FIRST };
        if self.bad_streak > most {
            self.over = Some(anyhow!("the job fails on every record; the host would hold it here"));
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// CPU time of this thread; nothing where the clock can't be read.
fn cpu() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

impl Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records", self.records)?;
        for sink in &self.outputs {
            write!(f, ", {} to {}", sink.outputs, sink.sink)?;
            if sink.refused > 0 {
                write!(f, " ({} of them refused)", sink.refused)?;
            }
        }
        write!(f, ", {} rejects, {} failures", self.rejects, self.failures)?;
        let mib = self.memory_bytes as f64 / f64::from(1 << 20);
        write!(
            f,
            "; {} ns per record, {mib:.1} MiB, loaded in {} ms",
            self.nanoseconds_per_record, self.load_milliseconds
        )
    }
}
