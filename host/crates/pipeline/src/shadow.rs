//! A version of a job that runs beside the one at work, on copies of its batches, and writes nothing: what it would do
//! otherwise is counted and the first differences are kept.
//!
//! The job never waits for it. Batches that come while it is busy are left out and counted as skipped.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use pelton_model::record::{Batch, Outcome};
use pelton_model::spec::Spec;
use pelton_model::sync::lock;
use pelton_runtime::{Failure, Host};

use crate::error::Error;
use crate::guest::{Caller, GuestRunner};
use crate::pace::Pace;
use crate::queue::Queue;
use crate::version::Version;

/// Batches that may wait.
const QUEUE: usize = 8;
/// How many differing records are kept whole.
const FIRST: usize = 10;
/// How soon the end of the run is noticed while nothing comes.
const LOOK: Duration = Duration::from_millis(100);

/// What a shadow run found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ShadowReport {
    /// SHA-256 of the component that runs beside.
    pub digest: String,
    /// The version that it declares.
    pub declared: String,
    /// Whether it is still going on.
    pub running: bool,
    /// When it began.
    pub began: DateTime<Utc>,
    /// Records that both have handled.
    pub records: u64,
    /// Records that it left out, being busy.
    pub skipped: u64,
    /// Batches on which it failed.
    pub failures: u64,
    /// Records for which the two do not do the same.
    pub differing: u64,
    /// Counts of outputs.
    pub sinks: Vec<ShadowSink>,
    /// The first records that differ.
    pub first: Vec<Difference>,
    /// The last failure of the shadow, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Outputs of both versions for one sink; rejects are counted as `(rejected)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ShadowSink {
    /// The sink.
    pub name: String,
    /// Of the version at work.
    pub now: u64,
    /// Of the one beside.
    pub then: u64,
}

/// A record for which the two versions do not do the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Difference {
    /// The record's topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The sink, or `(rejected)`.
    pub sink: String,
    /// What the version at work makes of it.
    pub now: Vec<String>,
    /// What the one beside makes of it.
    pub then: Vec<String>,
}

/// A batch, and what the version at work made of it.
#[derive(Debug)]
struct Handled {
    spec: Arc<Spec>,
    batch: Arc<Batch>,
    outcome: Outcome,
}

/// A shadow run, whether it is going on or over.
#[derive(Debug)]
pub struct Shadow {
    batches: Arc<Queue<Handled>>,
    report: Arc<Mutex<ShadowReport>>,
    stop: Arc<AtomicBool>,
}

impl Shadow {
    /// Starts the version beside the job, for at most `time`, on a thread that ends by itself.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        pace: &Pace,
        name: &str,
        version: Version,
        host: Arc<dyn Host>,
        time: Duration,
    ) -> Result<Arc<Self>, Error> {
        let batches = Arc::new(Queue::default());
        let report = Arc::new(Mutex::new(ShadowReport {
            digest: version.label.digest.clone(),
            declared: version.label.declared.clone(),
            running: true,
            began: Utc::now(),
            records: 0,
            skipped: 0,
            failures: 0,
            differing: 0,
            sinks: Vec::new(),
            first: Vec::new(),
            error: None,
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let shadow =
            Arc::new(Self { batches: Arc::clone(&batches), report: Arc::clone(&report), stop: Arc::clone(&stop) });
        let version = Arc::new(version);
        let (mut runner, clock) = (GuestRunner::new(host), Arc::clone(&pace.clock));
        let pace = pace.clone();
        let run = move || {
            let began = pace.now();
            while pace.since(began) < time && !stop.load(Ordering::Acquire) && !batches.is_closed() {
                let left = time.saturating_sub(pace.since(began));
                if let Some(handled) = batches.pop_within(&*pace.clock, LOOK.min(left)) {
                    let mut comparison = Comparison { version: &version, handled: &handled, report: &report };
                    let result = match runner.call(&handled.batch, &mut comparison) {
                        ControlFlow::Continue((_, result)) => result,
                        ControlFlow::Break(failure) => Err(failure),
                    };
                    comparison.take(result);
                }
            }
            batches.abandon();
            lock(&report).running = false;
        };
        let started = clock.spawn(&format!("{name}-shadow"), Box::new(run));
        started.map_err(|cause| Error::Thread { of: "the shadow run", cause })?;
        Ok(shadow)
    }

    /// Takes a copy of a handled batch, if there is room.
    pub(crate) fn offer(&self, spec: &Arc<Spec>, batch: &Arc<Batch>, outcome: &Outcome) {
        if !lock(&self.report).running {
            return;
        }
        let handled = Handled { spec: Arc::clone(spec), batch: Arc::clone(batch), outcome: outcome.clone() };
        if !self.batches.try_push(handled, QUEUE) {
            lock(&self.report).skipped += batch.len() as u64;
        }
    }

    /// What was found so far.
    pub fn report(&self) -> ShadowReport {
        lock(&self.report).clone()
    }

    /// Ends it; what was found stays.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        self.batches.close();
    }
}

/// One batch at the version that runs beside.
struct Comparison<'a> {
    version: &'a Arc<Version>,
    handled: &'a Handled,
    report: &'a Mutex<ShadowReport>,
}

impl Comparison<'_> {
    fn take(&self, result: Result<Outcome, Failure>) {
        let mut report = lock(self.report);
        match result {
            Ok(then) => count(&mut report, self.handled, self.version.job.spec(), &then),
            Err(failure) => {
                report.failures += 1;
                report.error = Some(failure.to_string());
            }
        }
    }
}

