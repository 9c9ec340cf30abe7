//! One dead letter, read back: the record as it was, and what Pelton wrote beside it.
//!
//! What is read may be anything: a topic of that name may hold records of others, a file may be damaged. Nothing of
//! that is taken for a letter.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, SubsecRound as _, Utc};
use pelton_model::record::Batch;
use pelton_model::stage::Stage;

use super::reason::Reason;
use super::record::LogRecord;
use super::types::{Bytes, Coordinates, DeadLetter, Header};
use crate::dead_letters::topic;

/// The header that says which letter an output, or a further dead letter, comes from.
pub const REDRIVEN_FROM: &str = "pelton.redriven-from";
/// The longest text that is given beside base64.
const TEXT_BYTES: usize = 1 << 20;

/// The time as letters have it: no finer than milliseconds.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}

/// Where a letter is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In the dead-letter topic.
    Topic {
        /// The partition.
        partition: i32,
        /// The offset.
        offset: i64,
    },
    /// In the data folder, under this file name.
    File(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic { partition, offset } => write!(f, "{partition}/{offset}"),
            Self::File(name) => f.write_str(name),
        }
    }
}

/// A header of a record: its name, and its value or null.
pub type OwnHeader<'a> = (Cow<'a, [u8]>, Option<Cow<'a, [u8]>>);

/// A letter. Its bytes are borrowed from what it was read from, so that looking at one costs no copy.
#[derive(Debug, Clone)]
pub struct Letter<'a> {
    /// Where it is kept.
    pub place: Place,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// Who gave up on the record.
    pub stage: Stage,
    /// All that was said of why.
    pub told: Cow<'a, str>,
    /// The version that made it, as it declares it.
    pub version: Cow<'a, str>,
    /// The digest of that version's component.
    pub digest: Cow<'a, str>,
    /// Where the record was read from.
    pub source: Coordinates,
    /// The record's timestamp, milliseconds since the Unix epoch; -1 where it has none.
    pub timestamp: i64,
    /// The record's key.
    pub key: Option<Cow<'a, [u8]>>,
    /// The record's value.
    pub value: Option<Cow<'a, [u8]>>,
    /// The record's own headers.
    pub headers: Vec<OwnHeader<'a>>,
    /// The letter from whose redrive this one came.
    pub redriven_from: Option<Cow<'a, str>>,
    /// When it was redriven, where it is a file: those of the topic have [marks](super::marks).
    pub redriven: Option<DateTime<Utc>>,
}

impl<'a> Letter<'a> {
    /// Reads a record of the topic of `job`; `None` where it is not a letter of that job.
    pub fn read(job: &str, record: &'a (impl LogRecord + ?Sized)) -> Option<Self> {
        let count = record.header_count();
        // Ours come last. The record may have had headers of these names itself: the last ones count.
        let ours = (0..count).rev().find(|&i| record.header(i).is_some_and(|(name, _)| name == b"pelton.job"))?;
        let text = |name: &str| {
            let mut found =
                (ours..count).filter_map(|i| record.header(i)).filter(|(found, _)| *found == name.as_bytes());
            str::from_utf8(found.next()?.1?).ok()
        };
        if text("pelton.job")? != job {
            return None;
        }
        let timestamp = record.timestamp();
        let at = match text("pelton.at") {
            Some(at) => at.parse().ok()?,
            None => DateTime::from_timestamp_millis(timestamp?)?,
        };
        let headers = (0..ours).filter_map(|i| record.header(i));
        let mut letter = Self {
            place: Place::Topic { partition: record.partition(), offset: record.offset() },
            at,
            stage: text("pelton.stage")?.parse().ok()?,
            told: text("pelton.error")?.into(),
            version: text("pelton.version")?.into(),
            digest: text("pelton.digest")?.into(),
            source: Coordinates {
                topic: text("pelton.topic")?.to_owned(),
                partition: text("pelton.partition")?.parse().ok()?,
                offset: text("pelton.offset")?.parse().ok()?,
            },
            timestamp: text("pelton.timestamp").and_then(|own| own.parse().ok()).or(timestamp).unwrap_or(-1),
            key: record.key().map(Cow::Borrowed),
            value: record.value().map(Cow::Borrowed),
            headers: headers.map(|(name, value)| (name.into(), value.map(Cow::Borrowed))).collect(),
            redriven_from: None,
            redriven: None,
        };
        letter.take_origin(job);
        Some(letter)
    }

