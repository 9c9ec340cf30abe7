//! Fields of a record's JSON, found by one pass over its text, borrowed from it, and checked as the columns of Postgres
//! need them. Several times faster than building a value or a struct, since what isn't asked for is only passed over.
//!
//! ```
//! use pelton_job::json;
//!
//! let reading = r#"{"id": "a", "inner": {"celsius": 21.5}, "at": "2024-05-02T10:11:12+00:00"}"#;
//! let [id, celsius, at, note] = json::fields(reading, &["id", "inner.celsius", "at", "note"])?;
//! assert_eq!(id.text()?, "a");
//! assert_eq!(celsius.float8()?, 21.5);
//! assert_eq!(at.timestamptz()?, 1_714_644_672_000_000);
//! assert!(note.optional().is_none());
//! # Ok::<(), pelton_job::Reject>(())
//! ```
//!
//! A job calls [`Record::fields`](crate::Record::fields), which does the same with a record's value. To read lists, or
//! names that aren't known beforehand, take serde_json.

mod reader;

use self::reader::{Error, Reader, unescape};
use crate::{Reject, python, time};
use std::{borrow::Cow, num::IntErrorKind};

/// What a path leads to in one text. Each reading says what was expected where the field is missing or of another kind,
/// with the beginning of what is there: ``missing field `celsius` in `inner` ``, `` `celsius` is not a number: "hot" ``.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    path: &'static str,
    found: Option<Found<'a>>,
}

#[derive(Clone, Copy, Debug)]
struct Found<'a> {
    text: &'a str,
    /// Whether blanks stand only where `json.dumps` puts them, and there.
    is_spaced: bool,
    /// Whether a string within has the escape of the NUL character.
    has_nul: bool,
}

/// Finds fields of an object. A path is a name, or several joined by dots that lead into objects; a name with a dot in it
/// can't be reached. Of a name that comes twice the last one counts.
///
/// # Errors
/// The text is not JSON (with line and column, both from 1, the column in bytes), or not an object.
pub fn fields<'a, const N: usize>(text: &'a str, paths: &[&'static str; N]) -> Result<[Field<'a>; N], Reject> {
    const { assert!(N <= MOST, "at most 64 fields") };
    let mut fields = paths.map(Field::at);
    find(text, &mut fields)?;
    Ok(fields)
}

/// How many fields can be found at a time.
#[doc(hidden)]
pub const MOST: usize = 64;

/// The same for fields whose number isn't known beforehand, for what is not a [`crate::Job`] in Rust. Beyond [`MOST`] none is
/// found.
///
/// # Errors
/// As of [`fields`].
#[doc(hidden)]
pub fn find<'a>(text: &'a str, fields: &mut [Field<'a>]) -> Result<(), Reject> {
    let not_json = |error: Error| format!("value is not JSON: {}", error.in_text(text));
    let mut reader = Reader::new(text);
    let is_object = reader.is_object();
    let read = if is_object { members(&mut reader, fields, u64::MAX, 0) } else { reader.value().map(drop) };
    read.and_then(|()| reader.end()).map_err(not_json)?;
    if is_object { Ok(()) } else { Err("value is not a JSON object".into()) }
}

/// Reads an object that the first `passed` bytes of those paths lead to whose bit is set.
fn members<'a>(reader: &mut Reader<'a>, fields: &mut [Field<'a>], paths: u64, passed: usize) -> Result<(), Error> {
    reader.object(|reader, name| {
        let (mut exact, mut inner) = (0, 0);
        for (n, field) in fields.iter_mut().take(MOST).enumerate() {
            if paths >> n & 1 == 0 {
                continue;
            }
            let rest = field.path.as_bytes().get(passed..).unwrap_or_default();
            if rest.first() != name.as_bytes().first() {
                continue;
            }
            match rest.strip_prefix(name.as_bytes()) {
                Some([]) => exact |= 1 << n,
                Some([b'.', ..]) => {
                    inner |= 1 << n;
                    field.found = None;
                }
                _ => {}
            }
        }
        if exact | inner == 0 {
            return reader.value().map(drop);
        }
        let start = reader.position();
        let around = (reader.is_spaced, reader.has_nul);
        (reader.is_spaced, reader.has_nul) = (true, false);
        if inner != 0 && reader.is_object() {
            members(reader, fields, inner, passed + name.len() + 1)?;
        } else {
            reader.value()?;
        }
        let found = Found { text: reader.since(start), is_spaced: reader.is_spaced, has_nul: reader.has_nul };
        reader.is_spaced &= around.0;
        reader.has_nul |= around.1;
        for (n, field) in fields.iter_mut().take(MOST).enumerate() {
            if exact >> n & 1 == 1 {
                field.found = Some(found);
            }
        }
        Ok(())
    })
}

