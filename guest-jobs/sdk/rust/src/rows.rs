//! Rows, gathered column by column, each value checked against the declared type.

use crate::{
    Type,
    bindings::pelton::job::types::{self as wit, ColumnData, Packed},
    numbers::Number,
    packed::{Validity, is_valid},
};

/// One value of a row. `From` makes it of the plain types and of `Option`s of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// NULL, for a column or placeholder of any type.
    Null,
    /// For `boolean`.
    Boolean(bool),
    /// For `int2`.
    Int2(i16),
    /// For `int4`, and for `date`: days since 1970-01-01.
    Int4(i32),
    /// For `int8`, and for `timestamptz` and `timestamp`: microseconds since 1970-01-01 00:00:00 (UTC).
    Int8(i64),
    /// For `float4`.
    Float4(f32),
    /// For `float8`.
    Float8(f64),
    /// For `text`, `varchar`, `json`, `jsonb`, and for `numeric`: decimal text such as `-12.50`.
    Text(&'a str),
    /// For `bytea`, and for `uuid`: its 16 bytes.
    Bytes(&'a [u8]),
}

macro_rules! from {
    ($($from:ty => $variant:ident),* $(,)?) => {$(
        impl<'a> From<$from> for Value<'a> {
            fn from(value: $from) -> Self {
                Self::$variant(value)
            }
        }
    )*};
}

from! {
    bool => Boolean, i16 => Int2, i32 => Int4, i64 => Int8, f32 => Float4, f64 => Float8, &'a str => Text,
    &'a [u8] => Bytes,
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl Value<'_> {
    /// What a job's author calls it.
    fn name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a bool",
            Self::Int2(_) => "an i16",
            Self::Int4(_) => "an i32",
            Self::Int8(_) => "an i64",
            Self::Float4(_) => "an f32",
            Self::Float8(_) => "an f64",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
        }
    }
}

/// A type and what it takes, for messages.
fn takes(kind: Type) -> &'static str {
    match kind {
        Type::Boolean => "boolean and takes a bool",
        Type::Int2 => "int2 and takes an i16",
        Type::Int4 => "int4 and takes an i32",
        Type::Int8 => "int8 and takes an i64",
        Type::Float4 => "float4 and takes an f32",
        Type::Float8 => "float8 and takes an f64",
        Type::Numeric => "numeric and takes text (a decimal number)",
        Type::Text => "text and takes text",
        Type::Varchar => "varchar and takes text",
        Type::Bytea => "bytea and takes bytes",
        Type::Timestamptz => "timestamptz and takes an i64 (microseconds since 1970 UTC)",
        Type::Timestamp => "timestamp and takes an i64 (microseconds since 1970)",
        Type::Date => "date and takes an i32 (days since 1970-01-01)",
        Type::Uuid => "uuid and takes 16 bytes",
        Type::Json => "json and takes text",
        Type::Jsonb => "jsonb and takes text",
    }
}

/// One column in the making.
pub(crate) struct Column {
    kind: Type,
    validity: Validity,
    data: ColumnData,
}

impl Column {
    /// An empty one with room for so many rows, and so many bytes where its values are packed.
    pub(crate) fn with_capacity(kind: Type, rows: usize, bytes: usize) -> Self {
        let data = match kind {
            Type::Boolean => ColumnData::Booleans(Vec::with_capacity(rows)),
            Type::Int2 => ColumnData::Int16s(Vec::with_capacity(2 * rows)),
            Type::Int4 | Type::Date => ColumnData::Int32s(Vec::with_capacity(4 * rows)),
            Type::Int8 | Type::Timestamptz | Type::Timestamp => ColumnData::Int64s(Vec::with_capacity(8 * rows)),
            Type::Float4 => ColumnData::Float32s(Vec::with_capacity(4 * rows)),
            Type::Float8 => ColumnData::Float64s(Vec::with_capacity(8 * rows)),
            Type::Numeric | Type::Text | Type::Varchar | Type::Bytea | Type::Uuid | Type::Json | Type::Jsonb => {
                ColumnData::Packed(Packed::with_capacity(rows, bytes))
            }
        };
        Self { kind, validity: Validity::default(), data }
    }

    /// Adds a value.
    ///
    /// # Errors
    /// The column's type doesn't take it; says what it takes.
    pub(crate) fn push(&mut self, value: Value<'_>) -> Result<(), String> {
        match (&mut self.data, value) {
            (ColumnData::Booleans(data), Value::Boolean(value)) => data.push(value.into()),
            (ColumnData::Int16s(data), Value::Int2(value)) => value.push(data),
            (ColumnData::Int32s(data), Value::Int4(value)) => value.push(data),
            (ColumnData::Int64s(data), Value::Int8(value)) => value.push(data),
            (ColumnData::Float32s(data), Value::Float4(value)) => value.push(data),
            (ColumnData::Float64s(data), Value::Float8(value)) => value.push(data),
            (ColumnData::Packed(data), Value::Text(value)) if !matches!(self.kind, Type::Bytea | Type::Uuid) => {
                data.push(value.as_bytes());
            }
            (ColumnData::Packed(data), Value::Bytes(value))
                if self.kind == Type::Bytea || self.kind == Type::Uuid && value.len() == 16 =>
            {
                data.push(value);
            }
            (data, Value::Null) => push_null(data),
            (_, Value::Bytes(value)) if self.kind == Type::Uuid => {
                return Err(format!("{}, not {}", takes(self.kind), value.len()));
            }
            (_, value) => return Err(format!("{}, not {}", takes(self.kind), value.name())),
        }
        self.validity.push(!matches!(value, Value::Null));
        Ok(())
    }

    /// How many bytes its packed values have.
    pub(crate) fn bytes(&self) -> usize {
        match &self.data {
            ColumnData::Packed(data) => data.bytes.len(),
            _ => 0,
        }
    }

    pub(crate) fn finish(self) -> wit::Column {
        wit::Column { validity: self.validity.finish(), data: self.data }
    }
}

fn push_null(data: &mut ColumnData) {
    match data {
        ColumnData::Booleans(data) => data.push(0),
        ColumnData::Int16s(data) => 0_i16.push(data),
        ColumnData::Int32s(data) => 0_i32.push(data),
        ColumnData::Int64s(data) => 0_i64.push(data),
        ColumnData::Float32s(data) => 0.0_f32.push(data),
        ColumnData::Float64s(data) => 0.0_f64.push(data),
        ColumnData::Packed(data) => data.push(&[]),
    }
}

impl wit::Column {
    /// The value in a row, as a column of this type holds it; nothing where the lists contradict each other.
    pub(crate) fn get(&self, kind: Type, row: usize) -> Option<Value<'_>> {
        if !is_valid(&self.validity, row) {
            return Some(Value::Null);
        }
        Some(match &self.data {
            ColumnData::Booleans(data) => Value::Boolean(*data.get(row)? == 1),
            ColumnData::Int16s(data) => Value::Int2(i16::get(data, row)?),
            ColumnData::Int32s(data) => Value::Int4(i32::get(data, row)?),
            ColumnData::Int64s(data) => Value::Int8(i64::get(data, row)?),
            ColumnData::Float32s(data) => Value::Float4(f32::get(data, row)?),
            ColumnData::Float64s(data) => Value::Float8(f64::get(data, row)?),
            ColumnData::Packed(data) if matches!(kind, Type::Bytea | Type::Uuid) => Value::Bytes(data.get(row)?),
            ColumnData::Packed(data) => Value::Text(str::from_utf8(data.get(row)?).ok()?),
        })
    }
}
