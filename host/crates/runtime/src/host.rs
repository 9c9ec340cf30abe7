//! The seam between a guest and whatever keeps its log and its figures.

/// What a guest's imports reach.
pub trait Host: Send + Sync {
    /// A line for the job's log.
    fn log(&self, level: tracing::Level, message: &str);
    /// Adds to one of the job's own counters.
    fn count(&self, name: &str, increment: u64);
    /// Sets one of the job's own gauges.
    fn gauge(&self, name: &str, value: f64);
}

/// The host of a guest that is only asked what it declares.
pub(crate) struct DiscardingHost;

impl Host for DiscardingHost {
    fn log(&self, _: tracing::Level, _: &str) {}
    fn count(&self, _: &str, _: u64) {}
    fn gauge(&self, _: &str, _: f64) {}
}
