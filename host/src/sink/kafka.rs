//! The Kafka sink of a job: an idempotent producer whose every delivery report reaches the delivery it belongs to.
//!
//! A message counts as delivered once all in-sync replicas have it (`acks=all`). Nothing times out: while the brokers are
//! away messages wait, within the job's budget. A message that the broker will never take (too large, an invalid record)
//! makes a dead letter of its record; any other final failure stops the attempt, and the job starts again from what is
//! committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result};
use prometheus_client::metrics::counter::Counter;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, NoCustomPartitioner, Producer, ProducerContext, ThreadedProducer};
use rdkafka::statistics::Statistics;
use rdkafka::util::IntoOpaque;

use crate::kafka::{log, watch_brokers};
use crate::metrics::SinkMetrics;
use crate::pipeline::ack::Delivery;
use crate::pipeline::fault::Fault;
use crate::status::Status;

/// Messages that are acknowledged together: those that one batch makes for one sink.
#[derive(Debug)]
pub struct Group {
    delivery: Arc<Delivery>,
    remaining: AtomicUsize,
    count: u64,
    bytes: u64,
    kind: Kind,
}

/// What the messages of a group are, for counting.
#[derive(Debug)]
pub enum Kind {
    /// Outputs for a sink.
    Output(SinkMetrics),
    /// A dead letter, with why the record became one.
    DeadLetter(Counter, String),
}

impl Group {
    /// Announces one acknowledgement to the delivery; it is given when all `count` messages are delivered or accounted
    /// for.
    pub fn new(delivery: &Arc<Delivery>, count: usize, bytes: usize, kind: Kind) -> Arc<Self> {
        delivery.expect(1);
        delivery.charge(bytes);
        let delivery = Arc::clone(delivery);
        Arc::new(Self { delivery, remaining: AtomicUsize::new(count), count: count as u64, bytes: bytes as u64, kind })
    }

    /// The batch.
    pub fn delivery(&self) -> &Arc<Delivery> {
        &self.delivery
    }

    /// Why the record became a dead letter, if this is one.
    pub fn dead_letter_reason(&self) -> Option<&str> {
        match &self.kind {
            Kind::DeadLetter(_, reason) => Some(reason),
            Kind::Output(_) => None,
        }
    }

    /// Accounts for one message.
    pub fn done(&self) {
        if self.remaining.fetch_sub(1, Ordering::AcqRel) == 1 {
            match &self.kind {
                Kind::Output(metrics) => {
                    metrics.records.inc_by(self.count);
                    metrics.bytes.inc_by(self.bytes);
                }
                Kind::DeadLetter(counter, _) => drop(counter.inc()),
            }
            self.delivery.acknowledge(1);
        }
    }
}

/// A message on its way.
#[derive(Debug)]
pub struct Tracked {
    /// What it belongs to.
    pub group: Arc<Group>,
    /// The index of the record that it was made from.
    pub index: u32,
}

/// A message that the broker will never take.
#[derive(Debug)]
pub struct Undeliverable {
    /// The message.
    pub message: Tracked,
    /// Why.
    pub reason: String,
}

/// A message for [`KafkaSink::send`].
#[derive(Debug, Default)]
pub struct Message<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The key; null without one.
    pub key: Option<&'a [u8]>,
    /// The value; null for a tombstone.
    pub value: Option<&'a [u8]>,
    /// Milliseconds since the Unix epoch; -1 for now.
    pub timestamp: i64,
    /// Headers, in order.
    pub headers: Option<OwnedHeaders>,
}

/// The producer of one attempt of a job.
pub struct KafkaSink {
    producer: ThreadedProducer<Reports>,
}

impl std::fmt::Debug for KafkaSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KafkaSink")
    }
}

impl KafkaSink {
    /// A producer with these settings; does not wait for a connection. What the broker will never take comes out of the
    /// returned channel.
    pub fn new(
        config: &rdkafka::ClientConfig,
        status: Arc<Status>,
        fault: Arc<Fault>,
    ) -> Result<(Self, mpsc::Receiver<Undeliverable>)> {
        let (undeliverable, receiver) = mpsc::channel();
        let context = Reports { undeliverable, status, fault };
        let producer = config
            .create_with_context(context)
            .map_err(crate::kafka::refused)
            .context("failed to make a Kafka producer")?;
        Ok((Self { producer }, receiver))
    }

    /// Enqueues a message; never blocks. One that is too large for the client itself comes back.
    pub fn send(&self, message: Message<'_>, tracked: Box<Tracked>) -> Result<(), SendError> {
        let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(message.topic, tracked);
        record.key = message.key;
        record.payload = message.value;
        record.timestamp = (message.timestamp >= 0).then_some(message.timestamp);
        record.headers = message.headers;
        self.producer.send(record).map_err(|(error, record)| match error.rdkafka_error_code() {
            Some(code) if is_of_the_record(code) => {
                SendError::Undeliverable(Undeliverable { message: *record.delivery_opaque, reason: code.to_string() })
            }
            _ => SendError::Other(format!("failed to produce to topic {}: {error}", message.topic)),
        })
    }

    /// Waits until everything has been delivered or `timeout` is over.
    pub fn flush(&self, timeout: Duration) {
        // What is still undelivered then is not acknowledged, thus read again.
        let _ = self.producer.flush(timeout);
    }
}

/// Why a message was not enqueued.
#[derive(Debug)]
pub enum SendError {
    /// No broker would take it.
    Undeliverable(Undeliverable),
    /// Something else: the attempt must end.
    Other(String),
}

/// Whether the failure lies in the one record and comes back however often it is tried.
fn is_of_the_record(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(code, Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::InvalidMessage | Code::InvalidRecord)
}

/// Librdkafka's word on each message, served by the producer's thread.
struct Reports {
    undeliverable: mpsc::Sender<Undeliverable>,
    status: Arc<Status>,
    fault: Arc<Fault>,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        // An idle producer has no need of a connection.
        watch_brokers(&self.status, "kafka producer", &statistics, statistics.msg_cnt > 0);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::Fatal)) {
            self.fault.set(format!("the Kafka producer failed for good: {reason}"));
        }
    }
}

impl ProducerContext<NoCustomPartitioner> for Reports {
    type DeliveryOpaque = Box<Tracked>;

    fn delivery(&self, result: &DeliveryResult<'_>, tracked: Box<Tracked>) {
        match result {
            Ok(_) => tracked.group.done(),
            Err((error, message)) => match error.rdkafka_error_code() {
                Some(code) if is_of_the_record(code) => {
                    // The pipeline makes a dead letter of it. It outlives this only when the attempt is over.
                    let _ = self.undeliverable.send(Undeliverable { message: *tracked, reason: code.to_string() });
                }
                _ => {
                    let topic = rdkafka::Message::topic(message);
                    self.fault.set(format!("failed to produce to topic {topic}: {error}"));
                }
            },
        }
    }
}

// The opaque pointer of a message is a box; this fails to compile should that change.
const _: fn() = || {
    fn is_opaque<T: IntoOpaque>() {}
    is_opaque::<Box<Tracked>>();
};

/// Headers for a message from those of a record, in order.
pub fn headers<'a>(of: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>) -> Option<OwnedHeaders> {
    of.fold(None, |headers, (name, value)| {
        // Names that came through Kafka or the contract's check are text; others could not be sent.
        let key = std::str::from_utf8(name).unwrap_or("?");
        Some(headers.unwrap_or_else(OwnedHeaders::new).insert(Header { key, value }))
    })
}