    /// Why, apart from where.
    pub(crate) fn reason(&self) -> Reason<'_> {
        Reason::of(&self.told, self.stage, &self.source)
    }

    /// A redrive puts its mark behind the record's own headers: takes it from there.
    pub(super) fn take_origin(&mut self, job: &str) {
        let prefix = format!("{}/", topic(job));
        let is_ours =
            |value: &Option<Cow<'a, [u8]>>| value.as_deref().is_some_and(|value| value.starts_with(prefix.as_bytes()));
        if self.headers.last().is_some_and(|(name, value)| **name == *REDRIVEN_FROM.as_bytes() && is_ours(value)) {
            let value = self.headers.pop().and_then(|(_, value)| value);
            self.redriven_from = value.map(|value| String::from_utf8_lossy(&value).into_owned().into());
        }
    }

    /// What outputs of its redrive carry: `<job>.dlq/` and its place.
    pub fn origin(&self, job: &str) -> String {
        format!("{}/{}", topic(job), self.place)
    }

    /// Adds the record to a batch, as it was read, with these headers behind its own.
    pub fn add_to(&self, batch: &mut Batch, further: &[(&str, &str)]) {
        batch.offsets.push(self.source.offset);
        batch.timestamps.push(self.timestamp);
        batch.keys.push(self.key.as_deref());
        batch.values.push(self.value.as_deref());
        for (name, value) in &self.headers {
            batch.headers.push(name, value.as_deref());
        }
        for (name, value) in further {
            batch.headers.push(name.as_bytes(), Some(value.as_bytes()));
        }
        batch.headers.end_record();
    }

    /// An empty batch for records from where this one came.
    pub fn batch(&self) -> Batch {
        let topic = Arc::from(self.source.topic.as_str());
        Batch { topic, partition: self.source.partition, ..Batch::default() }
    }

    /// Bytes of key, value and headers.
    pub fn bytes(&self) -> usize {
        let size = |bytes: &Option<Cow<'a, [u8]>>| bytes.as_ref().map_or(0, |bytes| bytes.len());
        let headers = self.headers.iter().map(|(name, value)| name.len() + size(value)).sum::<usize>();
        size(&self.key) + size(&self.value) + headers
    }

    /// The letter as the API shows it: whole, or with no more than `most` bytes each of key, value, reason and all
    /// headers together.
    pub fn view(&self, most: Option<usize>) -> DeadLetter {
        let most = most.unwrap_or(usize::MAX);
        let headers = cut_headers(&self.headers, most);
        let long = |bytes: &Option<Cow<'a, [u8]>>| bytes.as_ref().is_some_and(|bytes| bytes.len() > most);
        let reason = self.reason();
        let cut = headers.len() < self.headers.len() || long(&self.key) || long(&self.value) || self.told.len() > most;
        let (partition, offset, file) = match &self.place {
            Place::Topic { partition, offset } => (Some(*partition), Some(*offset), None),
            Place::File(name) => (None, None, Some(name.clone())),
        };
        DeadLetter {
            partition,
            offset,
            file,
            at: self.at,
            stage: self.stage,
            reason: head(&reason.text, most).to_owned(),
            place: reason.place.as_deref().map(|place| head(place, most).to_owned()),
            stack: Some(head(&reason.stack, most).to_owned()).filter(|stack| !stack.is_empty()),
            version: head(&self.version, most).to_owned(),
            digest: head(&self.digest, most).to_owned(),
            source: self.source.clone(),
            timestamp: self.timestamp,
            key: self.key.as_deref().map(|key| cut_bytes(key, most)),
            value: self.value.as_deref().map(|value| cut_bytes(value, most)),
            headers,
            redriven: self.redriven,
            redriven_from: self.redriven_from.as_deref().map(str::to_owned),
            cut,
        }
    }
}

/// The first bytes of a text, cut between characters.
pub(crate) fn head(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most.min(text.len()))).unwrap_or_default()
}

/// The headers that fit into so many bytes, all together, from the first on.
pub(crate) fn cut_headers(all: &[OwnHeader<'_>], most: usize) -> Vec<Header> {
    let mut left = most;
    let mut headers = Vec::new();
    for (name, value) in all {
        let Some(rest) = left.checked_sub(name.len() + value.as_ref().map_or(0, |value| value.len())) else {
            break;
        };
        left = rest;
        headers.push(Header {
            name: String::from_utf8_lossy(name).into_owned(),
            name_base64: str::from_utf8(name).is_err().then(|| BASE64_STANDARD.encode(name)),
            value: value.as_deref().map(|value| cut_bytes(value, most)),
        });
    }
    headers
}

/// The first bytes, and how many there are.
pub(crate) fn cut_bytes(bytes: &[u8], most: usize) -> Bytes {
    let kept = bytes.get(..most).unwrap_or(bytes);
    let whole = kept.len() == bytes.len();
    let text = match str::from_utf8(kept) {
        Ok(text) => Some(text),
        // A cut may have gone through a character.
        Err(error) if !whole && error.error_len().is_none() => {
            kept.get(..error.valid_up_to()).and_then(|valid| str::from_utf8(valid).ok())
        }
        Err(_) => None,
    };
    Bytes {
        size: bytes.len(),
        text: text.filter(|text| text.len() <= TEXT_BYTES).map(str::to_owned),
        base64: BASE64_STANDARD.encode(kept),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_bytes_say_how_many_they_were() {
        let whole = cut_bytes("grün".as_bytes(), usize::MAX);
        assert_eq!((whole.size, whole.text.as_deref(), whole.base64.as_str()), (5, Some("grün"), "Z3LDvG4="));
        let cut = cut_bytes("grün".as_bytes(), 3);
        assert_eq!((cut.size, cut.text.as_deref(), cut.base64.as_str()), (5, Some("gr"), "Z3LD"));
        assert_eq!(cut_bytes(&[0xff, 0xfe, b'a', b'b'], 3).text, None);
        assert_eq!(cut_bytes(&[b'a', 0xff, b'b'], 2).text, None);
    }
}
