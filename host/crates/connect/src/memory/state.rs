//! What is in memory: topics and tables, and by which rules they refuse.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use pelton_model::record::OwnedHeader;

use super::group::Group;
use super::table::{Row, Table};
use crate::letters::LogRecord;

/// A record of a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The topic's partition; chosen by the key where it is to be written without one.
    pub partition: i32,
    /// The offset; given when it is written.
    pub offset: i64,
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// Null without one.
    pub key: Option<Vec<u8>>,
    /// Null for a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers, in order.
    pub headers: Vec<OwnedHeader>,
}

impl Record {
    /// A record with this value and no key.
    pub fn new(value: impl Into<Vec<u8>>) -> Self {
        Self { value: Some(value.into()), ..Self::default() }
    }
}

impl LogRecord for Record {
    fn partition(&self) -> i32 {
        self.partition
    }

    fn offset(&self) -> i64 {
        self.offset
    }

    fn timestamp(&self) -> Option<i64> {
        Some(self.timestamp)
    }

    fn key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    fn value(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }

    fn header_count(&self) -> usize {
        self.headers.len()
    }

    fn header(&self, index: usize) -> Option<(&[u8], Option<&[u8]>)> {
        let (name, value) = self.headers.get(index)?;
        Some((name, value.as_deref()))
    }
}

/// The records of a partition that are still there.
#[derive(Debug, Default)]
pub(super) struct Partition {
    /// The offset of the first.
    pub(super) first: i64,
    pub(super) records: VecDeque<Record>,
}

impl Partition {
    /// The offset after the last.
    pub(super) fn end(&self) -> i64 {
        self.first + self.records.len() as i64
    }

    /// The records from an offset on.
    pub(super) fn from(&self, offset: i64) -> impl Iterator<Item = &Record> {
        self.records.iter().skip(usize::try_from(offset - self.first).unwrap_or(0))
    }

    /// Deletes everything before an offset.
    pub(super) fn delete_before(&mut self, offset: i64) {
        while self.first < offset && self.records.pop_front().is_some() {
            self.first += 1;
        }
    }
}

/// Which records and rows are refused, however often they are sent.
#[derive(Clone, Default)]
pub struct Rules {
    /// Why a topic, which is named, refuses a record.
    pub message: Option<Arc<Refuses<Record>>>,
    /// Why a table or statement, which is named, refuses a row.
    pub row: Option<Arc<Refuses<Row>>>,
}

/// Says why what is named refuses something; nothing where it doesn't.
pub type Refuses<T> = dyn Fn(&str, &T) -> Option<String> + Send + Sync;

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rules")
    }
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) topics: BTreeMap<String, Vec<Partition>>,
    pub(super) tables: BTreeMap<String, Table>,
    pub(super) groups: BTreeMap<String, Group>,
    /// How many redrives of a job have begun.
    pub(super) redrives: BTreeMap<String, u64>,
    pub(super) rules: Rules,
    /// Why the server of topics is away, and that of tables.
    pub(super) topics_away: Option<String>,
    pub(super) tables_away: Option<String>,
    pub(super) next_member: u64,
}

impl State {
    /// Writes a record; gives its offset. A topic that is not there is made, with one partition.
    ///
    /// # Errors
    /// It is refused, for this reason.
    pub(super) fn write(&mut self, topic: &str, mut record: Record) -> Result<i64, String> {
        if let Some(reason) = self.rules.message.as_ref().and_then(|refuses| refuses(topic, &record)) {
            return Err(reason);
        }
        let partitions = self.topics.entry(topic.to_owned()).or_insert_with(|| vec![Partition::default()]);
        let count = partitions.len().max(1) as i32;
        record.partition = record.partition.rem_euclid(count);
        let Some(partition) = partitions.get_mut(record.partition as usize) else { return Ok(-1) };
        record.offset = partition.end();
        let offset = record.offset;
        partition.records.push_back(record);
        Ok(offset)
    }

    pub(super) fn partition(&self, topic: &str, partition: i32) -> Option<&Partition> {
        self.topics.get(topic)?.get(usize::try_from(partition).ok()?)
    }
}
