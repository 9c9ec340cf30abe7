//! What is counted of a job, without what it was told to be: cheap enough to be taken each second.

use chrono::{DateTime, Utc};

use crate::types::Counts;
use pelton_model::partition::PartitionView;

/// What is counted of a job at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    /// The job's name.
    pub name: String,
    /// When it was submitted: another job under the same name counts anew.
    pub submitted: DateTime<Utc>,
    /// Counts since the host started.
    pub counts: Counts,
    /// The partitions that this host has; of a job that is held, as somebody last looked at them.
    pub partitions: Vec<PartitionView>,
    /// Records not committed yet, where known of every partition.
    pub lag: Option<i64>,
    /// Linear memory of its instances.
    pub memory_bytes: u64,
}
