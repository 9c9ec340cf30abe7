//! How the parts of a pipeline wait.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use pelton_delivery::clock::{Clock, SystemClock};
use pelton_delivery::wake::Wake;

/// How soon it is noticed that a wait is over for something that calls nobody.
const LOOK: Duration = Duration::from_millis(20);
/// The longest wait of a job that is retried.
const LONGEST: Duration = Duration::from_secs(30);

/// The time in which a job runs, and what makes its waits uneven. Cheap to clone.
#[derive(Clone)]
pub struct Pace {
    /// Time and threads.
    pub clock: Arc<dyn Clock>,
    /// Seeds of the jitter of waits.
    pub seed: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pace").field("clock", &self.clock).finish_non_exhaustive()
    }
}

impl Default for Pace {
    /// The system's time.
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), seed: Arc::new(rand::random) }
    }
}

impl Pace {
    /// Now.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Time since then.
    pub fn since(&self, then: Instant) -> Duration {
        self.clock.now().saturating_duration_since(then)
    }

    /// The waits of a job that is retried: 1 s, doubling, for ever, each up to twice as long by jitter, and none longer
    /// than 30 s.
    pub fn backoff(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        ExponentialBuilder::default()
            .with_min_delay(Duration::from_secs(1))
            .with_max_delay(LONGEST)
            .with_jitter()
            .with_jitter_seed((self.seed)())
            .without_max_times()
            .build()
            .map(|wait| wait.min(LONGEST))
    }

    /// Waits, and breaks off soon after `over` says so.
    pub fn wait(&self, over: impl Fn() -> bool, time: Duration) -> ControlFlow<()> {
        let (began, wake) = (self.now(), Wake::default());
        loop {
            if over() {
                return ControlFlow::Break(());
            }
            let left = time.saturating_sub(self.since(began));
            if left.is_zero() {
                return ControlFlow::Continue(());
            }
            self.clock.wait(&wake, left.min(LOOK));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_half_a_minute_and_never_end() {
        let pace = Pace { seed: Arc::new(|| 7), ..Pace::default() };
        let waits: Vec<_> = pace.backoff().take(20).collect();
        for (n, wait) in waits.iter().enumerate() {
            let least = Duration::from_secs(1 << n.min(5)).min(Duration::from_secs(30));
            assert!((least..=least * 2).contains(wait) && *wait <= LONGEST, "wait {n} is {wait:?}");
        }
        assert_eq!(pace.backoff().take(20).collect::<Vec<_>>(), waits, "the same seed gives the same waits");
    }

    #[test]
    fn a_wait_breaks_off() {
        assert!(Pace::default().wait(|| true, Duration::from_secs(3600)).is_break());
        assert!(Pace::default().wait(|| false, Duration::ZERO).is_continue());
    }
}
