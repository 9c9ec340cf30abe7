//! How rows are cut into transactions.

use std::time::Duration;

/// When a batch is full, and how long the oldest row waits for that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pub(super) max_rows: usize,
    pub(super) max_bytes: usize,
    pub(super) linger: Duration,
}
