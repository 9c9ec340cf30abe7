//! Waking a thread that waits for several things at once.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use pelton_model::sync::lock;

/// Somebody to be woken; clones are of the same. A call that comes before the wait is not lost: the wait ends at once.
#[derive(Debug, Clone, Default)]
pub struct Wake(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    called: Mutex<bool>,
    changed: Condvar,
}

impl Wake {
    /// Ends the wait that is under way, or else the next one.
    pub fn call(&self) {
        *lock(&self.0.called) = true;
        self.0.changed.notify_all();
    }

    /// Whether it was called since the last wait.
    pub fn is_called(&self) -> bool {
        *lock(&self.0.called)
    }

    /// The same; the next wait does not end by that call any more.
    pub fn take(&self) -> bool {
        std::mem::take(&mut *lock(&self.0.called))
    }

    /// Waits until it is called, at most for `timeout`.
    pub fn wait(&self, timeout: Duration) {
        let called = lock(&self.0.called);
        let waited = self.0.changed.wait_timeout_while(called, timeout, |called| !*called);
        let (mut called, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *called = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without the call these tests would hang.
    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn a_call_ends_the_wait() {
        let wake = Wake::default();
        let waiting = std::thread::spawn({
            let wake = wake.clone();
            move || wake.wait(LONG)
        });
        wake.call();
        waiting.join().unwrap();
    }

    #[test]
    fn a_call_before_the_wait_counts_once() {
        let wake = Wake::default();
        wake.call();
        wake.call();
        wake.wait(LONG);
        assert!(!wake.is_called());
        wake.wait(Duration::ZERO);
    }
}
