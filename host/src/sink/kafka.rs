//! The Kafka sink of a job: an idempotent producer whose every delivery report reaches the delivery it belongs to.
//!
//! A message counts as delivered once all in-sync replicas have it (`acks=all`). Nothing times out: while the brokers are
//! away messages wait, within the job's budget. A message that the broker will never take (too large, an invalid record)
//! makes a dead letter of its record; any other final failure stops the attempt, and the job starts again from what is
//! committed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{
    BaseProducer, BaseRecord, DeliveryResult, NoCustomPartitioner, Producer, ProducerContext, PurgeConfig,
};
use rdkafka::statistics::Statistics;
use rdkafka::util::IntoOpaque;

use crate::dead_letter::Stage;
use crate::kafka::{log, watch_brokers};
use crate::metrics::SinkMetrics;
use crate::pipeline::ack::{Delivery, lock};
use crate::pipeline::fault::Fault;
use crate::status::Status;

/// How long the thread of a producer polls at a time, thus how long it may outlive the sink.
const POLL: Duration = Duration::from_secs(1);

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
    /// A dead letter, with who gave up on the record and why.
    DeadLetter(Counter, Stage, String),
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

    /// Who gave up on the record and why, if this is a dead letter.
    pub fn dead_letter_reason(&self) -> Option<(Stage, &str)> {
        match &self.kind {
            Kind::DeadLetter(_, stage, reason) => Some((*stage, reason)),
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
                Kind::DeadLetter(counter, ..) => drop(counter.inc()),
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

/// The producer of one attempt of a job, made for its first message: a job that writes nothing costs none.
///
/// Dropping it forgets what is not delivered, at once; that was not acknowledged, thus is read again.
pub struct KafkaSink {
    config: ClientConfig,
    context: Mutex<Option<Reports>>,
    producer: OnceLock<Arc<BaseProducer<Reports>>>,
}

impl std::fmt::Debug for KafkaSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KafkaSink")
    }
}

impl KafkaSink {
    /// A producer with these settings. What the broker will never take comes out of the returned channel.
    pub fn new(config: &ClientConfig, status: Arc<Status>, fault: Arc<Fault>) -> (Self, mpsc::Receiver<Undeliverable>) {
        let (undeliverable, receiver) = mpsc::channel();
        let context = Mutex::new(Some(Reports { undeliverable, status, fault }));
        (Self { config: config.clone(), context, producer: OnceLock::new() }, receiver)
    }

    fn producer(&self) -> Result<&Arc<BaseProducer<Reports>>, String> {
        if let Some(producer) = self.producer.get() {
            return Ok(producer);
        }
        let mut context = lock(&self.context);
        if let Some(context) = context.take() {
            let producer = self.config.create_with_context(context).map_err(crate::kafka::refused);
            let producer: Arc<BaseProducer<Reports>> =
                Arc::new(producer.map_err(|error| format!("failed to make a Kafka producer: {error:#}"))?);
            let polled = Arc::downgrade(&producer);
            let span = tracing::Span::current();
            std::thread::Builder::new()
                .name("producer".to_owned())
                .spawn(move || {
                    let _entered = span.enter();
                    while let Some(producer) = polled.upgrade() {
                        // Reports are served as they come. (`ThreadedProducer` polls for 100 ms at a time, and the
                        // binding spins through the last millisecond of each poll.)
                        producer.poll(POLL);
                    }
                })
                .map_err(|error| format!("failed to start the thread of a Kafka producer: {error}"))?;
            let _ = self.producer.set(producer);
        }
        self.producer.get().ok_or_else(|| "there is no Kafka producer".to_owned())
    }

    /// Enqueues a message; never blocks. One that is too large for the client itself comes back.
    pub fn send(&self, message: Message<'_>, tracked: Box<Tracked>) -> Result<(), SendError> {
        let producer = self.producer().map_err(SendError::Other)?;
        let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(message.topic, tracked);
        record.key = message.key;
        record.payload = message.value;
        record.timestamp = (message.timestamp >= 0).then_some(message.timestamp);
        record.headers = message.headers;
        producer.send(record).map_err(|(error, record)| match error.rdkafka_error_code() {
            Some(code) if is_of_the_record(code) => {
                SendError::Undeliverable(Undeliverable { message: *record.delivery_opaque, reason: code.to_string() })
            }
            _ => SendError::Other(format!("failed to produce to topic {}: {error}", message.topic)),
        })
    }

    /// Waits until everything has been delivered or `timeout` is over.
    pub fn flush(&self, timeout: Duration) {
        if let Some(producer) = self.producer.get() {
            // What is still undelivered then is not acknowledged, thus read again.
            let _ = producer.flush(timeout);
        }
    }
}

impl Drop for KafkaSink {
    fn drop(&mut self) {
        // The thread that polls ends a moment later. Nothing may be sent any more by then, for the next attempt of the job
        // sends it again, in order.
        if let Some(producer) = self.producer.get() {
            producer.purge(PurgeConfig::default().queue().inflight());
        }
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
