//! Looking into a topic: its messages as people are shown them, the last ones, the first from some place on, or
//! whatever comes.
//!
//! Who looks is in no group and commits nothing. Memory is bounded: of a message [`PART_BYTES`] of each part are shown,
//! and of all together as many as fit into [`ALL_BYTES`]; and so is time, but where it is followed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use pelton_model::stage::Stage;
use pelton_model::start::StartFrom;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::dead_letters;
use crate::error::Error;
use crate::letters::letter::{cut_bytes, cut_headers, head};
use crate::letters::types::{Bytes, Coordinates, Header};
use crate::letters::{Letter, LogRecord};
use crate::starts;

/// Most bytes of a key, a value, a reason, and of all headers of a message.
pub const PART_BYTES: usize = 64 << 10;
/// Most bytes of all messages of an answer.
pub const ALL_BYTES: usize = 4 << 20;
/// Most messages of an answer.
pub const MOST: usize = 1000;
/// How long a look may take.
const TIME: Duration = Duration::from_secs(20);
/// How much further back it is looked where there were too few, and how often: compaction leaves gaps, and so do
/// transactions.
const FURTHER: i64 = 32;
const LOOKS: usize = 3;

/// A topic to look into, as it was when it was opened.
pub trait TopicLog: Send + Debug {
    /// The first offset and the one after the last, by partition.
    fn bounds(&self) -> &BTreeMap<i32, (i64, i64)>;

    /// The first offsets of this or a later timestamp, milliseconds since 1970, of the partitions that have any.
    /// Blocks.
    ///
    /// # Errors
    /// It can't be asked.
    fn at_time(&self, millis: i64) -> Result<BTreeMap<i32, i64>, Error>;

    /// Shows the messages from these offsets on, each partition's in order: up to the bounds, or, followed, whatever
    /// comes. Now and then there is nothing to show, so that who looks may stop. Blocks.
    ///
    /// # Errors
    /// It can't be read.
    fn read(&self, starts: &BTreeMap<i32, i64>, follow: bool, look: &mut Look<'_>) -> Result<(), Error>;
}

/// Who is shown the messages of a topic.
pub type Look<'a> = dyn FnMut(Option<&dyn LogRecord>) -> Go + 'a;

/// How a look goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Go {
    /// With what comes.
    On,
    /// With the other partitions.
    Leave,
    /// Not at all.
    Stop,
}

/// A message of a topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// Milliseconds since 1970; -1 where it has none.
    pub timestamp: i64,
    /// The key; none where it is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Bytes>,
    /// The value; none where it is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Bytes>,
    /// The headers, in order; of a dead letter those that the record itself had.
    pub headers: Vec<Header>,
    /// What Pelton has written beside the record, where it is a dead letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter: Option<WhyDead>,
    /// Whether bytes or headers are left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// Why a record is a dead letter, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhyDead {
    /// When it became one.
    pub at: DateTime<Utc>,
    /// Who gave up on it.
    pub stage: Stage,
    /// Why. Of a job that failed its error's first line, without the coordinates of the record.
    pub reason: String,
    /// Where in the job's source that was, if the job has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The version of the job, as it declares it.
    pub version: String,
    /// Where the record was read from.
    pub source: Coordinates,
    /// The record's own timestamp, milliseconds since 1970; -1 where it has none.
    pub timestamp: i64,
}

/// Messages of a topic, by their timestamps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Messages {
    /// The oldest first.
    pub messages: Vec<Message>,
    /// Whether there are fewer than were asked for, for they are too large together, or took too long to read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_out: bool,
}

impl Message {
    /// What is shown of a record of this topic.
    pub fn of(topic: &str, record: &dyn LogRecord) -> Self {
        let job = dead_letters::job(topic);
        let letter = job.and_then(|job| Letter::read(job, record));
        let own = |i| record.header(i).map(|(name, value)| (Cow::Borrowed(name), value.map(Cow::Borrowed)));
        let all = match &letter {
            Some(letter) => letter.headers.clone(),
            None => (0..record.header_count()).filter_map(own).collect(),
        };
        let headers = cut_headers(&all, PART_BYTES);
        let (key, value) = (record.key(), record.value());
        let is_long = |bytes: Option<&[u8]>| bytes.is_some_and(|bytes| bytes.len() > PART_BYTES);
        let reason = letter.as_ref().map_or(0, |letter| letter.told.len());
        Self {
            partition: record.partition(),
            offset: record.offset(),
            timestamp: record.timestamp().unwrap_or(-1),
            cut: headers.len() < all.len() || is_long(key) || is_long(value) || reason > PART_BYTES,
            key: key.map(|key| cut_bytes(key, PART_BYTES)),
            value: value.map(|value| cut_bytes(value, PART_BYTES)),
            headers,
            letter: letter.map(|letter| {
                let reason = letter.reason();
                WhyDead {
                    at: letter.at,
                    stage: letter.stage,
                    reason: head(&reason.text, PART_BYTES).to_owned(),
                    place: reason.place.as_deref().map(str::to_owned),
                    version: head(&letter.version, PART_BYTES).to_owned(),
                    source: letter.source.clone(),
                    timestamp: letter.timestamp,
                }
            }),
        }
    }

    /// About what it takes.
    fn bytes(&self) -> usize {
        let part = |bytes: &Bytes| bytes.base64.len() + bytes.text.as_ref().map_or(0, String::len);
        let header = |header: &Header| header.name.len() + header.value.as_ref().map_or(0, part);
        let parts = [&self.key, &self.value].into_iter().flatten().map(part).sum::<usize>();
        let reason = self.letter.as_ref().map_or(0, |letter| letter.reason.len());
        256 + parts + reason + self.headers.iter().map(header).sum::<usize>()
    }
}