impl<'a> Field<'a> {
    /// A field that isn't found yet.
    #[doc(hidden)]
    pub fn at(path: &'static str) -> Self {
        Self { path, found: None }
    }

    /// Itself, unless it is missing or null.
    pub fn optional(self) -> Option<Self> {
        self.found.is_some_and(|found| found.text != "null").then_some(self)
    }

    /// Its JSON as it is written.
    ///
    /// # Errors
    /// It is missing.
    pub fn raw(&self) -> Result<&'a str, Reject> {
        self.found().map(|found| found.text)
    }

    /// What a string says, as a column of text takes it.
    ///
    /// # Errors
    /// It is no string, or holds a NUL character or half of a surrogate pair, which Postgres refuses.
    pub fn text(&self) -> Result<Cow<'a, str>, Reject> {
        let quoted = self.raw()?;
        if !quoted.starts_with('"') {
            return Err(self.is("not a string"));
        }
        match unescape(quoted) {
            None => Err(self.is("not valid Unicode")),
            // Only what was escaped can be one: JSON has no bare control characters.
            Some(Cow::Owned(text)) if text.contains('\0') => Err(self.holds_nul()),
            Some(text) => Ok(text),
        }
    }

    /// An integer within the range of `INT`, written without point or exponent.
    ///
    /// # Errors
    /// It is no such integer.
    pub fn int4(&self) -> Result<i32, Reject> {
        let number = self.raw()?.parse::<i32>();
        number.map_err(|error| self.no_integer(error.kind(), "beyond the range of INT"))
    }

    /// An integer within the range of `BIGINT`, written without point or exponent.
    ///
    /// # Errors
    /// It is no such integer.
    pub fn int8(&self) -> Result<i64, Reject> {
        let number = self.raw()?.parse::<i64>();
        number.map_err(|error| self.no_integer(error.kind(), "beyond the range of BIGINT"))
    }

    /// A number, as the nearest double.
    ///
    /// # Errors
    /// It is no number, or larger than any double.
    pub fn float8(&self) -> Result<f64, Reject> {
        // No JSON value but a number reads as one: `NaN` and `Infinity` are not JSON.
        match self.raw()?.parse::<f64>() {
            Err(_) => Err(self.is("not a number")),
            Ok(number) if number.is_infinite() => Err(self.is("beyond the range of a double")),
            Ok(number) => Ok(number),
        }
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// It is neither.
    pub fn boolean(&self) -> Result<bool, Reject> {
        match self.raw()? {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.is("not a boolean")),
        }
    }

    /// A time as RFC 3339 writes it, with an offset, in microseconds since 1970-01-01 00:00:00 UTC: see
    /// [`microseconds`](time::microseconds).
    ///
    /// # Errors
    /// It is no string, or no such time.
    pub fn timestamptz(&self) -> Result<i64, Reject> {
        time::microseconds(&self.text()?).ok_or_else(|| self.is("not a time with offset (RFC 3339)"))
    }

    /// The text of an object, its strings and numbers as they are written, spaced as `json.dumps` spaces it.
    ///
    /// # Errors
    /// It is no object, or a string in it holds a NUL character, which Postgres refuses in JSON.
    pub fn object(&self) -> Result<Cow<'a, str>, Reject> {
        let found = self.found()?;
        if !found.text.starts_with('{') {
            Err(self.is("not a JSON object"))
        } else if found.has_nul {
            Err(self.holds_nul())
        } else if found.is_spaced {
            Ok(Cow::Borrowed(found.text))
        } else {
            Ok(Cow::Owned(python::respace(found.text)))
        }
    }

    fn found(&self) -> Result<Found<'a>, Reject> {
        self.found.ok_or_else(|| {
            Reject(match self.path.rsplit_once('.') {
                Some((place, name)) => format!("missing field `{name}` in `{place}`"),
                None => format!("missing field `{}` in value", self.path),
            })
        })
    }

    fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    #[cold]
    fn holds_nul(&self) -> Reject {
        Reject(format!("`{}` holds a NUL character", self.name()))
    }

    #[cold]
    fn no_integer(&self, kind: &IntErrorKind, beyond: &str) -> Reject {
        self.is(match kind {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => beyond,
            _ => "not an integer",
        })
    }

    /// Says what it is instead, and shows its first 60 characters.
    #[cold]
    fn is(&self, what: &str) -> Reject {
        const SHOWN: usize = 60;
        let text = self.found.map_or("", |found| found.text);
        let end = text.char_indices().nth(SHOWN).map(|(end, _)| end);
        let (beginning, more) = match end.and_then(|end| text.get(..end)) {
            Some(beginning) => (beginning, "…"),
            None => (text, ""),
        };
        Reject(format!("`{}` is {what}: {beginning}{more}", self.name()))
    }
}

#[cfg(test)]
mod tests;
