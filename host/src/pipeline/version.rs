//! Which version of a job its instances run, and how that changes while records flow.
//!
//! A new version is compiled, checked and opened aside, then [`Current::set`]. Each instance takes it up before its next
//! call of the guest, so nothing waits, drains, is repeated or reordered: a batch is handled by one version whole, or, if
//! it is being searched for bad records, part by part. A version may be on probation: if too many of its first batches
//! fail, the one before is put back right here, on the thread that saw it, and the batch at hand is tried with that.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::ack::lock;
use super::sample::Samples;
use super::shadow::Shadow;
use crate::engine::{Process, Program};
pub use pelton_model::version::Label;

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
    pub(super) fn take_ready(&self) -> Option<Box<dyn Process>> {
        lock(&self.ready).pop()
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

/// A version that did not pass its probation.
#[derive(Debug, Clone)]
pub struct RolledBack {
    /// It.
    pub failed: Arc<Version>,
    /// The one to go back to.
    pub good: Arc<Version>,
    /// Why.
    pub reason: String,
}

#[derive(Debug)]
struct Versions {
    now: Arc<Version>,
    /// The version to go back to while `now` is on probation.
    good: Arc<Version>,
    rolled_back: Option<RolledBack>,
}

/// The version of a job that is to run, shared by its instances and whoever changes it.
#[derive(Debug)]
pub struct Current {
    generation: AtomicU64,
    versions: Mutex<Versions>,
    /// A version that runs beside, on copies, if any.
    pub shadow: Mutex<Option<Arc<Shadow>>>,
    /// The last records, if they are kept.
    pub samples: Samples,
}

impl Current {
    /// Starts with a version.
    pub fn new(version: Version, samples: Samples) -> Self {
        let now = Arc::new(version);
        let versions = Mutex::new(Versions { good: Arc::clone(&now), now, rolled_back: None });
        Self { generation: AtomicU64::new(1), versions, shadow: Mutex::default(), samples }
    }

    /// The same job with a version that reads other topics, from the next attempt on.
    pub fn succeeded_by(&self, version: Version, samples: Samples) -> Self {
        let next = Self::new(version, samples);
        let before = lock(&self.versions);
        let good = if before.now.probation().is_none() { &before.now } else { &before.good };
        lock(&next.versions).good = Arc::clone(good);
        next
    }

    /// The version, and a number that changes with it.
    pub fn get(&self) -> (Arc<Version>, u64) {
        let versions = lock(&self.versions);
        (Arc::clone(&versions.now), self.generation.load(Ordering::Acquire))
    }

    /// The number that changes with the version.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Puts a version to work. While it is on probation the last one that was not stays at hand.
    pub fn set(&self, version: Version) {
        let mut versions = lock(&self.versions);
        if versions.now.probation().is_none() {
            versions.good = Arc::clone(&versions.now);
        }
        versions.now = Arc::new(version);
        versions.rolled_back = None;
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts a batch for the version's probation, if it is on one. Too many failures put the one before back.
    pub(super) fn handled(&self, version: &Arc<Version>, failure: Option<&str>) {
        let Some(p) = version.probation.as_ref().filter(|_| version.probation().is_some()) else { return };
        let failed = p.failed.fetch_add(u32::from(failure.is_some()), Ordering::Relaxed) + u32::from(failure.is_some());
        if let Some(failure) = failure.filter(|_| failed > p.most) {
            self.fail(version, format!("{failed} of its first {} batches failed: {failure}", p.of));
            return;
        }
        if p.batches.fetch_add(1, Ordering::AcqRel) + 1 == p.of {
            // Passed: the version before is no longer needed, nor are instances that nobody took.
            let mut versions = lock(&self.versions);
            if Arc::ptr_eq(&versions.now, version) {
                versions.good = Arc::clone(version);
            }
            lock(&version.ready).clear();
        }
    }

    /// Says that a version can't go on, which ends its probation at once. Says whether it was on one and runs no more.
    pub(super) fn hopeless(&self, version: &Arc<Version>, failure: &str) -> bool {
        version.probation().is_some() && self.fail(version, format!("it fails on every record: {failure}"))
    }

    fn fail(&self, version: &Arc<Version>, reason: String) -> bool {
        let mut versions = lock(&self.versions);
        if !Arc::ptr_eq(&versions.now, version) {
            return true;
        }
        if Arc::ptr_eq(&versions.good, version) || versions.rolled_back.is_some() {
            return false;
        }
        let good = Arc::clone(&versions.good);
        versions.rolled_back = Some(RolledBack { failed: Arc::clone(version), good: Arc::clone(&good), reason });
        // Other topics need another subscription, which the supervisor sees to.
        if good.job.spec().topics() != version.job.spec().topics() {
            return false;
        }
        versions.now = good;
        self.generation.fetch_add(1, Ordering::AcqRel);
        true
    }

    /// The version that did not pass, once, for whoever keeps the job's record.
    pub fn take_rolled_back(&self) -> Option<RolledBack> {
        lock(&self.versions).rolled_back.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Failure, Host};
    use crate::spec::{Source, Spec};

    struct Fake(Arc<Spec>);

    impl Program for Fake {
        fn spec(&self) -> &Arc<Spec> {
            &self.0
        }

        fn instantiate(&self, _: &[(String, String)], _: Arc<dyn Host>) -> Result<Box<dyn Process>, Failure> {
            Err(Failure::Error("none".to_owned()))
        }
    }

    fn version(number: u32, topic: &str) -> Version {
        let sources = vec![Source { topic: topic.to_owned(), headers: false }];
        Version::new(number, Arc::new(Fake(Arc::new(Spec { sources, ..Spec::default() }))), vec![], "d")
    }

    fn current() -> Current {
        Current::new(version(1, "in"), Samples::default())
    }

    #[test]
    fn too_many_failed_batches_put_the_version_before_back() {
        let current = current();
        current.set(version(2, "in").on_probation(4, 0.5));
        let (second, generation) = current.get();
        for failure in [None, Some("trap"), Some("trap")] {
            current.handled(&second, failure);
            assert_eq!(current.get().0.number, 2);
        }
        current.handled(&second, Some("trap"));
        assert_eq!(current.get().0.number, 1);
        assert_ne!(current.generation(), generation);
        let told = current.take_rolled_back().unwrap();
        assert_eq!((told.failed.number, told.reason.as_str()), (2, "3 of its first 4 batches failed: trap"));
        assert!(current.take_rolled_back().is_none());
        // Whoever still works with it changes nothing any more.
        assert!(current.hopeless(&second, "trap"));
        assert!(current.take_rolled_back().is_none());
    }

    #[test]
    fn a_probation_that_is_passed_is_over() {
        let current = current();
        current.set(version(2, "in").on_probation(2, 0.5));
        let (second, _) = current.get();
        current.handled(&second, Some("trap"));
        assert_eq!(second.probation().unwrap().failed, 1);
        current.handled(&second, None);
        assert_eq!(second.probation(), None);
        for _ in 0..10 {
            current.handled(&second, Some("trap"));
        }
        assert!(!current.hopeless(&second, "trap"));
        assert_eq!(current.get().0.number, 2);
    }

    #[test]
    fn two_changes_in_a_row_go_back_to_the_last_good_version() {
        let current = current();
        current.set(version(2, "in").on_probation(10, 0.5));
        current.set(version(3, "in").on_probation(10, 0.5));
        assert!(current.hopeless(&current.get().0, "trap"));
        assert_eq!(current.get().0.number, 1);
    }

    #[test]
    fn other_topics_are_left_to_the_supervisor() {
        let current = current();
        current.set(version(2, "other").on_probation(10, 0.5));
        assert!(!current.hopeless(&current.get().0, "trap"));
        assert_eq!(current.get().0.number, 2);
        assert_eq!(current.take_rolled_back().unwrap().good.number, 1);
    }
}
