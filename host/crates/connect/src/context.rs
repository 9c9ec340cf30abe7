//! What all parts of one attempt of a job share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pelton_delivery::fault::Fault;
use pelton_delivery::wake::Wake;
use pelton_model::metrics::JobMetrics;
use pelton_model::status::Status;

/// Whose attempt it is, and where its parts tell how they fare.
#[derive(Debug, Clone)]
pub struct Report {
    /// The job's name.
    pub job: Arc<str>,
    /// Where parts raise and clear conditions.
    pub status: Arc<Status>,
    /// Counts.
    pub metrics: JobMetrics,
    /// Where a part tells that it can't go on, which ends the attempt.
    pub fault: Arc<Fault>,
}

/// What is asked of an attempt from outside while it runs.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    /// Whether it is to stop.
    pub stop: Arc<AtomicBool>,
    /// Whether it is not to wait for what is in flight then: its sinks don't take it, and the next one has others.
    pub in_vain: Arc<AtomicBool>,
    /// How many instances are to run; 0 counts as 1.
    pub parallelism: Arc<AtomicUsize>,
    /// Called by whoever has something for the source: records, a stop, another number of instances.
    pub wake: Arc<Wake>,
}

impl Requests {
    /// Whether to stop.
    pub fn stops(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Whether to wait for nothing at a stop.
    pub fn is_in_vain(&self) -> bool {
        self.in_vain.load(Ordering::Acquire)
    }

    /// How many instances are to run.
    pub fn instances(&self) -> usize {
        self.parallelism.load(Ordering::Acquire).max(1)
    }
}
