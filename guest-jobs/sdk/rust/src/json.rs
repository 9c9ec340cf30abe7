//! Fields of a record's JSON, found by one pass over its text, borrowed from it, and checked as the columns of Postgres
//! need them. Several times faster than building a value or a struct, since what isn't asked for is only passed over.
//!
//! ```
//! use pelton_job::json;
//!
//! const READING: json::Paths<4> = json::Paths::new(["id", "inner.celsius", "at", "note"]);
//!
//! let reading = r#"{"id": "a", "inner": {"celsius": 21.5}, "at": "2024-05-02T10:11:12+00:00"}"#;
//! let [id, celsius, at, note] = json::fields(reading, &READING)?;
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

use self::reader::{NotJson, Reader, unescape};
use crate::{Reject, python, time};
use std::borrow::Cow;

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

/// Paths to fields of an object. A path is a name, or several joined by dots that lead into objects; a name with a dot in it
/// can't be reached. Make it as a constant: what it takes to find them quickly is worked out by the compiler.
#[derive(Clone, Copy, Debug)]
pub struct Paths<const N: usize> {
    paths: [&'static str; N],
    /// Those that begin with the same name as this one, a bit for each.
    alike: [u64; N],
}

impl<const N: usize> Paths<N> {
    /// Of at most 64 paths. They are found quickest in the order in which the names stand in the records.
    #[expect(clippy::indexing_slicing, reason = "the indices are below the bounds of the loops")]
    pub const fn new(paths: [&'static str; N]) -> Self {
        const { assert!(N <= u64::BITS as usize, "at most 64 paths") };
        let mut alike = [0; N];
        let mut one = 0;
        while one < N {
            let mut other = 0;
            while other < N {
                if begin_alike(paths[one].as_bytes(), paths[other].as_bytes()) {
                    alike[one] |= 1 << other;
                }
                other += 1;
            }
            one += 1;
        }
        Self { paths, alike }
    }
}

/// Whether two paths begin with the same name.
#[expect(clippy::indexing_slicing, reason = "the index is below both lengths")]
const fn begin_alike(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] && one[at] != b'.' {
        at += 1;
    }
    (at == one.len() || one[at] == b'.') && (at == other.len() || other[at] == b'.')
}

/// Finds fields of an object. Of a name that comes twice the last one counts.
///
/// # Errors
/// The text is not JSON (with line and column, both from 1, the column in bytes), or not an object.
#[inline(always)]
pub fn fields<'a, const N: usize>(text: &'a str, paths: &Paths<N>) -> Result<[Field<'a>; N], Reject> {
    let mut fields = paths.paths.map(Field::at);
    find(text, &mut fields, &paths.alike)?;
    Ok(fields)
}

/// The same for fields whose number isn't known beforehand, for what is not a [`crate::Job`] in Rust.
///
/// # Errors
/// As of [`fields`].
#[doc(hidden)]
#[inline(always)]
pub fn find<'a, F: AsMut<[Field<'a>]>>(text: &'a str, fields: &mut F, alike: &impl AsRef<[u64]>) -> Result<(), Reject> {
    let mut reader = Reader::new(text);
    let is_object = reader.is_object();
    let read = if is_object { outermost(&mut reader, fields, alike) } else { reader.value().map(drop) };
    if let Err(NotJson) = read.and_then(|()| reader.end()) {
        return Err(Reject(format!("value is not JSON: {}", reader.error())));
    }
    if is_object { Ok(()) } else { Err("value is not a JSON object".into()) }
}

/// What [`find`] takes: of each path the ones that begin with the same name, a bit for each. Of at most 64.
#[doc(hidden)]
pub fn alike(paths: &[&str]) -> Vec<u64> {
    let same = |one: &&str| {
        let bits = paths.iter().zip(0..).filter(|(other, _)| begin_alike(one.as_bytes(), other.as_bytes()));
        bits.fold(0, |alike, (_, n)| alike | 1 << n)
    };
    paths.iter().map(same).collect()
}

/// Reads the outermost object. Lists that have a known length are arrays here, for the compiler.
fn outermost<'a, F: AsMut<[Field<'a>]>>(
    reader: &mut Reader<'a>,
    fields: &mut F,
    alike: &impl AsRef<[u64]>,
) -> Result<(), NotJson> {
    // The one that is due next, where the record's names stand in the order of the paths.
    let mut next = 0;
    reader.object(|reader, name| {
        let (fields, alike) = (fields.as_mut(), alike.as_ref());
        let begins = |field: &Field<'_>| begins_with(field.path.as_bytes(), name.as_bytes());
        let due = fields.get(next).is_some_and(begins).then_some(next);
        let Some(alike) = due.or_else(|| fields.iter().position(begins)).and_then(|n| alike.get(n)) else {
            return reader.value().map(drop);
        };
        next = (u64::BITS - alike.leading_zeros()) as usize;
        member(reader, fields, *alike, name.len())
    })
}

/// Reads an object that the first `passed` bytes of those paths lead to whose bit is set.
fn inner<'a>(reader: &mut Reader<'a>, fields: &mut [Field<'a>], paths: u64, passed: usize) -> Result<(), NotJson> {
    reader.object(|reader, name| {
        let mut alike = 0;
        each(fields, paths, |n, field| {
            let rest = field.path.as_bytes().get(passed..).unwrap_or_default();
            alike |= u64::from(begins_with(rest, name.as_bytes())) << n;
        });
        if alike == 0 { reader.value().map(drop) } else { member(reader, fields, alike, passed + name.len()) }
    })
}

