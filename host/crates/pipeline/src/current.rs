//! Which version of a job its instances run, and how that changes while records flow.
//!
//! A new version is compiled, checked and opened aside, then [`CurrentVersion::set`]. Each instance takes it up before
//! its next call of the guest, so nothing waits, drains, is repeated or reordered: a batch is handled by one version
//! whole, or, if it is being searched for bad records, part by part. A version may be on probation: if too many of its
//! first batches fail, the one before is put back right here, on the thread that saw it, and the batch at hand is tried
//! with that.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use pelton_model::sync::lock;

use crate::sample::Samples;
use crate::shadow::Shadow;
use crate::version::{Verdict, Version};

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

/// Whom it is told that a version did not pass its probation.
#[derive(Default)]
struct Listener(OnceLock<Box<dyn Fn() + Send + Sync>>);

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

/// The version of a job that is to run, shared by its instances and whoever changes it.
#[derive(Debug)]
pub struct CurrentVersion {
    generation: AtomicU64,
    versions: Mutex<Versions>,
    listener: Listener,
    /// A version that runs beside, on copies, if any.
    pub shadow: Mutex<Option<Arc<Shadow>>>,
    /// The last records, if they are kept.
    pub samples: Samples,
}

impl CurrentVersion {
    /// Starts with a version.
    pub fn new(version: Version, samples: Samples) -> Self {
        let now = Arc::new(version);
        let versions = Mutex::new(Versions { good: Arc::clone(&now), now, rolled_back: None });
        Self {
            generation: AtomicU64::new(1),
            versions,
            listener: Listener::default(),
            shadow: Mutex::default(),
            samples,
        }
    }

    /// The same job with a version that reads other topics, from the next attempt on.
    pub fn succeeded_by(&self, version: Version, samples: Samples) -> Self {
        let next = Self::new(version, samples);
        let before = lock(&self.versions);
        let good = if before.now.probation().is_none() { &before.now } else { &before.good };
        lock(&next.versions).good = Arc::clone(good);
        next
    }

    /// Has somebody told that a version did not pass its probation, on the thread that sees it, who then
    /// [takes](Self::take_rolled_back) it. It must not block for long.
    pub fn on_rolled_back(&self, listener: Box<dyn Fn() + Send + Sync>) {
        // The first one stays.
        let _ = self.listener.0.set(listener);
    }

    /// The version, and a number that changes with it.
    pub fn get(&self) -> (Arc<Version>, u64) {
        let versions = lock(&self.versions);
        (Arc::clone(&versions.now), self.generation.load(Ordering::Acquire))
    }

    /// The number that changes with the version.
    pub(crate) fn generation(&self) -> u64 {
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
    pub(crate) fn handled(&self, version: &Arc<Version>, failure: Option<&str>) {
        match version.count(failure.is_some()) {
            Verdict::Open => {}
            Verdict::Failed { failures, of } => {
                let failure = failure.unwrap_or_default();
                self.fail(version, format!("{failures} of its first {of} batches failed: {failure}"));
            }
            Verdict::Passed => {
                // The version before is no longer needed, nor are instances that nobody took.
                let mut versions = lock(&self.versions);
                if Arc::ptr_eq(&versions.now, version) {
                    versions.good = Arc::clone(version);
                }
                version.forget_ready();
            }
        }
    }

    /// Says that a version can't go on, which ends its probation at once. Says whether it was on one and runs no more.
    pub fn hopeless(&self, version: &Arc<Version>, failure: &str) -> bool {
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
        let goes_on = good.job.spec().topics() == version.job.spec().topics();
        if goes_on {
            versions.now = good;
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        drop(versions);
        self.listener.0.get().iter().for_each(|listener| listener());
        goes_on
    }

    /// The version that did not pass, once, for whoever keeps the job's record.
    pub fn take_rolled_back(&self) -> Option<RolledBack> {
        lock(&self.versions).rolled_back.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelton_model::spec::{Source, Spec};
    use pelton_runtime::{Failure, Host, Process, Program};

    struct Fake(Arc<Spec>);

    impl Program for Fake {
        fn spec(&self) -> &Arc<Spec> {
            &self.0
        }

        fn mapped(&self, spec: Arc<Spec>) -> Arc<dyn Program> {
            Arc::new(Self(spec))
        }

        fn instantiate(&self, _: &[(String, String)], _: Arc<dyn Host>) -> Result<Box<dyn Process>, Failure> {
            Err(Failure::Error("none".to_owned()))
        }
    }

    fn version(number: u32, topic: &str) -> Version {
        let sources = vec![Source { topic: topic.to_owned(), headers: false }];
        Version::new(number, Arc::new(Fake(Arc::new(Spec { sources, ..Spec::default() }))), vec![], "d")
    }

    fn current() -> CurrentVersion {
        CurrentVersion::new(version(1, "in"), Samples::default())
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
