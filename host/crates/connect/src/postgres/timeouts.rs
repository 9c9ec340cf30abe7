//! How long Postgres may take.

use std::time::Duration;

/// How long Postgres may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect.
    pub connect: Duration,
    /// To write a batch.
    pub write: Duration,
    /// To wait for a lock.
    pub lock: Duration,
    /// For one statement, as the server counts it.
    pub statement: Duration,
}

/// What a transaction asks of the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How long it waits for a lock.
    pub(super) lock: Duration,
    /// How long a statement may take, where the role's own limit is not shorter.
    pub(super) statement: Option<Duration>,
    /// Whether the server can look, while it works, whether this host is still there (from 14 on).
    pub(super) looks_for_client: bool,
}

impl From<Duration> for Limits {
    /// For a lock only.
    fn from(lock: Duration) -> Self {
        Self { lock, statement: None, looks_for_client: false }
    }
}
