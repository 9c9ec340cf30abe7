//! Where a job is on the partitions that it reads.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far an assigned partition is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartitionView {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The instance that handles it; unknown for a moment after it was assigned.
    pub instance: Option<usize>,
    /// Whether one fetch serves this job and others of the host.
    pub shared: bool,
    /// The committed offset, where one is known.
    pub committed: Option<i64>,
    /// The end of the partition, where it is known.
    pub end: Option<i64>,
    /// Records between the two.
    pub lag: Option<i64>,
}

/// A partition where a group goes on elsewhere than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Moved {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The committed offset before, where there was one.
    pub before: Option<i64>,
    /// The committed offset now.
    pub after: i64,
}
