//! Reading a topic apart from any group: nothing is committed, so it disturbs nobody.
//!
//! Whatever is found is shown while it is borrowed from the fetch buffer: memory is bounded by that buffer and by what
//! is kept of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use pelton_model::settings;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};

use super::client::{REQUEST_TIMEOUT, client, reads_ahead};
use super::headers::Headers;
use super::log::log;
use crate::letters::LogRecord;
use crate::messages::Go;

/// How long the broker may be silent before reading is given up.
const SILENCE: Duration = Duration::from_secs(15);
/// How long is waited at a time.
const POLL: Duration = Duration::from_millis(100);

pub(super) struct Quiet;

impl rdkafka::ClientContext for Quiet {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("reader of a topic: {error}: {reason}");
    }
}

impl rdkafka::consumer::ConsumerContext for Quiet {}

/// The first offset of each partition, and the one after the last.
pub(super) fn bounds(
    kafka: &settings::Kafka,
    name: &str,
    topic: &str,
    partitions: i32,
) -> Result<BTreeMap<i32, (i64, i64)>> {
    let consumer = consumer(kafka, name)?;
    let bounds = |partition| {
        let watermarks = consumer
            .fetch_watermarks(topic, partition, REQUEST_TIMEOUT)
            .with_context(|| format!("failed to read the watermarks of {topic}/{partition}"))?;
        Ok((partition, watermarks))
    };
    (0..partitions).map(bounds).collect()
}

/// Shows the records of partitions, each from an offset on, up to another one or, without that, whatever comes. Where
/// nothing comes it shows that.
pub(super) fn read(
    kafka: &settings::Kafka,
    name: &str,
    topic: &str,
    mut ranges: BTreeMap<i32, (i64, Option<i64>)>,
    look: &mut dyn FnMut(Option<&Record<'_, '_>>) -> Go,
) -> Result<()> {
    let consumer = consumer(kafka, name)?;
    let mut assignment = TopicPartitionList::new();
    for (&partition, &(start, _)) in &ranges {
        assignment.add_partition_offset(topic, partition, Offset::Offset(start))?;
    }
    consumer.assign(&assignment).with_context(|| format!("failed to read {topic}"))?;
    let is_followed = ranges.values().any(|(_, end)| end.is_none());
    let mut heard = Instant::now();
    while !ranges.is_empty() {
        let go = match consumer.poll(POLL) {
            Some(Ok(message)) => {
                let (partition, offset) = (message.partition(), message.offset());
                let Some(&(_, end)) = ranges.get(&partition) else { continue };
                let is_within = end.is_none_or(|end| offset < end);
                let go = if is_within { look(Some(&Record(&message))) } else { Go::On };
                // The look may have taken its time.
                heard = Instant::now();
                if go == Go::Leave || end.is_some_and(|end| offset + 1 >= end) {
                    ranges.remove(&partition);
                    // Else it would go on to fetch what nobody wants.
                    let mut done = TopicPartitionList::new();
                    done.add_partition(topic, partition);
                    consumer.pause(&done).with_context(|| format!("failed to read {topic}"))?;
                }
                go
            }
            // What is written in transactions ends with marks that take offsets of their own.
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                heard = Instant::now();
                if ranges.get(&partition).is_some_and(|(_, end)| end.is_some()) {
                    ranges.remove(&partition);
                }
                Go::On
            }
            Some(Err(error)) if !is_passing(&error) => {
                return Err(error).with_context(|| format!("failed to read {topic}"));
            }
            Some(Err(_)) | None => look(None),
        };
        if go == Go::Stop {
            return Ok(());
        }
        if !is_followed && heard.elapsed() > SILENCE {
            bail!("failed to read {topic}: Kafka at {} does not answer", kafka.bootstrap);
        }
    }
    Ok(())
}

/// A record while it is borrowed from the fetch buffer.
pub(super) struct Record<'a, 'b>(&'a BorrowedMessage<'b>);

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

/// A consumer that reads what is committed, from where it is told, and joins no group.
pub(super) fn consumer(kafka: &settings::Kafka, name: &str) -> Result<BaseConsumer<Quiet>> {
    reads_ahead(&mut client(kafka, name))
        // The client asks for one although partitions are assigned by hand; nothing is ever committed in it.
        .set("group.id", name)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        // A redrive may take its time between two records.
        .set("max.poll.interval.ms", "86400000")
        // Where retention or a purge took the wanted offset away in the meantime.
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "50")
        .create_with_context(Quiet)
        .context("the Kafka settings make no sense")
}