/// What messages are ordered by.
type Key = (i64, i32, i64);

/// The messages that are kept of those that were shown: the first or the last ones.
struct Kept {
    messages: BTreeMap<Key, Message>,
    bytes: usize,
    /// As many as somebody asks for, and as many as are kept of them.
    asked: usize,
    most: usize,
    last: bool,
    is_full: bool,
    until: Instant,
}

impl Kept {
    fn new(most: usize, last: bool) -> Self {
        let until = Instant::now() + TIME;
        Self { messages: BTreeMap::new(), bytes: 0, asked: most, most: most.min(MOST), last, is_full: false, until }
    }

    fn add(&mut self, message: Message) {
        self.bytes += message.bytes();
        self.messages.insert((message.timestamp, message.partition, message.offset), message);
        while self.messages.len() > self.most || self.bytes > ALL_BYTES && self.messages.len() > 1 {
            self.is_full |= self.messages.len() <= self.most;
            let gone = if self.last { self.messages.pop_first() } else { self.messages.pop_last() };
            self.bytes -= gone.map_or(0, |(_, message)| message.bytes());
        }
    }

    fn is_late(&mut self) -> bool {
        let is_late = Instant::now() >= self.until;
        self.is_full |= is_late;
        is_late
    }

    fn answer(self) -> Messages {
        let is_most = self.asked > self.most && self.messages.len() == self.most;
        let left_out = self.is_full || is_most;
        Messages { left_out, messages: self.messages.into_values().collect() }
    }
}

/// The last messages of a topic, as many as that, by their timestamps.
///
/// # Errors
/// It can't be read.
pub fn last(log: &dyn TopicLog, topic: &str, most: usize) -> Result<Messages, Error> {
    let mut back = i64::try_from(most.min(MOST)).unwrap_or(i64::MAX);
    let mut kept = Kept::new(most, true);
    for look in 1..=LOOKS {
        let starts: BTreeMap<i32, i64> =
            log.bounds().iter().map(|(&partition, &(first, end))| (partition, first.max(end - back))).collect();
        kept = Kept { until: kept.until, ..Kept::new(most, true) };
        log.read(&starts, false, &mut |record| {
            record.into_iter().for_each(|record| kept.add(Message::of(topic, record)));
            if kept.is_late() { Go::Stop } else { Go::On }
        })?;
        let is_all = log.bounds().iter().all(|(partition, (first, _))| starts.get(partition) == Some(first));
        if kept.messages.len() >= kept.most || kept.is_full || is_all {
            break;
        }
        // As many as were asked for may be before that: of transactions that were aborted nothing is shown, nor of what a
        // compaction has taken out.
        kept.is_full |= look == LOOKS;
        back = back.saturating_mul(FURTHER);
    }
    Ok(kept.answer())
}

/// The first messages from some place on, as many as that, by their timestamps.
///
/// # Errors
/// It can't be read, or doesn't have those offsets.
pub fn first(log: &dyn TopicLog, topic: &str, from: &StartFrom, most: usize) -> Result<Messages, Error> {
    let mut kept = Kept::new(most, false);
    let mut shown: BTreeMap<i32, usize> = BTreeMap::new();
    let most = kept.most;
    log.read(&starts(log, topic, from)?, false, &mut |record| {
        let Some(record) = record else { return if kept.is_late() { Go::Stop } else { Go::On } };
        let of = shown.entry(record.partition()).or_default();
        *of += 1;
        let is_last = *of >= most;
        if *of <= most {
            kept.add(Message::of(topic, record));
        }
        match (kept.is_late(), is_last) {
            (true, _) => Go::Stop,
            (false, true) => Go::Leave,
            (false, false) => Go::On,
        }
    })?;
    Ok(kept.answer())
}

/// Where to begin in each partition. Of offsets, only in those that are named.
///
/// # Errors
/// It can't be asked, or doesn't have those offsets.
pub fn starts(log: &dyn TopicLog, topic: &str, from: &StartFrom) -> Result<BTreeMap<i32, i64>, Error> {
    let bounds = log.bounds();
    let of_all = |start: &dyn Fn(i32, (i64, i64)) -> i64| {
        bounds.iter().map(|(&partition, &both)| (partition, start(partition, both))).collect()
    };
    match from {
        StartFrom::Earliest => Ok(of_all(&|_, (first, _)| first)),
        StartFrom::Latest => Ok(of_all(&|_, (_, end)| end)),
        StartFrom::Time(time) => {
            let found = log.at_time(time.timestamp_millis())?;
            Ok(of_all(&|partition, (_, end)| found.get(&partition).copied().unwrap_or(end)))
        }
        StartFrom::Offsets(offsets) => {
            let others = offsets.keys().filter(|(other, _)| other != topic);
            starts::refuse(others.map(|(other, _)| format!("{topic} is looked into, not {other}")).collect())?;
            starts::check_places(from, &BTreeMap::from([(topic, bounds.len() as i32)]))?;
            let outside = offsets.iter().filter_map(|((_, partition), &offset)| {
                let &(first, end) = bounds.get(partition)?;
                starts::outside(topic, *partition, offset, first, end)
            });
            starts::refuse(outside.collect())?;
            Ok(offsets.iter().map(|((_, partition), &offset)| (*partition, offset)).collect())
        }
    }
}

#[cfg(test)]
mod tests;
