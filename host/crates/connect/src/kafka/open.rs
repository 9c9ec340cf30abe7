//! A batch that is being filled with the records of one partition.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pelton_model::record::Batch;
use pelton_model::settings::Batching;
use rdkafka::message::{BorrowedMessage, Message};

use super::headers::Headers;

/// Room for one huge record is not kept for the batches after it.
const MOST_ROOM: usize = 1 << 20;

/// The open batch of a partition.
#[derive(Debug)]
pub struct Open {
    batch: Batch,
    /// When its first record came.
    since: Instant,
}

impl Open {
    /// An empty one, of a partition.
    pub fn new(topic: &Arc<str>, partition: i32) -> Self {
        let batch = Batch { topic: Arc::clone(topic), partition, ..Batch::default() };
        Self { batch, since: Instant::now() }
    }

    /// Whether it is of that partition.
    pub fn is_of(&self, topic: &str, partition: i32) -> bool {
        self.batch.partition == partition && *self.batch.topic == *topic
    }

    /// The topic.
    pub fn topic(&self) -> &Arc<str> {
        &self.batch.topic
    }

    /// The partition.
    pub fn partition(&self) -> i32 {
        self.batch.partition
    }

    /// Whether it has no record.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Bytes of keys, values and headers.
    pub fn bytes(&self) -> usize {
        let headers = &self.batch.headers;
        self.batch.payload_bytes() + headers.names.bytes.len() + headers.values.items.bytes.len()
    }

    /// Whether the record would carry it over the limit: then it opens the next one.
    pub fn has_room(&self, message: &BorrowedMessage<'_>, batching: &Batching) -> bool {
        self.is_empty() || self.bytes() + message.payload_len() + message.key_len() <= batching.max_bytes
    }

    /// Takes in a record; says whether the batch is full by it.
    pub fn push(&mut self, message: &BorrowedMessage<'_>, batching: &Batching) -> bool {
        if self.is_empty() {
            self.since = Instant::now();
        }
        append(&mut self.batch, message);
        self.batch.len() >= batching.max_records || self.bytes() >= batching.max_bytes
    }

    /// How long it may wait yet; `None` where it has no record.
    pub fn until_linger(&self, batching: &Batching) -> Option<Duration> {
        (!self.is_empty()).then(|| batching.linger.saturating_sub(self.since.elapsed()))
    }

    /// The batch; the next one is opened, with room for as much.
    pub fn cut(&mut self) -> Batch {
        let before = &self.batch;
        let records = before.len();
        let mut next = Batch { topic: Arc::clone(&before.topic), partition: before.partition, ..Batch::default() };
        next.offsets.reserve(records);
        next.timestamps.reserve(records);
        next.keys.items.ends.reserve(records);
        next.values.items.ends.reserve(records);
        next.headers.ends.reserve(records);
        next.keys.items.bytes.reserve(before.keys.items.bytes.len().min(MOST_ROOM));
        next.values.items.bytes.reserve(before.values.items.bytes.len().min(MOST_ROOM));
        std::mem::replace(&mut self.batch, next)
    }
}

fn append(batch: &mut Batch, message: &BorrowedMessage<'_>) {
    batch.offsets.push(message.offset());
    batch.timestamps.push(message.timestamp().to_millis().unwrap_or(-1));
    batch.keys.push(message.key());
    batch.values.push(message.payload());
    match Headers::of(message) {
        Some(headers) => headers.iter().for_each(|(name, value)| batch.headers.push(name, value)),
        None => tracing::error!(
            kafka.topic = message.topic(),
            kafka.partition = message.partition(),
            kafka.offset = message.offset(),
            "the headers of {}/{}/{} can't be read and are left out: there are more than 100,000, or they are damaged",
            message.topic(),
            message.partition(),
            message.offset()
        ),
    }
    batch.headers.end_record();
}