/// A batch on which it fails is counted, and not halved.
impl Caller for Comparison<'_> {
    type Stop = Failure;

    fn version(&mut self) -> ControlFlow<Failure, Arc<Version>> {
        ControlFlow::Continue(Arc::clone(self.version))
    }

    fn no_instance(&mut self, _: &Arc<Version>, failure: Failure, _: u32) -> ControlFlow<Failure> {
        ControlFlow::Break(failure)
    }
}

/// What a version makes of the records of a batch: texts by record and sink.
type Made = BTreeMap<(u32, String), Vec<String>>;

fn made(spec: &Spec, batch: &Batch, outcome: &Outcome) -> Made {
    let mut made = Made::new();
    for output in &outcome.outputs {
        let Some(sink) = spec.sinks.get(output.sink() as usize) else { continue };
        for (n, &index) in output.origin().iter().enumerate() {
            made.entry((index, sink.name.clone())).or_default().push(output.whole(n, batch, sink));
        }
    }
    for reject in &outcome.rejects {
        made.entry((reject.index, "(rejected)".to_owned())).or_default().push(reject.reason.clone());
    }
    made
}

fn count(report: &mut ShadowReport, handled: &Handled, spec: &Spec, then: &Outcome) {
    let batch = &handled.batch;
    let (mut now, mut then) = (made(&handled.spec, batch, &handled.outcome), made(spec, batch, then));
    report.records += batch.len() as u64;
    let keys: std::collections::BTreeSet<_> = now.keys().chain(then.keys()).cloned().collect();
    let mut differing = std::collections::BTreeSet::new();
    for (index, sink) in keys {
        let key = (index, sink);
        let (now, then) = (now.remove(&key).unwrap_or_default(), then.remove(&key).unwrap_or_default());
        let (index, name) = key;
        let counts = match report.sinks.iter_mut().find(|counts| counts.name == name) {
            Some(counts) => counts,
            None => {
                report.sinks.push(ShadowSink { name: name.clone(), now: 0, then: 0 });
                let Some(counts) = report.sinks.last_mut() else { continue };
                counts
            }
        };
        counts.now += now.len() as u64;
        counts.then += then.len() as u64;
        if now != then {
            differing.insert(index);
            if report.first.len() < FIRST {
                let (topic, partition) = (batch.topic.to_string(), batch.partition);
                let offset = batch.offsets.get(index as usize).copied().unwrap_or(-1);
                report.first.push(Difference { topic, partition, offset, sink: name, now, then });
            }
        }
    }
    report.differing += differing.len() as u64;
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelton_model::record::{Output, Reject};
    use pelton_model::spec::{Sink, Target};
    use pelton_runtime::{Process, Program};

    #[test]
    fn differences_are_found_record_by_record() {
        let sink = |name: &str| Sink { name: name.to_owned(), target: Target::Topic(name.to_owned()) };
        let spec = Arc::new(Spec { sinks: vec![sink("a"), sink("b")], ..Spec::default() });
        let mut batch = Batch { topic: "in".into(), offsets: vec![10, 11, 12], ..Batch::default() };
        for value in ["x", "y", "z"] {
            batch.keys.push(None);
            batch.values.push(Some(value.as_bytes()));
            batch.headers.end_record();
        }
        let forward = |sink, origin: &[u32]| Output::Forward { sink, origin: origin.to_vec() };
        let now = Outcome { outputs: vec![forward(0, &[0, 1]), forward(1, &[2])], rejects: vec![] };
        let then = Outcome {
            outputs: vec![forward(0, &[0]), forward(1, &[2])],
            rejects: vec![Reject { index: 1, reason: "no".to_owned() }],
        };
        let version = Version::new(1, Arc::new(Never), vec![], "d");
        let shadow = Shadow::start(&Pace::default(), "j", version, Arc::new(Never), Duration::ZERO).unwrap();
        let mut report = shadow.report();
        count(&mut report, &Handled { spec: Arc::clone(&spec), batch: batch.into(), outcome: now }, &spec, &then);
        assert_eq!((report.records, report.differing), (3, 1));
        let counts: Vec<_> = report.sinks.iter().map(|s| (s.name.as_str(), s.now, s.then)).collect();
        assert_eq!(counts, [("a", 2, 1), ("(rejected)", 0, 1), ("b", 1, 1)]);
        assert_eq!(report.first[0].offset, 11);
        assert_eq!((report.first[0].sink.as_str(), &report.first[0].then[..]), ("(rejected)", &["no".to_owned()][..]));
        assert_eq!((report.first[1].sink.as_str(), &report.first[1].now[..]), ("a", &["y".to_owned()][..]));
    }

    /// A program that is never run.
    struct Never;

    impl Program for Never {
        fn spec(&self) -> &Arc<Spec> {
            static SPEC: std::sync::LazyLock<Arc<Spec>> = std::sync::LazyLock::new(Arc::default);
            &SPEC
        }

        fn mapped(&self, _: Arc<Spec>) -> Arc<dyn Program> {
            Arc::new(Self)
        }

        fn instantiate(&self, _: &[(String, String)], _: Arc<dyn Host>) -> Result<Box<dyn Process>, Failure> {
            Err(Failure::Error("never".to_owned()))
        }
    }

    impl Host for Never {
        fn log(&self, _: tracing::Level, _: &str) {}
        fn count(&self, _: &str, _: u64) {}
        fn gauge(&self, _: &str, _: f64) {}
    }
}
