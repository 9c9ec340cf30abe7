//! Waking a thread that waits for several things at once.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use pelton_model::sync::lock;

/// Somebody to be woken. A call that comes before the wait is not lost: the wait ends at once.
#[derive(Debug, Default)]
pub struct Wake {
    called: Mutex<bool>,
    changed: Condvar,
}

impl Wake {
    /// Ends the wait that is under way, or else the next one.
    pub fn call(&self) {
        *lock(&self.called) = true;
        self.changed.notify_all();
    }

    /// Whether it was called since the last wait; then the next wait does not end by that call.
    pub fn take(&self) -> bool {
        std::mem::take(&mut *lock(&self.called))
    }

    /// Waits until it is called, at most for `timeout`.
    pub fn wait(&self, timeout: Duration) {
        let called = lock(&self.called);
        let (mut called, _) =
            self.changed.wait_timeout_while(called, timeout, |called| !*called).unwrap_or_else(PoisonError::into_inner);
        *called = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// Without the call these tests would hang.
    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn a_call_ends_the_wait() {
        let wake = Arc::new(Wake::default());
        let waiting = std::thread::spawn({
            let wake = Arc::clone(&wake);
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
        assert!(!*lock(&wake.called));
        wake.wait(Duration::ZERO);
    }
}
