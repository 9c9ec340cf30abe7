//! The Kafka sink of a job: an idempotent producer whose every delivery report reaches the delivery it belongs to.
//!
//! A message counts as delivered once all in-sync replicas have it (`acks=all`). Nothing times out: while the brokers are
//! away messages wait, within the job's budget. A message that the broker will never take (too large, an invalid record)
//! makes a dead letter of its record, and only of its own: the broker refuses whole requests, so those are sent once more in
//! parts. Any other final failure stops the attempt, and the job starts again from what is committed.

mod sender;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, DeliveryResult, NoCustomPartitioner, Producer, ProducerContext, PurgeConfig};
use rdkafka::util::IntoOpaque;

use pelton_model::record::OwnedHeader;

use crate::dead_letter::Stage;
use crate::kafka::{BeginAgain, log, watch_brokers};
use crate::metrics::SinkMetrics;
use crate::pipeline::ack::{Delivery, lock};
use crate::pipeline::fault::Fault;
use crate::status::Status;
use sender::{Outbox, Parcel, Refused, Sender};

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

/// What a message on its way belongs to.
#[derive(Debug, Clone)]
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
#[derive(Debug)]
pub struct Message {
    /// The topic.
    pub topic: Arc<str>,
    /// Key and value.
    pub body: Body,
    /// Milliseconds since the Unix epoch; -1 for now.
    pub timestamp: i64,
    /// Headers, in order.
    pub headers: Vec<OwnedHeader>,
}

/// Key and value of a message.
#[derive(Debug)]
pub enum Body {
    /// Those of the record that it was made from: the batch has them.
    OfRecord,
    /// Others.
    Made {
        /// Null without one.
        key: Option<Box<[u8]>>,
        /// Null for a tombstone.
        value: Option<Box<[u8]>>,
    },
}

/// The producer of one attempt of a job, made for its first message: a job that writes nothing costs none.
///
/// Dropping it forgets what is not delivered, at once; that was not acknowledged, thus is read again.
pub struct KafkaSink {
    config: ClientConfig,
    reports: Reports,
    outbox: Arc<Outbox>,
    producer: OnceLock<Result<Producing, String>>,
}

/// A producer and the thread that feeds it.
struct Producing {
    producer: Arc<BaseProducer<Reports>>,
    sender: Mutex<Option<JoinHandle<()>>>,
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
        let outbox = Arc::default();
        let reports = Reports { undeliverable, status, fault, outbox: Arc::clone(&outbox), is_away: Arc::default() };
        (Self { config: config.clone(), reports, outbox, producer: OnceLock::new() }, receiver)
    }

    /// Takes messages to be sent, in order; never blocks for long. One that no broker will take comes out of the channel; any
    /// other failure is the attempt's fault.
    pub fn send(&self, messages: impl IntoIterator<Item = (Message, Tracked)>) {
        match self.producer.get_or_init(|| self.start()) {
            Ok(_) => self.outbox.put(messages),
            Err(reason) => self.reports.fault.set(reason.clone()),
        }
    }

    fn start(&self) -> Result<Producing, String> {
        let producer = self.config.create_with_context(self.reports.clone()).map_err(crate::kafka::refused);
        let producer: Arc<BaseProducer<Reports>> =
            Arc::new(producer.map_err(|error| format!("failed to make a Kafka producer: {error:#}"))?);
        let polled = Arc::downgrade(&producer);
        let sender = Sender {
            outbox: Arc::clone(&self.outbox),
            producer: Arc::clone(&producer),
            undeliverable: self.reports.undeliverable.clone(),
            fault: Arc::clone(&self.reports.fault),
        };
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            let span = tracing::Span::current();
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || span.in_scope(run))
                .map_err(|error| format!("failed to start a thread of a Kafka producer: {error}"))
        };
        let again = BeginAgain::new(self.config.get("bootstrap.servers").unwrap_or_default());
        spawn(
            "reports",
            Box::new(move || {
                while let Some(producer) = polled.upgrade() {
                    // Reports are served as they come. (`ThreadedProducer` polls for 100 ms at a time, and the binding
                    // spins through the last millisecond of each poll.)
                    producer.poll(POLL);
                    if producer.context().is_away.load(Ordering::Acquire) {
                        again.finds_none(producer.client());
                    }
                }
            }),
        )?;
        let sender = spawn("sender", Box::new(move || sender.run()))?;
        Ok(Producing { producer, sender: Mutex::new(Some(sender)) })
    }

    /// Waits until everything has been delivered or `timeout` is over. What is still undelivered then is not acknowledged,
    /// thus read again.
    pub fn flush(&self, timeout: Duration) {
        self.outbox.drain(timeout);
    }
}

impl Drop for KafkaSink {
    fn drop(&mut self) {
        self.outbox.close();
        let Some(Ok(Producing { producer, sender })) = self.producer.get() else { return };
        // Nothing may be sent any more once this returns, for the next attempt of the job sends it again, in order. The purge
        // ends the sender's wait; the thread that polls ends a moment later.
        producer.purge(PurgeConfig::default().queue().inflight());
        if let Some(sender) = lock(sender).take() {
            // It can't panic, and if it did, it sends nothing any more either.
            let _ = sender.join();
        }
    }
}

/// Whether the failure lies in a record of the request and comes back however often it is tried.
fn is_of_a_record(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::MessageSizeTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidMessage
            | Code::InvalidRecord
            | Code::InvalidDifferentRecord
    )
}

/// Librdkafka's word on each message, served by the producer's thread.
#[derive(Clone)]
struct Reports {
    undeliverable: mpsc::Sender<Undeliverable>,
    status: Arc<Status>,
    fault: Arc<Fault>,
    /// Where messages go back to that were refused.
    outbox: Arc<Outbox>,
    /// Whether messages wait because no broker can be reached.
    is_away: Arc<AtomicBool>,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.is_away.store(watch_brokers(&self.status, "kafka producer", statistics), Ordering::Release);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::Fatal)) {
            self.fault.set(format!("the Kafka producer failed for good: {reason}"));
        }
    }
}

impl ProducerContext<NoCustomPartitioner> for Reports {
    type DeliveryOpaque = Arc<Parcel>;

    fn delivery(&self, result: &DeliveryResult<'_>, parcel: Arc<Parcel>) {
        use rdkafka::Message as _;
        match result {
            Ok(_) => parcel.tracked.group.done(),
            Err((error, message)) => match error.rdkafka_error_code() {
                Some(code) if is_of_a_record(code) => {
                    self.outbox.refuse(Refused { parcel, partition: message.partition(), code });
                }
                _ => self.fault.set(format!("failed to produce to topic {}: {error}", message.topic())),
            },
        }
    }
}

// The opaque pointer of a message is a counted one; this fails to compile should that change.
const _: fn() = || {
    fn is_opaque<T: IntoOpaque>() {}
    is_opaque::<Arc<Parcel>>();
};

/// Headers as librdkafka takes them, in order.
pub fn headers<'a>(of: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>) -> Option<OwnedHeaders> {
    of.fold(None, |headers, (name, value)| {
        // Names that came through Kafka or the contract's check are text; others could not be sent.
        let key = std::str::from_utf8(name).unwrap_or("?");
        Some(headers.unwrap_or_else(OwnedHeaders::new).insert(Header { key, value }))
    })
}
