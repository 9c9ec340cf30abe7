//! The article's readings, always the same.

use chrono::TimeDelta;
use pelton::record::Batch;
use pelton_demo::Sensors;

use crate::SOURCE;

/// JSON of the readings, one after the other.
pub(crate) fn values() -> impl Iterator<Item = String> {
    let first = "2024-05-02T10:11:12.123456Z".parse().unwrap();
    Sensors::new(7).starting_at(first, TimeDelta::microseconds(1_017)).map(|reading| reading.to_string())
}

/// The first of them, as a batch.
pub(crate) fn batch(records: usize) -> Batch {
    let mut batch = Batch { topic: SOURCE.into(), ..Batch::default() };
    for (offset, value) in (0..).zip(values().take(records)) {
        batch.offsets.push(offset);
        batch.timestamps.push(1_714_644_672_000 + offset);
        batch.keys.push(None);
        batch.values.push(Some(value.as_bytes()));
        batch.headers.end_record();
    }
    batch
}
