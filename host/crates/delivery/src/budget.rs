//! How much of a job may be in flight.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use pelton_model::sync::lock;

/// The bytes that a job may have in flight. Charging never blocks: the source waits before it reads more, and an
/// instance before it makes more outputs. Batches that wait for an instance must not keep it from its work, so outputs
/// have a bound of their own; it is the same, and all in all twice that is in flight at most.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: Mutex<Used>,
    freed: Condvar,
    /// Records that were delivered.
    delivered: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Used {
    records: usize,
    outputs: usize,
}

impl Used {
    fn all(&self) -> usize {
        self.records.saturating_add(self.outputs)
    }
}

impl Budget {
    /// A budget of `limit` bytes. One batch may overshoot it, and what each instance makes of one.
    pub fn new(limit: usize) -> Self {
        Self { limit, used: Mutex::default(), freed: Condvar::new(), delivered: Arc::default() }
    }

    /// Counts here what is delivered.
    pub fn counting(self, delivered: Arc<AtomicU64>) -> Self {
        Self { delivered, ..self }
    }

    pub(crate) fn delivered(&self, records: usize) {
        self.delivered.fetch_add(records as u64, Ordering::Relaxed);
    }

    pub(crate) fn charge_records(&self, bytes: usize) {
        lock(&self.used).records += bytes;
    }

    pub(crate) fn release_records(&self, bytes: usize) {
        let mut used = lock(&self.used);
        used.records = used.records.saturating_sub(bytes);
        self.tell(&used);
    }

    fn release_outputs(&self, bytes: usize) {
        let mut used = lock(&self.used);
        used.outputs = used.outputs.saturating_sub(bytes);
        self.tell(&used);
    }

    fn tell(&self, used: &Used) {
        if used.all() < self.limit {
            self.freed.notify_all();
        }
    }

    /// Bytes in flight.
    pub fn used(&self) -> usize {
        lock(&self.used).all()
    }

    /// Whether there is room for further outputs.
    pub(crate) fn takes_outputs(&self) -> bool {
        lock(&self.used).outputs < self.limit
    }

    /// Waits until there is room, at most for `timeout`; says whether there is.
    pub fn wait(&self, timeout: Duration) -> bool {
        let used = lock(&self.used);
        let (used, _) = self
            .freed
            .wait_timeout_while(used, timeout, |used| used.all() >= self.limit)
            .unwrap_or_else(PoisonError::into_inner);
        used.all() < self.limit
    }
}

/// What outputs take of a budget until they are written, or given up: drop it with them.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Charge {
    pub(crate) fn new(budget: &Arc<Budget>, bytes: usize) -> Self {
        lock(&budget.used).outputs += bytes;
        Self { budget: Arc::clone(budget), bytes }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.release_outputs(self.bytes);
    }
}
