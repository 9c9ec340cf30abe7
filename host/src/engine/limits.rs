//! What a guest may use: memory, tables, time for a call, and bytes handed to the host in one call.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmtime::ResourceLimiter;

/// Bounds of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Linear memory of an instance, MiB, all its memories together.
    pub memory_mib: usize,
    /// Time for one batch.
    #[serde(with = "humantime_serde")]
    pub batch_time: Duration,
    /// Time for instantiation, `describe` and `configure`, each. Interpreters start slowly.
    #[serde(with = "humantime_serde")]
    pub start_time: Duration,
    /// Time to compile a component.
    #[serde(with = "humantime_serde")]
    pub compile_time: Duration,
    /// What a guest may hand over in one call, MiB: the answer to a batch, a log line.
    pub answer_mib: usize,
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
            answer_mib: 64,
            cache_mib: 1024,
        }
    }
}

const MIB: usize = 1 << 20;
/// Function tables of the largest interpreters have some ten thousand elements.
const TABLE_ELEMENTS: usize = 1_000_000;

impl Limits {
    /// Bytes that a guest may hand over in one call.
    pub fn answer_bytes(&self) -> usize {
        self.answer_mib.saturating_mul(MIB)
    }
}

/// Counts what an instance takes and refuses what is too much.
#[derive(Debug)]
pub struct Meter {
    limit: usize,
    used: usize,
    denied: bool,
}

impl Meter {
    /// A meter that allows `limits.memory_mib`.
    pub fn new(limits: &Limits) -> Self {
        Self { limit: limits.memory_mib.saturating_mul(MIB), used: 0, denied: false }
    }

    /// Bytes of linear memory in use.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Whether the instance was ever refused memory. Most guests then abort with a bare trap, of which this is the cause.
    pub fn denied(&self) -> bool {
        self.denied
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let after = self.used.saturating_add(desired.saturating_sub(current));
        let allowed = after <= self.limit;
        if allowed {
            self.used = after;
        }
        self.denied |= !allowed;
        Ok(allowed)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }

    // A component of an interpreted language has a handful of core instances, memories and tables.
    fn instances(&self) -> usize {
        100
    }

    fn tables(&self) -> usize {
        100
    }

    fn memories(&self) -> usize {
        20
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_memories_count_together() {
        let mut meter = Meter::new(&Limits { memory_mib: 2, ..Limits::default() });
        assert!(meter.memory_growing(0, MIB, None).unwrap());
        assert!(meter.memory_growing(0, MIB, None).unwrap());
        assert!(!meter.memory_growing(MIB, MIB + 1, None).unwrap());
        assert!(meter.denied());
        assert_eq!(meter.used(), 2 * MIB);
    }
}
