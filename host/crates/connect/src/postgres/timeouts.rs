//! How long Postgres may take.

use std::time::Duration;

/// How long Postgres may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect.
    pub connect: Duration,
    /// To write a batch; half of it to wait for a lock.
    pub write: Duration,
}
