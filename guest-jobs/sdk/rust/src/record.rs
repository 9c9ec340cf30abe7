//! A record as a job sees it: a view into the batch, which copies nothing.

use crate::{
    bindings::pelton::job::types::Batch,
    json::{self, Field, Paths},
    numbers::Number,
    text,
};
use std::fmt::Display;

/// Why a job can't use a record. Anything that can be shown becomes one, so `?` works on the errors of parsers, and
/// `Err("reason".into())` on plain text.
#[derive(Debug)]
pub struct Reject(pub(crate) String);

impl<R: Display> From<R> for Reject {
    fn from(reason: R) -> Self {
        Self(reason.to_string())
    }
}

/// One record of a source.
pub struct Record<'a> {
    pub(crate) batch: &'a Batch,
    pub(crate) index: usize,
}

impl Reject {
    /// The reason, for what is not a [`crate::Job`] in Rust.
    #[doc(hidden)]
    pub fn reason(&self) -> &str {
        &self.0
    }
}

impl<'a> Record<'a> {
    /// A record of a batch, for what is not a [`crate::Job`] in Rust.
    #[doc(hidden)]
    pub fn of(batch: &'a Batch, index: usize) -> Self {
        Self { batch, index }
    }

    /// The key; nothing where it is null.
    pub fn key(&self) -> Option<&'a [u8]> {
        self.batch.keys.get(self.index)
    }

    /// The key as text; nothing where it is null.
    ///
    /// # Errors
    /// A key that isn't UTF-8.
    pub fn key_text(&self) -> Result<Option<&'a str>, Reject> {
        let text = self.key().map(str::from_utf8).transpose();
        text.map_err(|error| Reject(format!("key is not UTF-8: invalid at byte {}", error.valid_up_to())))
    }

    /// The value; nothing where it is null, which makes the record a tombstone.
    pub fn value(&self) -> Option<&'a [u8]> {
        self.batch.values.get(self.index)
    }

    /// The value as text.
    ///
    /// # Errors
    /// A tombstone, an empty value, or one that isn't UTF-8.
    pub fn text(&self) -> Result<&'a str, Reject> {
        match self.value() {
            None => Err("value is null (a tombstone)".into()),
            Some([]) => Err("value is empty".into()),
            Some(value) => text::of(value)
                .map_err(|error| Reject(format!("value is not UTF-8: invalid at byte {}", error.valid_up_to()))),
        }
    }

    /// Fields of the value, which is a JSON object: see [`json::fields`].
    ///
    /// # Errors
    /// What [`Record::text`] refuses, and a value that is no JSON object.
    #[inline]
    pub fn fields<const N: usize>(&self, paths: &Paths<N>) -> Result<[Field<'a>; N], Reject> {
        json::fields(self.text()?, paths)
    }

    /// The headers, in order; a name may repeat. None where the source was declared without headers.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> + use<'a> {
        let index = self.index;
        self.batch.headers.iter().flat_map(move |headers| headers.get(index))
    }

    /// The Kafka timestamp, milliseconds since the Unix epoch; nothing where the record has none.
    pub fn timestamp(&self) -> Option<i64> {
        i64::get(&self.batch.timestamps, self.index).filter(|&timestamp| timestamp != -1)
    }

    /// The Kafka partition number.
    pub fn partition(&self) -> i32 {
        self.batch.partition
    }

    /// The Kafka offset.
    pub fn offset(&self) -> i64 {
        i64::get(&self.batch.offsets, self.index).unwrap_or(-1)
    }

    /// Which of the spec's sources the record is from: 0 for the first.
    pub fn source(&self) -> usize {
        self.batch.source as usize
    }
}
