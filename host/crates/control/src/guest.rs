//! What a job's guests reach outside of their sandbox, each capability in a file of its own: their log and their own
//! metrics, both bounded.

mod lines;
mod numbers;

use std::sync::Arc;

use pelton_delivery::clock::Clock;

use lines::Lines;
use numbers::Numbers;
use pelton_model::log::JobLog;
use pelton_model::metrics::JobMetrics;
use pelton_runtime::Host;

/// The host of one job's guests.
#[derive(Debug)]
pub struct GuestHost {
    lines: Lines,
    numbers: Numbers,
}

impl GuestHost {
    /// For the guests of a job.
    pub fn new(job: &str, log: Arc<JobLog>, metrics: JobMetrics, clock: Arc<dyn Clock>) -> Self {
        Self { lines: Lines::new(job, log, clock), numbers: Numbers::new(metrics) }
    }
}

impl Host for GuestHost {
    fn log(&self, level: tracing::Level, message: &str) {
        self.lines.add(level, message);
    }

    fn count(&self, name: &str, increment: u64) {
        self.numbers.count(name, increment);
    }

    fn gauge(&self, name: &str, value: f64) {
        self.numbers.gauge(name, value);
    }
}
