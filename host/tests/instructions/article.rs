//! What the article's job declares, and what it makes of readings, by its native port.

use std::sync::Arc;

use pelton::engine::Program as _;
use pelton::record::{Batch, Outcome};
use pelton::spec::{ColumnSpec, ColumnType, Conflict, Sink, Table, Target};

use crate::components::Silent;
use crate::{SINK, native};

/// `raw_sensors_data`.
pub(crate) fn table() -> Table {
    let columns = [
        ("message_id", ColumnType::Varchar),
        ("sensor_id", ColumnType::Int4),
        ("message", ColumnType::Text),
        ("timestamp", ColumnType::Timestamptz),
    ];
    let column = |(name, column_type): (&str, _)| ColumnSpec { name: name.to_owned(), column_type, nullable: false };
    Table {
        name: "raw_sensors_data".to_owned(),
        columns: columns.map(column).into(),
        key: vec!["message_id".to_owned()],
        on_conflict: Conflict::Ignore,
    }
}

/// The topic and the table, in the order in which the port fills them.
pub(crate) fn sinks() -> Vec<Sink> {
    let sink = |name: &str, target| Sink { name: name.to_owned(), target };
    vec![sink(SINK, Target::Topic(SINK.to_owned())), sink("raw_sensors_data", Target::Table(table()))]
}

/// What becomes of a batch.
pub(crate) fn outcome(batch: &Batch) -> Outcome {
    native::Filter::new(true).instantiate(&[], Arc::new(Silent)).unwrap().process(batch).unwrap()
}
