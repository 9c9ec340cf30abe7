//! The article's readings, always the same.

use chrono::TimeDelta;
use pelton::record::Batch;
use pelton_demo::Sensors;

use crate::native;

/// JSON of the readings, one after the other.
pub(crate) fn values() -> impl Iterator<Item = String> {
    let first = "2024-05-02T10:11:12.123456Z".parse().unwrap();
    Sensors::new(7).starting_at(first, TimeDelta::microseconds(1_017)).map(|reading| reading.to_string())
}

/// The first of them, as a batch.
pub(crate) fn batch(records: usize) -> Batch {
    native::batch(0, values().take(records))
}
