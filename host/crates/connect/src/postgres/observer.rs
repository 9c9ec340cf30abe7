//! Who is told how a sink fares.

/// Told how a sink fares. Called on the runtime's threads: be quick.
pub trait SinkObserver: Send + Sync {
    /// Postgres can't be used, for this reason. Called after every failed attempt.
    fn down(&self, reason: &str);
    /// One row after the other is refused, of which this tells. Where the sink is held for that it tries the last one
    /// again; else that has become a dead letter.
    fn refuses(&self, reason: &str, is_held: bool);
    /// Rows are taken again.
    fn takes(&self);
    /// Postgres can be used; called once, first after the first connection.
    fn up(&self);
    /// A transaction of so many rows was committed.
    fn wrote(&self, rows: u64, bytes: u64);
}
