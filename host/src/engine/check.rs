//! The border check: a guest's answer becomes an [`Outcome`] only if every index, length and type in it fits the batch and
//! the declared sinks. Lists are moved, not copied.

use super::bindings::v0_1::exports::pelton::job::task::Outcome as RawOutcome;
use super::bindings::v0_1::pelton::job::types as raw;
use crate::record::check_validity;
use crate::record::{Column, ColumnData, Headers, Messages, NullablePacked, Outcome, Output, Packed, Reject, Rows};
use crate::spec::{ColumnType, Spec, Target};

/// Longest reason kept, bytes: reasons become Kafka headers.
pub const REASON_BYTES: usize = 4096;

impl From<raw::PackedResult> for Packed {
    fn from(raw: raw::PackedResult) -> Self {
        Self { ends: raw.ends, bytes: raw.bytes }
    }
}

impl From<raw::NullablePackedResult> for NullablePacked {
    fn from(raw: raw::NullablePackedResult) -> Self {
        Self { validity: raw.validity, items: raw.items.into() }
    }
}

impl From<raw::HeadersResult> for Headers {
    fn from(raw: raw::HeadersResult) -> Self {
        Self { ends: raw.ends, names: raw.names.into(), values: raw.values.into() }
    }
}

impl From<raw::Column> for Column {
    fn from(raw: raw::Column) -> Self {
        use raw::ColumnData as Raw;
        let data = match raw.data {
            Raw::Booleans(v) => ColumnData::Booleans(v),
            Raw::Int16s(v) => ColumnData::Int16s(v),
            Raw::Int32s(v) => ColumnData::Int32s(v),
            Raw::Int64s(v) => ColumnData::Int64s(v),
            Raw::Float32s(v) => ColumnData::Float32s(v),
            Raw::Float64s(v) => ColumnData::Float64s(v),
            Raw::Packed(v) => ColumnData::Packed(v.into()),
        };
        Self { validity: raw.validity, data }
    }
}

/// Checks the answer to a batch of `records`; an error says what is broken.
pub fn outcome(raw: RawOutcome, records: usize, spec: &Spec) -> Result<Outcome, String> {
    let mut outputs = Vec::with_capacity(raw.outputs.len());
    for (i, output) in raw.outputs.into_iter().enumerate() {
        outputs.push(self::output(output, records, spec).map_err(|e| format!("output {i}: {e}"))?);
    }
    let mut rejects = Vec::with_capacity(raw.rejects.len());
    for raw::Reject { index, mut reason } in raw.rejects {
        if index as usize >= records {
            return Err(format!("a reject of record {index} in a batch of {records}"));
        }
        cut(&mut reason);
        rejects.push(Reject { index, reason });
    }
    Ok(Outcome { outputs, rejects })
}

/// Cuts a reason from a guest to the length that is kept.
pub fn cut(reason: &mut String) {
    reason.truncate(reason.floor_char_boundary(REASON_BYTES));
}

fn output(raw: raw::Output, records: usize, spec: &Spec) -> Result<Output, String> {
    let (sink, origin) = match &raw {
        raw::Output::Forward(v) => (v.sink, &v.origin),
        raw::Output::Messages(v) => (v.sink, &v.origin),
        raw::Output::Rows(v) => (v.sink, &v.origin),
    };
    let declared = spec
        .sinks
        .get(sink as usize)
        .ok_or_else(|| format!("sink {sink}, but the job declares {}", spec.sinks.len()))?;
    if let Some(index) = origin.iter().find(|&&index| index as usize >= records) {
        return Err(format!("origin {index} in a batch of {records} records"));
    }
    let in_sink = |e: String| format!("sink {:?}: {e}", declared.name);
    match (raw, &declared.target) {
        (raw::Output::Forward(v), Target::Topic(_)) => Ok(Output::Forward { sink, origin: v.origin }),
        (raw::Output::Messages(v), Target::Topic(_)) => {
            let messages = Messages {
                origin: v.origin,
                keys: v.keys.into(),
                values: v.values.into(),
                headers: v.headers.map(Headers::from),
            };
            check_messages(&messages).map_err(in_sink)?;
            Ok(Output::Messages { sink, messages })
        }
        (raw::Output::Rows(v), Target::Table(table)) => {
            let rows = Rows { origin: v.origin, columns: v.columns.into_iter().map(Column::from).collect() };
            let types = table.columns.iter().map(|column| column.column_type);
            check_rows(&rows, types).map_err(in_sink)?;
            Ok(Output::Rows { sink, rows })
        }
        (raw::Output::Rows(v), Target::Statement(statement)) => {
            let rows = Rows { origin: v.origin, columns: v.columns.into_iter().map(Column::from).collect() };
            check_rows(&rows, statement.placeholders.iter().copied()).map_err(in_sink)?;
            Ok(Output::Rows { sink, rows })
        }
        (raw::Output::Rows(_), Target::Topic(_)) => Err(in_sink("rows for a topic".to_owned())),
        (_, Target::Table(_) | Target::Statement(_)) => Err(in_sink("messages for a table or statement".to_owned())),
    }
}

fn check_messages(messages: &Messages) -> Result<(), String> {
    let count = messages.origin.len();
    messages.keys.check(count).map_err(|e| format!("keys: {e}"))?;
    messages.values.check(count).map_err(|e| format!("values: {e}"))?;
    messages.headers.as_ref().map_or(Ok(()), |headers| headers.check(count))
}

fn check_rows(rows: &Rows, types: impl ExactSizeIterator<Item = ColumnType>) -> Result<(), String> {
    if rows.columns.len() != types.len() {
        return Err(format!("{} columns where {} are declared", rows.columns.len(), types.len()));
    }
    let count = rows.origin.len();
    for (i, (column, declared)) in rows.columns.iter().zip(types).enumerate() {
        let in_column = |e: String| format!("column {i}: {e}");
        check_validity(&column.validity, count).map_err(in_column)?;
        if column.data.len() != count {
            return Err(in_column(format!("{} values for {count} rows", column.data.len())));
        }
        if let ColumnData::Packed(packed) = &column.data {
            packed.check(count).map_err(in_column)?;
        }
        if !carries(&column.data, declared) {
            return Err(in_column(format!("data of another type than {declared:?}")));
        }
    }
    Ok(())
}

/// Whether the data is of the kind that `wit/job.wit` prescribes for the type.
fn carries(data: &ColumnData, declared: ColumnType) -> bool {
    use ColumnType as T;
    match data {
        ColumnData::Booleans(_) => declared == T::Boolean,
        ColumnData::Int16s(_) => declared == T::Int2,
        ColumnData::Int32s(_) => matches!(declared, T::Int4 | T::Date),
        ColumnData::Int64s(_) => matches!(declared, T::Int8 | T::Timestamptz | T::Timestamp),
        ColumnData::Float32s(_) => declared == T::Float4,
        ColumnData::Float64s(_) => declared == T::Float8,
        ColumnData::Packed(_) => {
            matches!(declared, T::Numeric | T::Text | T::Varchar | T::Bytea | T::Uuid | T::Json | T::Jsonb)
        }
    }
}

#[cfg(test)]
mod tests;
