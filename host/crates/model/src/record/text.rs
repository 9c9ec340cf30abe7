//! Records and outputs as text: for people to look at, and to compare what two versions of a job make of a record.
//! Nothing is lost by it: different bytes have different text.

use std::fmt::Write as _;

use chrono::{DateTime, Days, NaiveDate, SecondsFormat};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Batch, Column, ColumnData, Headers, Output, Rows, is_valid};
use crate::spec::{ColumnType, Sink, Target};

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
        let declared = |i: usize| match &sink.target {
            Target::Table(table) => table.columns.get(i).map(|column| (Some(&column.name), column.column_type)),
            Target::Statement(statement) => statement.placeholders.get(i).map(|&kind| (None, kind)),
            Target::Topic(_) => None,
        };
        let member = |(i, column): (usize, &Column)| {
            let (name, kind) = declared(i).unwrap_or((None, ColumnType::Bytea));
            let value = serde_json::from_str(&cell(column, kind, n)).unwrap_or(Value::Null);
            (name.cloned().unwrap_or_else(|| format!("${}", i + 1)), value)
        };
        Value::Object(self.columns.iter().enumerate().map(member).collect::<Map<_, _>>())
    }
}

/// The value of row `n` as JSON: numbers as numbers, bytes in hexadecimal, times as ISO 8601 writes them.
pub fn cell(column: &Column, column_type: ColumnType, n: usize) -> String {
    if !is_valid(&column.validity, n) {
        return "null".to_owned();
    }
    match &column.data {
        ColumnData::Booleans(v) => v.get(n).map(json),
        ColumnData::Int16s(v) => v.get(n).map(json),
        ColumnData::Int32s(v) if column_type == ColumnType::Date => v.get(n).map(|&days| date(days)),
        ColumnData::Int32s(v) => v.get(n).map(json),
        ColumnData::Int64s(v) if column_type == ColumnType::Int8 => v.get(n).map(json),
        ColumnData::Int64s(v) => v.get(n).map(|&micros| time(micros, column_type)),
        ColumnData::Float32s(v) => v.get(n).map(|v| if v.is_finite() { json(v) } else { real(f64::from(*v)) }),
        ColumnData::Float64s(v) => v.get(n).map(|&v| real(v)),
        ColumnData::Packed(v) => v.get(n).map(|bytes| match column_type {
            ColumnType::Uuid => json(&uuid(bytes)),
            ColumnType::Bytea => json(&hexadecimal(bytes)),
            _ => json(&text(bytes)),
        }),
    }
    .unwrap_or_else(|| "null".to_owned())
}

/// JSON has no infinities and no NaN; they are printed as Postgres calls them.
pub fn real(number: f64) -> String {
    if number.is_finite() {
        json(&number)
    } else if number.is_nan() {
        json("NaN")
    } else {
        json(if number > 0.0 { "Infinity" } else { "-Infinity" })
    }
}

/// Days since 1970-01-01 as a date; beyond the calendar's range they stay a number.
fn date(days: i32) -> String {
    let distance = Days::new(days.unsigned_abs().into());
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1);
    let date = if days < 0 {
        epoch.and_then(|epoch| epoch.checked_sub_days(distance))
    } else {
        epoch.and_then(|epoch| epoch.checked_add_days(distance))
    };
    date.map_or_else(|| json(&days), |date| json(&date.to_string()))
}

/// Microseconds since 1970-01-01 as a time; beyond the calendar's range they stay a number.
fn time(micros: i64, column_type: ColumnType) -> String {
    let Some(time) = DateTime::from_timestamp_micros(micros) else { return json(&micros) };
    let text = time.to_rfc3339_opts(SecondsFormat::AutoSi, false);
    match column_type {
        ColumnType::Timestamptz => json(&text),
        _ => json(text.trim_end_matches("+00:00")),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string doesn't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// As Postgres prints it; of another length than a UUID has, plain digits.
fn uuid(bytes: &[u8]) -> String {
    let digits = hexadecimal(bytes);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| digits.get(part).unwrap_or_default());
    if bytes.len() == 16 { parts.join("-") } else { digits }
}

/// A text or a number as JSON.
fn json<T: Serialize + ?Sized>(value: &T) -> String {
    // They always have a form in JSON.
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Packed;
    use crate::spec::{ColumnSpec, Conflict, Table};

    #[test]
    fn a_row_is_told_as_its_columns_are_read() {
        let packed = |bytes: &[u8]| {
            let mut packed = Packed::default();
            packed.push(bytes);
            ColumnData::Packed(packed)
        };
        let columns = [
            (ColumnType::Uuid, packed(&[0x12; 16]), r#""12121212-1212-1212-1212-121212121212""#),
            (
                ColumnType::Timestamptz,
                ColumnData::Int64s(vec![1_700_000_000_500_000]),
                r#""2023-11-14T22:13:20.500+00:00""#,
            ),
            (ColumnType::Timestamp, ColumnData::Int64s(vec![0]), r#""1970-01-01T00:00:00""#),
            (ColumnType::Date, ColumnData::Int32s(vec![-1]), r#""1969-12-31""#),
            (ColumnType::Int8, ColumnData::Int64s(vec![i64::MAX]), "9223372036854775807"),
            (ColumnType::Float4, ColumnData::Float32s(vec![0.1]), "0.1"),
            (ColumnType::Float8, ColumnData::Float64s(vec![f64::NAN]), r#""NaN""#),
            (ColumnType::Numeric, packed(b"-12.50"), r#""-12.50""#),
            (ColumnType::Bytea, packed(b"\x00a"), r#""0061""#),
            (ColumnType::Text, packed("é".as_bytes()), r#""é""#),
        ];
        let name = |i: usize| char::from(b'a' + i as u8).to_string();
        let specs = columns.iter().enumerate().map(|(i, (column_type, ..))| ColumnSpec {
            name: name(i),
            column_type: *column_type,
            nullable: true,
        });
        let table =
            Table { name: "t".to_owned(), columns: specs.collect(), key: Vec::new(), on_conflict: Conflict::Fail };
        let sink = Sink { name: "t".to_owned(), target: Target::Table(table) };
        let expected: Vec<_> =
            columns.iter().enumerate().map(|(i, (.., text))| format!("\"{}\":{text}", name(i))).collect();
        let columns = columns.into_iter().map(|(_, data, _)| Column { validity: Vec::new(), data }).collect();
        let rows = Output::Rows { sink: 0, rows: Rows { origin: vec![0], columns } };
        assert_eq!(rows.value(0, &Batch::default(), &sink), format!("{{{}}}", expected.join(",")));
    }
}
