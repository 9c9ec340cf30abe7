//! The border check: a guest's answer becomes an [`Outcome`] only if every index, length and type in it fits the batch
//! and the declared sinks. Bytes are moved, not copied; buffers of numbers become lists of them.

use super::bindings::v0_1::exports::pelton::job::task::Outcome as RawOutcome;
use super::bindings::v0_1::pelton::job::types as raw;
use super::numbers::{booleans, numbers};
use pelton_model::record::check_validity;
use pelton_model::record::{
    Column, ColumnData, Headers, Messages, NullablePacked, Outcome, Output, Packed, Reject, Rows,
};
use pelton_model::spec::{ColumnType, Spec, Target};

/// Longest reason kept, bytes: reasons become Kafka headers.
pub const REASON_BYTES: usize = 4096;

type Checked<T> = Result<T, String>;

fn packed(raw: raw::PackedResult) -> Checked<Packed> {
    Ok(Packed { ends: ends(&raw.ends)?, bytes: raw.bytes })
}

fn nullable(raw: raw::NullablePackedResult) -> Checked<NullablePacked> {
    Ok(NullablePacked { validity: raw.validity, items: packed(raw.items)? })
}

fn headers(raw: raw::HeadersResult, records: usize) -> Checked<Headers> {
    let headers = Headers {
        ends: ends(&raw.ends).map_err(|e| format!("header {e}"))?,
        names: packed(raw.names).map_err(|e| format!("header names: {e}"))?,
        values: nullable(raw.values).map_err(|e| format!("header values: {e}"))?,
    };
    headers.check(records)?;
    Ok(headers)
}

fn ends(raw: &[u8]) -> Checked<Vec<u32>> {
    numbers(raw, u32::from_le_bytes).map_err(|e| format!("ends: {e}"))
}

fn data(raw: raw::ColumnData) -> Checked<ColumnData> {
    use raw::ColumnData as Raw;
    Ok(match raw {
        Raw::Booleans(v) => ColumnData::Booleans(booleans(&v)?),
        Raw::Int16s(v) => ColumnData::Int16s(numbers(&v, i16::from_le_bytes)?),
        Raw::Int32s(v) => ColumnData::Int32s(numbers(&v, i32::from_le_bytes)?),
        Raw::Int64s(v) => ColumnData::Int64s(numbers(&v, i64::from_le_bytes)?),
        Raw::Float32s(v) => ColumnData::Float32s(numbers(&v, f32::from_le_bytes)?),
        Raw::Float64s(v) => ColumnData::Float64s(numbers(&v, f64::from_le_bytes)?),
        Raw::Packed(v) => ColumnData::Packed(packed(v)?),
    })
}

/// Checks the answer to a batch of `records`; an error says what is broken.
pub fn outcome(raw: RawOutcome, records: usize, spec: &Spec) -> Checked<Outcome> {
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

fn output(raw: raw::Output, records: usize, spec: &Spec) -> Checked<Output> {
    use raw::Output as Raw;
    let (sink, origin) = match &raw {
        Raw::Forward(v) => (v.sink, &v.origin),
        Raw::Messages(v) => (v.sink, &v.origin),
        Raw::Rows(v) => (v.sink, &v.origin),
    };
    let declared = spec
        .sinks
        .get(sink as usize)
        .ok_or_else(|| format!("sink {sink}, but the job declares {}", spec.sinks.len()))?;
    let in_sink = |e: String| format!("sink {:?}: {e}", declared.name);
    let origin = numbers(origin, u32::from_le_bytes).map_err(|e| in_sink(format!("origin: {e}")))?;
    if let Some(index) = origin.iter().find(|&&index| index as usize >= records) {
        return Err(format!("origin {index} in a batch of {records} records"));
    }
    match (raw, &declared.target) {
        (Raw::Forward(_), Target::Topic(_)) => Ok(Output::Forward { sink, origin }),
        (Raw::Messages(v), Target::Topic(_)) => {
            let messages = messages(v, origin).map_err(in_sink)?;
            Ok(Output::Messages { sink, messages })
        }
        (Raw::Rows(v), Target::Table(table)) => {
            let types = table.columns.iter().map(|column| column.column_type);
            let rows = rows(v.columns, origin, types).map_err(in_sink)?;
            Ok(Output::Rows { sink, rows })
        }
        (Raw::Rows(v), Target::Statement(statement)) => {
            let rows = rows(v.columns, origin, statement.placeholders.iter().copied()).map_err(in_sink)?;
            Ok(Output::Rows { sink, rows })
        }
        (Raw::Rows(_), Target::Topic(_)) => Err(in_sink("rows for a topic".to_owned())),
        (_, Target::Table(_) | Target::Statement(_)) => Err(in_sink("messages for a table or statement".to_owned())),
    }
}

fn messages(raw: raw::Messages, origin: Vec<u32>) -> Checked<Messages> {
    let count = origin.len();
    let column = |raw| nullable(raw).and_then(|column| column.check(count).map(|()| column));
    let keys = column(raw.keys).map_err(|e| format!("keys: {e}"))?;
    let values = column(raw.values).map_err(|e| format!("values: {e}"))?;
    let headers = raw.headers.map(|raw| headers(raw, count)).transpose()?;
    Ok(Messages { origin, keys, values, headers })
}

fn rows(raw: Vec<raw::Column>, origin: Vec<u32>, types: impl ExactSizeIterator<Item = ColumnType>) -> Checked<Rows> {
    if raw.len() != types.len() {
        return Err(format!("{} columns where {} are declared", raw.len(), types.len()));
    }
    let checked = raw.into_iter().zip(types).enumerate();
    let columns =
        checked.map(|(i, (raw, declared))| column(raw, declared, origin.len()).map_err(|e| format!("column {i}: {e}")));
    Ok(Rows { columns: columns.collect::<Checked<_>>()?, origin })
}

fn column(raw: raw::Column, declared: ColumnType, rows: usize) -> Checked<Column> {
    check_validity(&raw.validity, rows)?;
    let data = data(raw.data)?;
    if data.len() != rows {
        return Err(format!("{} values for {rows} rows", data.len()));
    }
    if let ColumnData::Packed(packed) = &data {
        packed.check(rows)?;
    }
    if !carries(&data, declared) {
        return Err(format!("data of another type than {declared:?}"));
    }
    Ok(Column { validity: raw.validity, data })
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
