//! What a guest may use: memory, tables, time for a call, and bytes handed to the host in one call.

use std::time::Duration;

pub use pelton_model::settings::Limits;
use wasmtime::ResourceLimiter;

/// How often a guest's time is looked at.
pub const TICK: Duration = Duration::from_millis(10);

pub(crate) const MIB: usize = 1 << 20;
/// What an element of a table takes of the host, bytes: a pointer.
const ELEMENT: usize = size_of::<usize>();

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

    /// Bytes of linear memory and tables in use.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Whether the instance was ever refused memory. Most guests then abort with a bare trap, of which this is the
    /// cause.
    pub fn denied(&self) -> bool {
        self.denied
    }
}

impl Meter {
    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let after = self.used.saturating_add(desired.saturating_sub(current));
        let allowed = after <= self.limit;
        if allowed {
            self.used = after;
        }
        self.denied |= !allowed;
        allowed
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(current.saturating_mul(ELEMENT), desired.saturating_mul(ELEMENT)))
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
    fn all_memories_and_tables_count_together() {
        let mut meter = Meter::new(&Limits { memory_mib: 2, ..Limits::default() });
        assert!(meter.memory_growing(0, MIB, None).unwrap());
        assert!(meter.table_growing(0, MIB / 16, None).unwrap());
        assert!(meter.table_growing(MIB / 16, MIB / ELEMENT, None).unwrap());
        assert!(!meter.table_growing(MIB / ELEMENT, MIB / ELEMENT + 1, None).unwrap());
        assert!(!meter.memory_growing(MIB, MIB + 1, None).unwrap());
        assert!(meter.denied());
        assert_eq!(meter.used(), 2 * MIB);
    }
}
