//! Values that a job emits, read as their column or message takes them.

use pelton_job::{Type, Value as Field};
use rquickjs::{BigInt, Ctx, Result, Value, qjs};

use crate::text::{Text, copied};

/// A value that was read.
pub(crate) enum Read<'js> {
    Text(Text<'js>),
    Bytes(Vec<u8>),
    /// Anything that borrows nothing, null among it.
    Plain(Field<'static>),
}

impl<'js> Read<'js> {
    /// A key, or the value of a message or of a header. Nothing where it is no string, `Uint8Array` or null.
    ///
    /// # Errors
    /// QuickJS's own, as out of memory.
    pub(crate) fn item(value: &Value<'js>) -> Result<Option<Self>> {
        Ok(match value {
            _ if value.is_null() => Some(Self::Plain(Field::Null)),
            _ if value.is_string() => Some(Self::Text(Text::of(value)?)),
            _ => copied(value).map(Self::Bytes),
        })
    }

    /// What a column or placeholder of this type takes. Nothing where it doesn't take the value.
    ///
    /// # Errors
    /// As above.
    pub(crate) fn field(value: &Value<'js>, kind: Type) -> Result<Option<Self>> {
        if value.is_null() {
            return Ok(Some(Self::Plain(Field::Null)));
        }
        let plain = match kind {
            Type::Numeric | Type::Text | Type::Varchar | Type::Json | Type::Jsonb => {
                return Ok(if value.is_string() { Some(Self::Text(Text::of(value)?)) } else { None });
            }
            Type::Bytea | Type::Uuid => {
                let bytes = copied(value).filter(|bytes| kind == Type::Bytea || bytes.len() == 16);
                return Ok(bytes.map(Self::Bytes));
            }
            Type::Boolean => value.as_bool().map(Field::Boolean),
            Type::Int2 => safe(value).and_then(|value| value.try_into().ok()).map(Field::Int2),
            Type::Int4 | Type::Date => safe(value).and_then(|value| value.try_into().ok()).map(Field::Int4),
            Type::Int8 => match safe(value) {
                Some(value) => Some(Field::Int8(value)),
                None => big(value)?.map(Field::Int8),
            },
            Type::Timestamptz | Type::Timestamp => match safe(value) {
                Some(value) => Some(Field::Int8(value)),
                None => match date(value) {
                    Some(value) => Some(Field::Int8(value)),
                    None => big(value)?.map(Field::Int8),
                },
            },
            Type::Float4 => value.as_number().map(|value| Field::Float4(value as f32)),
            Type::Float8 => value.as_number().map(Field::Float8),
        };
        Ok(plain.map(Self::Plain))
    }

    pub(crate) fn as_field(&self) -> Field<'_> {
        match self {
            Self::Text(text) => Field::Text(text.as_str()),
            Self::Bytes(bytes) => Field::Bytes(bytes),
            Self::Plain(field) => *field,
        }
    }

    /// The bytes of an item; nothing where it is null.
    pub(crate) fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text.as_str().as_bytes()),
            Self::Bytes(bytes) => Some(bytes),
            Self::Plain(_) => None,
        }
    }
}

/// `Number.MAX_SAFE_INTEGER`
const SAFE: i64 = 9_007_199_254_740_991;

/// A number where it is a safe integer, else a bigint.
pub(crate) fn integer<'js>(ctx: &Ctx<'js>, value: i64) -> Result<Value<'js>> {
    if (-SAFE..=SAFE).contains(&value) {
        return Ok(Value::new_number(ctx.clone(), value as f64));
    }
    BigInt::from_i64(ctx.clone(), value).map(BigInt::into_value)
}

/// A safe integer.
fn safe(value: &Value<'_>) -> Option<i64> {
    if let Some(value) = value.as_int() {
        return Some(value.into());
    }
    value.as_float().filter(|value| value.trunc() == *value && value.abs() <= SAFE as f64).map(|value| value as i64)
}

/// A bigint of 64 bits. QuickJS would cut it to them.
fn big(value: &Value<'_>) -> Result<Option<i64>> {
    if !value.is_big_int() {
        return Ok(None);
    }
    Ok(Text::of(value)?.as_str().parse().ok())
}

/// A Date, in microseconds.
fn date(value: &Value<'_>) -> Option<i64> {
    // SAFETY: the value lives.
    if !unsafe { qjs::JS_IsDate(value.as_raw()) } {
        return None;
    }
    // Not by a method, which the script could have replaced.
    let mut milliseconds = f64::NAN;
    // SAFETY: the context and the value live.
    let failed = unsafe { qjs::JS_ToFloat64(value.ctx().as_raw().as_ptr(), &raw mut milliseconds, value.as_raw()) };
    if failed != 0 {
        value.ctx().catch();
    }
    let microseconds = milliseconds * 1000.0;
    (failed == 0 && microseconds.abs() <= 8.64e18).then_some(microseconds as i64)
}

/// A type and what it takes, for messages.
pub(crate) fn wanted(kind: Type) -> &'static str {
    match kind {
        Type::Boolean => "boolean and takes a boolean",
        Type::Int2 => "int2 and takes an integer from -32768 to 32767",
        Type::Int4 => "int4 and takes an integer from -2147483648 to 2147483647",
        Type::Int8 => "int8 and takes a bigint or safe integer",
        Type::Float4 => "float4 and takes a number",
        Type::Float8 => "float8 and takes a number",
        Type::Numeric => "numeric and takes a string (a decimal number)",
        Type::Text => "text and takes a string",
        Type::Varchar => "varchar and takes a string",
        Type::Bytea => "bytea and takes a Uint8Array",
        Type::Timestamptz => "timestamptz and takes microseconds since 1970 UTC (a bigint or safe integer) or a Date",
        Type::Timestamp => "timestamp and takes microseconds since 1970 (a bigint or safe integer) or a Date",
        Type::Date => "date and takes days since 1970-01-01 (an integer)",
        Type::Uuid => "uuid and takes a Uint8Array of 16 bytes",
        Type::Json => "json and takes a string",
        Type::Jsonb => "jsonb and takes a string",
    }
}

/// What a value is, for messages.
pub(crate) fn found(value: &Value<'_>) -> String {
    if let Some(bytes) = copied(value) {
        return format!("a Uint8Array of {} bytes", bytes.len());
    }
    match value {
        _ if value.is_undefined() => "undefined".to_owned(),
        _ if value.is_string() => "a string".to_owned(),
        // SAFETY: the value lives.
        _ if unsafe { qjs::JS_IsDate(value.as_raw()) } => "an invalid Date".to_owned(),
        _ if value.is_number() || value.is_big_int() => {
            format!("the number {}", crate::text::shown(value))
        }
        _ => format!("a value of type {}", kind_of(value)),
    }
}

/// As `typeof` says it.
fn kind_of(value: &Value<'_>) -> &'static str {
    match value {
        _ if value.is_bool() => "boolean",
        _ if value.is_function() => "function",
        _ if value.is_symbol() => "symbol",
        _ => "object",
    }
}
