//! A version of a job, compiled and with its parameters, and how its probation goes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

pub use pelton_model::version::Label;

use pelton_model::sync::lock;
use pelton_runtime::{Process, Program};

/// A compiled version of a job, with its parameters.
pub struct Version {
    /// Its number in the job's history.
    pub number: u32,
    /// The compiled job.
    pub job: Arc<dyn Program>,
    /// Its parameters, completed.
    pub parameters: Arc<Vec<(String, String)>>,
    /// For dead letters.
    pub label: Arc<Label>,
    /// Instances opened before the version was put to work, so that no batch waits for that.
    ready: Mutex<Vec<Box<dyn Process>>>,
    probation: Option<Probation>,
}

impl std::fmt::Debug for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Version").field("number", &self.number).field("label", &self.label).finish_non_exhaustive()
    }
}

impl Version {
    /// A version without opened instances and without probation.
    pub fn new(number: u32, job: Arc<dyn Program>, parameters: Vec<(String, String)>, digest: &str) -> Self {
        let label = Label { declared: job.spec().version.clone(), digest: digest.to_owned() };
        let parameters = Arc::new(parameters);
        Self { number, job, parameters, label: Arc::new(label), ready: Mutex::default(), probation: None }
    }

    /// Adds opened instances.
    pub fn with_ready(mut self, ready: Vec<Box<dyn Process>>) -> Self {
        self.ready = Mutex::new(ready);
        self
    }

    /// Puts the version on probation for its first `batches`, of which at most the share `most_failed` may fail.
    pub fn on_probation(mut self, batches: u32, most_failed: f64) -> Self {
        let most = (f64::from(batches) * most_failed.clamp(0.0, 1.0)) as u32;
        self.probation = (batches > 0).then(|| Probation {
            of: batches,
            most,
            batches: AtomicU32::new(0),
            failed: AtomicU32::new(0),
        });
        self
    }

    /// An instance that was opened before, while there are any.
    pub(crate) fn take_ready(&self) -> Option<Box<dyn Process>> {
        lock(&self.ready).pop()
    }

    /// Forgets opened instances that nobody took.
    pub(crate) fn forget_ready(&self) {
        lock(&self.ready).clear();
    }

    /// Counts a batch of the probation that is going on.
    pub(crate) fn count(&self, failed: bool) -> Verdict {
        let Some(p) = self.probation.as_ref().filter(|_| self.probation().is_some()) else { return Verdict::Open };
        let failures = p.failed.fetch_add(u32::from(failed), Ordering::Relaxed) + u32::from(failed);
        if failed && failures > p.most {
            return Verdict::Failed { failures, of: p.of };
        }
        if p.batches.fetch_add(1, Ordering::AcqRel) + 1 == p.of { Verdict::Passed } else { Verdict::Open }
    }

    /// How far the probation is; `None` where there is none or it is over.
    pub fn probation(&self) -> Option<ProbationView> {
        let p = self.probation.as_ref()?;
        let view = ProbationView {
            batches: p.batches.load(Ordering::Relaxed),
            failed: p.failed.load(Ordering::Relaxed),
            of: p.of,
        };
        (view.batches < view.of).then_some(view)
    }
}

/// What a batch makes of a probation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on, or there is none.
    Open,
    /// It is over.
    Passed,
    /// Too many batches have failed: so many of its first ones.
    Failed { failures: u32, of: u32 },
}

#[derive(Debug)]
struct Probation {
    of: u32,
    most: u32,
    batches: AtomicU32,
    failed: AtomicU32,
}

/// How far a version's probation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ProbationView {
    /// Batches handled.
    pub batches: u32,
    /// Those that failed.
    pub failed: u32,
    /// Batches in all.
    pub of: u32,
}
