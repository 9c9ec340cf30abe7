//! Where a job is on the partitions that it reads.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a job starts on partitions that it has not read yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum StartFrom {
    /// With the records written after the submit.
    Latest,
    /// With the oldest records that the topic still has.
    Earliest,
}

impl StartFrom {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::Earliest => "earliest",
        }
    }
}

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