/// Reads the value of a member to which the first `passed` bytes of those paths lead.
fn member<'a>(reader: &mut Reader<'a>, fields: &mut [Field<'a>], paths: u64, passed: usize) -> Result<(), NotJson> {
    let start = reader.position();
    let around = (reader.is_spaced, reader.has_nul);
    (reader.is_spaced, reader.has_nul) = (true, false);
    if paths.is_power_of_two()
        && let Some(field) = fields.get_mut(paths.trailing_zeros() as usize)
        && field.path.len() == passed
    {
        let text = reader.value()?;
        field.found = Some(Found { text, is_spaced: reader.is_spaced, has_nul: reader.has_nul });
        reader.is_spaced &= around.0;
        reader.has_nul |= around.1;
        return Ok(());
    }
    let mut within = 0;
    each(fields, paths, |n, field| {
        field.found = None;
        within |= u64::from(field.path.len() > passed) << n;
    });
    if within != 0 && reader.is_object() {
        inner(reader, fields, within, passed + 1)?;
    } else {
        reader.value()?;
    }
    let found = Found { text: reader.since(start), is_spaced: reader.is_spaced, has_nul: reader.has_nul };
    reader.is_spaced &= around.0;
    reader.has_nul |= around.1;
    each(fields, paths & !within, |_, field| field.found = Some(found));
    Ok(())
}

/// Does something with each field whose bit is set.
#[inline(always)]
fn each<'a>(fields: &mut [Field<'a>], mut bits: u64, mut with: impl FnMut(usize, &mut Field<'a>)) {
    while bits != 0 {
        let n = bits.trailing_zeros() as usize;
        bits &= bits - 1;
        if let Some(field) = fields.get_mut(n) {
            with(n, field);
        }
    }
}

/// A number of up to 15 digits without exponent: the double holds the digits and the power of ten exactly, so that one division
/// gives the nearest. Most are such, and the general way takes longer.
fn short_number(text: &str) -> Option<f64> {
    let (sign, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (-1.0, digits),
        digits => (1.0, digits),
    };
    if !(1..=16).contains(&digits.len()) {
        return None;
    }
    let (mut number, mut unit, mut has_point) = (0_u64, 1_u64, false);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                number = number * 10 + u64::from(byte - b'0');
                unit *= if has_point { 10 } else { 1 };
            }
            b'.' if !has_point => has_point = true,
            _ => return None,
        }
    }
    (number < 1_000_000_000_000_000).then(|| sign * (number as f64 / unit as f64))
}

/// Whether the first name of a path is this.
#[inline(always)]
fn begins_with(path: &[u8], name: &[u8]) -> bool {
    // Lengths differ more often than letters, and tell that sooner.
    if path.len() != name.len() && path.get(name.len()) != Some(&b'.') {
        return false;
    }
    path.get(..name.len()).is_some_and(|path| same(path, name))
}

/// Whether two texts of one length are the same, by words that may overlap: a general comparison is a call, and in WebAssembly
/// goes byte by byte.
#[inline(always)]
fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() > 16 {
        one == other
    } else if one.len() >= 8 {
        one.first_chunk::<8>() == other.first_chunk() && one.last_chunk::<8>() == other.last_chunk()
    } else if one.len() >= 4 {
        one.first_chunk::<4>() == other.first_chunk() && one.last_chunk::<4>() == other.last_chunk()
    } else {
        one.iter().eq(other)
    }
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
    #[inline]
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
        number.map_err(|_| self.no_integer("beyond the range of INT"))
    }

    /// An integer within the range of `BIGINT`, written without point or exponent.
    ///
    /// # Errors
    /// It is no such integer.
    pub fn int8(&self) -> Result<i64, Reject> {
        let number = self.raw()?.parse::<i64>();
        number.map_err(|_| self.no_integer("beyond the range of BIGINT"))
    }

    /// A number, as the nearest double.
    ///
    /// # Errors
    /// It is no number, or larger than any double.
    pub fn float8(&self) -> Result<f64, Reject> {
        // No JSON value but a number reads as one: `NaN` and `Infinity` are not JSON.
        let text = self.raw()?;
        match short_number(text).map_or_else(|| text.parse::<f64>(), Ok) {
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
        let quoted = self.raw()?;
        // What reads as a time has no escapes; all else is looked at again.
        let plain = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).and_then(time::microseconds);
        match plain {
            Some(microseconds) => Ok(microseconds),
            None => time::microseconds(&self.text()?).ok_or_else(|| self.is("not a time with offset (RFC 3339)")),
        }
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

    #[inline]
    fn found(&self) -> Result<&Found<'a>, Reject> {
        self.found.as_ref().ok_or_else(|| self.missing())
    }

    #[cold]
    fn missing(&self) -> Reject {
        Reject(match self.path.rsplit_once('.') {
            Some((place, name)) => format!("missing field `{name}` in `{place}`"),
            None => format!("missing field `{}` in value", self.path),
        })
    }

    fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    #[cold]
    fn holds_nul(&self) -> Reject {
        Reject(format!("`{}` holds a NUL character", self.name()))
    }

    /// Parsing ends where the range does, which may be before a point.
    #[cold]
    fn no_integer(&self, beyond: &str) -> Reject {
        let text = self.found.as_ref().map_or("", |found| found.text);
        let digits = text.strip_prefix('-').unwrap_or(text);
        self.is(if digits.bytes().all(|byte| byte.is_ascii_digit()) { beyond } else { "not an integer" })
    }

    /// Says what it is instead, and shows its first 60 characters.
    #[cold]
    fn is(&self, what: &str) -> Reject {
        const SHOWN: usize = 60;
        let text = self.found.as_ref().map_or("", |found| found.text);
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
