//! Who is told how a sink fares.

/// Told how a sink fares. Called on the runtime's threads: be quick.
pub trait SinkObserver: Send + Sync {
    /// Postgres can't be used, for this reason. Called after every failed attempt.
    fn down(&self, reason: &str);
    /// Postgres can be used; called once, first after the first connection.
    fn up(&self);
    /// A transaction of so many rows was committed.
    fn wrote(&self, rows: u64, bytes: u64);
}
