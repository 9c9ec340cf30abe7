//! The run of a trial.

use std::io::{self, BufRead};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pelton_connect::connectors::row_check;
use pelton_connect::sink::RowCheck;
use pelton_model::cause::Because as _;
use pelton_model::record::Outcome;
use pelton_model::spec::Spec;
use pelton_runtime::{CompiledJob, Engine, Failure};

use super::error::TrialError;
use super::input::Records;
use super::lines;
use super::recorder::{CallRecord, Recorder};
use super::summary::{SinkSummary, Summary, Trial};
use crate::guest::{Caller, GuestRunner, Handler, Held};
use crate::version::Version;

impl Trial {
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
        print: &mut dyn FnMut(&str) -> io::Result<()>,
    ) -> Result<Summary, TrialError> {
        let began = Instant::now();
        let job = engine.load(component)?;
        let load_milliseconds = began.elapsed().as_millis() as u64;
        Ok(Summary { load_milliseconds, ..self.run_job(&job, input, print)? })
    }

    /// The same for a component that is loaded already.
    ///
    /// # Errors
    /// As with [`run`](Self::run).
    pub fn run_job(
        &self,
        job: &CompiledJob,
        input: impl BufRead,
        print: &mut dyn FnMut(&str) -> io::Result<()>,
    ) -> Result<Summary, TrialError> {
        let parameters = job.parameters(&self.parameters)?;
        let spec = Arc::clone(job.spec());
        let outputs = spec.sinks.iter().map(|sink| SinkSummary { sink: sink.name.clone(), ..SinkSummary::default() });
        let mut run = Run {
            checks: spec.sinks.iter().map(|sink| row_check(&sink.target)).collect(),
            summary: Summary { outputs: outputs.collect(), ..Summary::default() },
            recorder: Arc::default(),
            version: Arc::new(Version::new(1, Arc::new(job.clone()), parameters, "")),
            cpu: Duration::ZERO,
            called: Duration::ZERO,
            found: Vec::new(),
        };
        let mut guest = GuestRunner::new(Arc::clone(&run.recorder) as _);
        // Also where there is no record: parameters that don't serve are told.
        if let ControlFlow::Break(error) = guest.make(&mut run) {
            return Err(error);
        }
        let mut records = Records::new(input, self.format, &spec, self.batch_records, self.batch_bytes);
        while let Some(batch) = records.next_batch().because(TrialError::Input)? {
            let ran = guest.run(&batch, &mut run);
            run.print(&spec, print)?;
            run.summary.records += batch.len() as u64;
            if let ControlFlow::Break(error) = ran {
                return Err(error);
            }
        }
        run.recorder.take_metrics().iter().try_for_each(|metric| print(&lines::metric(metric)))?;
        let nanoseconds = run.cpu.as_nanos() / u128::from(run.summary.records.max(1));
        run.summary.nanoseconds_per_record = u64::try_from(nanoseconds).unwrap_or(u64::MAX);
        Ok(run.summary)
    }
}

/// What came of a batch.
enum Found {
    Good(Outcome),
    Bad(u32, Failure),
}

/// A run under way.
struct Run {
    version: Arc<Version>,
    recorder: Arc<Recorder>,
    checks: Vec<Box<dyn RowCheck>>,
    summary: Summary,
    cpu: Duration,
    /// The CPU time of the thread when the call under way began.
    called: Duration,
    /// What came of the batch at hand, in the order of its records, each with what the job told meanwhile.
    found: Vec<(Found, CallRecord)>,
}

impl Run {
    /// Prints what was found of a batch, and counts it.
    fn print(&mut self, spec: &Spec, print: &mut dyn FnMut(&str) -> io::Result<()>) -> io::Result<()> {
        let found = std::mem::take(&mut self.found);
        for (_, told) in &found {
            told.lines().iter().try_for_each(|line| print(&lines::log(line)))?;
        }
        for (found, _) in &found {
            let printed = lines::Printed { first: self.summary.records, spec, checks: &self.checks };
            match found {
                Found::Good(outcome) => printed.outcome(outcome, &mut self.summary, print)?,
                Found::Bad(index, failure) => {
                    self.summary.failures += 1;
                    print(&printed.failure(*index, failure))?;
                }
            }
        }
        Ok(())
    }
}

impl Caller for Run {
    type Stop = TrialError;

    fn version(&mut self) -> ControlFlow<TrialError, Arc<Version>> {
        ControlFlow::Continue(Arc::clone(&self.version))
    }

    fn no_instance(&mut self, _: &Arc<Version>, failure: Failure, _: u32) -> ControlFlow<TrialError> {
        ControlFlow::Break(TrialError::NoInstance(failure))
    }

    fn calls(&mut self) {
        self.recorder.begin();
        self.called = cpu();
    }

    fn called(&mut self, memory: usize, _: Option<&Failure>) {
        self.cpu += cpu().saturating_sub(self.called);
        self.summary.memory_bytes = self.summary.memory_bytes.max(memory);
    }
}

impl Handler for Run {
    fn good(&mut self, outcome: Outcome) {
        let told = self.recorder.end(None);
        self.found.push((Found::Good(outcome), told));
    }

    fn bad(&mut self, index: u32, failure: Failure) {
        let told = self.recorder.end(Some(&failure));
        self.found.push((Found::Bad(index, failure), told));
    }

    fn hold(&mut self, _: &Arc<Version>, index: u32, failure: &Failure, _: u32) -> ControlFlow<TrialError, Held> {
        self.bad(index, failure.clone());
        ControlFlow::Break(TrialError::Held)
    }
}

/// CPU time of this thread; nothing where the clock can't be read.
fn cpu() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}
