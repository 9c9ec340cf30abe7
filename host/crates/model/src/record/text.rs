//! Records and outputs as text: for people to look at, and to compare what two versions of a job make of a record.
//! Nothing is lost by it: different bytes have different text.

use serde_json::{Map, Value, json};

use super::{Batch, Column, ColumnData, Headers, Output, Rows, is_valid};
use crate::spec::{Sink, Target};

/// Bytes as text; what is not UTF-8 is escaped.
pub fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.escape_ascii().to_string(), str::to_owned)
}

impl Output {
    /// The index of its sink among the job's.
    pub fn sink(&self) -> u32 {
        let (Self::Forward { sink, .. } | Self::Messages { sink, .. } | Self::Rows { sink, .. }) = self;
        *sink
    }

    /// The index of the record that each item was made from.
    pub fn origin(&self) -> &[u32] {
        match self {
            Self::Forward { origin, .. } => origin,
            Self::Messages { messages, .. } => &messages.origin,
            Self::Rows { rows, .. } => &rows.origin,
        }
    }

    /// The value of item `n`: a message's as it is, `null` for a tombstone, a row as a JSON object.
    pub fn value(&self, n: usize, batch: &Batch, sink: &Sink) -> String {
        let value = match self {
            Self::Forward { origin, .. } => origin.get(n).and_then(|&index| batch.values.get(index as usize)),
            Self::Messages { messages, .. } => messages.values.get(n),
            Self::Rows { rows, .. } => return rows.json(sink, n).to_string(),
        };
        value.map_or_else(|| "null".to_owned(), text)
    }

    /// All of item `n`: its value, and before that a message's key and headers where it has any.
    pub fn whole(&self, n: usize, batch: &Batch, sink: &Sink) -> String {
        let of = |headers: &Headers, i: usize| -> String {
            let one = |(name, value): (&[u8], Option<&[u8]>)| {
                format!("{}={} ", text(name), value.map_or_else(|| "null".to_owned(), text))
            };
            headers.of(i).map(one).collect()
        };
        let (key, headers) = match self {
            Self::Forward { origin, .. } => {
                let index = origin.get(n).map_or(usize::MAX, |&index| index as usize);
                (batch.keys.get(index), of(&batch.headers, index))
            }
            Self::Messages { messages, .. } => {
                (messages.keys.get(n), messages.headers.as_ref().map(|headers| of(headers, n)).unwrap_or_default())
            }
            Self::Rows { .. } => (None, String::new()),
        };
        let key = key.map(|key| format!("{}: ", text(key))).unwrap_or_default();
        format!("{headers}{key}{}", self.value(n, batch, sink))
    }
}

impl Rows {
    /// Row `n` by column; a statement's placeholders are `$1`, `$2`, ….
    fn json(&self, sink: &Sink, n: usize) -> Value {
        let name = |i: usize| match &sink.target {
            Target::Table(table) => table.columns.get(i).map(|column| column.name.clone()),
            _ => None,
        };
        let member = |(i, column): (usize, &Column)| (name(i).unwrap_or_else(|| format!("${}", i + 1)), column.json(n));
        Value::Object(self.columns.iter().enumerate().map(member).collect::<Map<_, _>>())
    }
}

impl Column {
    fn json(&self, n: usize) -> Value {
        if !is_valid(&self.validity, n) {
            return Value::Null;
        }
        // JSON has no infinities and no NaN.
        let real = |v: f64| if v.is_finite() { json!(v) } else { json!(v.to_string()) };
        match &self.data {
            ColumnData::Booleans(v) => v.get(n).map(|v| json!(v)),
            ColumnData::Int16s(v) => v.get(n).map(|v| json!(v)),
            ColumnData::Int32s(v) => v.get(n).map(|v| json!(v)),
            ColumnData::Int64s(v) => v.get(n).map(|v| json!(v)),
            ColumnData::Float32s(v) => v.get(n).map(|&v| real(f64::from(v))),
            ColumnData::Float64s(v) => v.get(n).map(|&v| real(v)),
            ColumnData::Packed(v) => v.get(n).map(|v| json!(text(v))),
        }
        .unwrap_or(Value::Null)
    }
}
