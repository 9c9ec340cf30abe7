//! Reading a job's dead-letter topic from one offset to the end that it has at the start of the reading.
//!
//! The reader is in no group and commits nothing, so it disturbs neither the job nor anybody else. Whatever it finds is
//! shown to a visitor while it is borrowed from the fetch buffer: memory is bounded by that buffer and by what the
//! visitor keeps.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use pelton_model::settings;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};
use tokio::runtime::Handle;

use super::admin::Admin;
use super::client::{NAME, REQUEST_TIMEOUT, client};
use super::headers::Headers;
use super::log::log;
use crate::dead_letters::topic;
use crate::error::Error;
use crate::letters::LogRecord;
use crate::letters::store::{Item, LetterLog, Visit};

/// How long the broker may be silent before reading is given up.
const SILENCE: Duration = Duration::from_secs(15);

/// A job's dead-letter topic, as it is now.
pub(super) struct Topic {
    runtime: Handle,
    kafka: settings::Kafka,
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
    pub(super) fn open(kafka: &settings::Kafka, runtime: &Handle, job: &str) -> Result<Option<Self>> {
        let name = topic(job);
        let Some(partitions) = Admin::new(kafka)?.partitions(&name)? else { return Ok(None) };
        let consumer = consumer(kafka)?;
        let mut bounds = BTreeMap::new();
        for partition in 0..partitions {
            let watermarks = consumer
                .fetch_watermarks(&name, partition, REQUEST_TIMEOUT)
                .with_context(|| format!("failed to read the watermarks of {name}/{partition}"))?;
            bounds.insert(partition, watermarks);
        }
        Ok(Some(Self { runtime: runtime.clone(), kafka: kafka.clone(), job: job.to_owned(), name, bounds }))
    }

    fn visit(&self, starts: &BTreeMap<i32, i64>, visit: &mut Visit<'_>) -> Result<()> {
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
                    if offset < end && visit(Item::of(&self.job, &Record(&message))).is_break() {
                        return Ok(());
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
        Ok(())
    }
}

impl LetterLog for Topic {
    fn name(&self) -> &str {
        &self.name
    }

    fn bounds(&self) -> &BTreeMap<i32, (i64, i64)> {
        &self.bounds
    }

    fn read_from(&self, starts: &BTreeMap<i32, i64>, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.visit(starts, visit).map_err(|error| Error::unavailable(NAME, error))
    }

    fn delete_before(&self, offsets: &BTreeMap<i32, i64>) -> Result<(), Error> {
        let delete = || -> Result<()> {
            let mut list = TopicPartitionList::new();
            for (&partition, &offset) in offsets {
                list.add_partition_offset(&self.name, partition, Offset::Offset(offset))?;
            }
            let admin: AdminClient<DefaultClientContext> = client(&self.kafka, "pelton-admin").create()?;
            let timeout = Some(REQUEST_TIMEOUT);
            let options = AdminOptions::new().operation_timeout(timeout).request_timeout(timeout);
            let results = self.runtime.block_on(admin.delete_records(&list, &options))?;
            results.elements().iter().try_for_each(|element| element.error())?;
            Ok(())
        };
        delete().map_err(|error| {
            Error::unavailable(NAME, format!("Kafka did not delete the records of {}: {error:#}", self.name))
        })
    }
}

/// A record while it is borrowed from the fetch buffer.
struct Record<'a, 'b>(&'a BorrowedMessage<'b>);

impl LogRecord for Record<'_, '_> {
    fn partition(&self) -> i32 {
        self.0.partition()
    }

    fn offset(&self) -> i64 {
        self.0.offset()
    }

    fn timestamp(&self) -> Option<i64> {
        self.0.timestamp().to_millis()
    }

    fn key(&self) -> Option<&[u8]> {
        self.0.key()
    }

    fn value(&self) -> Option<&[u8]> {
        self.0.payload()
    }

    fn header_count(&self) -> usize {
        Headers::of(self.0).map_or(0, |headers| headers.count())
    }

    fn header(&self, index: usize) -> Option<(&[u8], Option<&[u8]>)> {
        Headers::of(self.0)?.get(index)
    }
}

/// Whether the client itself goes on trying.
fn is_passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(Code::AllBrokersDown | Code::BrokerTransportFailure | Code::Resolve | Code::OperationTimedOut)
    )
}

fn consumer(kafka: &settings::Kafka) -> Result<BaseConsumer<Quiet>> {
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
