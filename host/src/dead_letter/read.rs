//! Reading a job's dead-letter topic from one offset to the end that it has at the start of the reading.
//!
//! The reader is in no group and commits nothing, so it disturbs neither the job nor anybody else. Whatever it finds is
//! shown to a visitor while it is borrowed from the fetch buffer: memory is bounded by that buffer and by what the visitor
//! keeps.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};

use super::letter::Letter;
use super::marks::Mark;
use crate::config;
use crate::kafka::{Admin, REQUEST_TIMEOUT, client, log};

/// How long the broker may be silent before reading is given up.
const SILENCE: Duration = Duration::from_secs(15);

/// A record of the topic.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Item<'a> {
    /// A dead letter of the job.
    Letter(Letter<'a>),
    /// Tells that letters were redriven.
    Mark(Mark),
    /// Somebody else's record, at this partition and offset.
    Foreign(i32, i64),
}

/// A job's dead-letter topic, as it is now.
pub struct Topic {
    kafka: config::Kafka,
    job: String,
    name: String,
    /// The first offset and the one after the last, by partition.
    bounds: BTreeMap<i32, (i64, i64)>,
}

impl std::fmt::Debug for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Topic").field("name", &self.name).field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

struct Quiet;

impl rdkafka::ClientContext for Quiet {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("reader of dead letters: {error}: {reason}");
    }
}

impl rdkafka::consumer::ConsumerContext for Quiet {}

impl Topic {
    /// Looks at the topic of a job; `None` where there is none.
    pub fn open(kafka: &config::Kafka, job: &str) -> Result<Option<Self>> {
        let name = super::topic(job);
        let Some(partitions) = Admin::new(kafka)?.partitions(&name)? else { return Ok(None) };
        let consumer = consumer(kafka)?;
        let mut bounds = BTreeMap::new();
        for partition in 0..partitions {
            let watermarks = consumer
                .fetch_watermarks(&name, partition, REQUEST_TIMEOUT)
                .with_context(|| format!("failed to read the watermarks of {name}/{partition}"))?;
            bounds.insert(partition, watermarks);
        }
        Ok(Some(Self { kafka: kafka.clone(), job: job.to_owned(), name, bounds }))
    }

    /// The topic's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first offset and the one after the last, by partition.
    pub fn bounds(&self) -> &BTreeMap<i32, (i64, i64)> {
        &self.bounds
    }

    /// Shows every record to the visitor, in the order of the offsets within a partition.
    pub fn read<T>(&self, visit: impl FnMut(Item<'_>) -> ControlFlow<T>) -> Result<Option<T>> {
        self.read_from(&self.bounds.iter().map(|(&partition, &(first, _))| (partition, first)).collect(), visit)
    }

    /// As [`read`](Self::read), from these offsets and of these partitions only. What the visitor breaks off with is
    /// returned.
    pub fn read_from<T>(
        &self,
        starts: &BTreeMap<i32, i64>,
        mut visit: impl FnMut(Item<'_>) -> ControlFlow<T>,
    ) -> Result<Option<T>> {
        let consumer = consumer(&self.kafka)?;
        let mut assignment = TopicPartitionList::new();
        // The end of each partition that is not read to its end yet.
        let mut ends = BTreeMap::new();
        for (&partition, &start) in starts {
            let Some(&(first, end)) = self.bounds.get(&partition) else { continue };
            if start < end {
                assignment.add_partition_offset(&self.name, partition, Offset::Offset(start.max(first)))?;
                ends.insert(partition, end);
            }
        }
        consumer.assign(&assignment).with_context(|| format!("failed to read {}", self.name))?;
        let mut heard = Instant::now();
        while !ends.is_empty() {
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    let (partition, offset) = (message.partition(), message.offset());
                    let Some(&end) = ends.get(&partition) else { continue };
                    if offset < end
                        && let ControlFlow::Break(found) = visit(item(&self.job, &message))
                    {
                        return Ok(Some(found));
                    }
                    // The visit may have taken its time.
                    heard = Instant::now();
                    if offset + 1 >= end {
                        ends.remove(&partition);
                    }
                }
                // Marks are written in transactions, whose ends take offsets of their own.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    heard = Instant::now();
                    ends.remove(&partition);
                }
                Some(Err(error)) if !is_passing(&error) => {
                    return Err(error).with_context(|| format!("failed to read {}", self.name));
                }
                Some(Err(_)) | None => {}
            }
            if heard.elapsed() > SILENCE {
                bail!("failed to read {}: Kafka at {} does not answer", self.name, self.kafka.bootstrap);
            }
        }
        Ok(None)
    }
}

fn item<'a>(job: &str, message: &'a BorrowedMessage<'_>) -> Item<'a> {
    let (partition, offset) = (message.partition(), message.offset());
    Letter::read(job, message)
        .map(Item::Letter)
        .or_else(|| Mark::read(job, message).map(Item::Mark))
        .unwrap_or(Item::Foreign(partition, offset))
}

/// Whether the client itself goes on trying.
fn is_passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(Code::AllBrokersDown | Code::BrokerTransportFailure | Code::Resolve | Code::OperationTimedOut)
    )
}

fn consumer(kafka: &config::Kafka) -> Result<BaseConsumer<Quiet>> {
    client(kafka, "pelton-dead-letters")
        // The client asks for one although partitions are assigned by hand; nothing is ever committed in it.
        .set("group.id", "pelton-dead-letters")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        // A redrive may take its time between two records.
        .set("max.poll.interval.ms", "86400000")
        // Where retention or a purge took the wanted offset away in the meantime.
        .set("auto.offset.reset", "earliest")
        .set("queued.max.messages.kbytes", "16384")
        .set("fetch.wait.max.ms", "50")
        .create_with_context(Quiet)
        .context("the Kafka settings make no sense")
}
