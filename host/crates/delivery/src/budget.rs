//! How much of a job may be in flight.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use pelton_model::sync::lock;

/// The bytes that a job may have in flight. Charging never blocks; the source waits before it reads more.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: Mutex<usize>,
    freed: Condvar,
}

impl Budget {
    /// A budget of `limit` bytes. One batch may overshoot it.
    pub fn new(limit: usize) -> Self {
        Self { limit, used: Mutex::new(0), freed: Condvar::new() }
    }

    pub(crate) fn charge(&self, bytes: usize) {
        *lock(&self.used) += bytes;
    }

    pub(crate) fn release(&self, bytes: usize) {
        let mut used = lock(&self.used);
        *used = used.saturating_sub(bytes);
        if *used < self.limit {
            self.freed.notify_all();
        }
    }

    /// Bytes in flight.
    pub fn used(&self) -> usize {
        *lock(&self.used)
    }

    /// Waits until there is room, at most for `timeout`; says whether there is.
    pub fn wait(&self, timeout: Duration) -> bool {
        let used = lock(&self.used);
        let (used, _) = self
            .freed
            .wait_timeout_while(used, timeout, |used| *used >= self.limit)
            .unwrap_or_else(PoisonError::into_inner);
        *used < self.limit
    }
}
