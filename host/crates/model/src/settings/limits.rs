//! Settings of what a guest may use: memory, time for a call, and bytes handed to the host in one call.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Bounds of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Memory of an instance, MiB: all its linear memories and tables together.
    pub memory_mib: usize,
    /// Time for one batch.
    #[serde(with = "crate::durations")]
    pub batch_time: Duration,
    /// Time for instantiation, `describe` and `configure`, each. Interpreters start slowly.
    #[serde(with = "crate::durations")]
    pub start_time: Duration,
    /// Time to compile a component.
    #[serde(with = "crate::durations")]
    pub compile_time: Duration,
    /// Memory to compile a component, MiB of address space of the process that does it.
    pub compile_mib: usize,
    /// What a guest may hand over in one call, MiB: the answer to a batch with all that the host keeps for its messages,
    /// rows and rejects, or a log line.
    pub answer_mib: usize,
    /// How many instances may be at work until jobs of automatic parallelism get no more, and most that one of them has;
    /// the cores of the host where nothing is said.
    pub auto_instances: Option<usize>,
    /// What compiled components may take in the data folder, MiB, all together.
    pub cache_mib: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_mib: 256,
            batch_time: Duration::from_secs(1),
            start_time: Duration::from_secs(10),
            compile_time: Duration::from_secs(60),
            compile_mib: 2048,
            answer_mib: 64,
            auto_instances: None,
            cache_mib: 1024,
        }
    }
}

const MIB: usize = 1 << 20;

impl Limits {
    /// How many instances may be at work until automatic jobs get no more.
    pub fn auto_instances(&self) -> usize {
        self.auto_instances.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// Bytes that a guest may hand over in one call.
    pub fn answer_bytes(&self) -> usize {
        self.answer_mib.saturating_mul(MIB)
    }
}
