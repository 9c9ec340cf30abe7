//! The consumer's place in its group: assignments, their ledgers, and commits.
//!
//! Librdkafka calls back on the thread that polls. A revocation therefore drains right here, while the workers and
//! sinks go on in their own threads, and the partitions are given up when the callback returns.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pelton_model::metrics::JobMetrics;
use pelton_model::status::Status;
use pelton_model::sync::lock;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::{BeginAgain, CONSUMER, NAME, REQUEST_TIMEOUT, broker_back, brokers_away, find_broker, known_end};
use super::context::Context;
use super::log::log;
use crate::assignment::Assignment;
use crate::committer::{Committer, Head, Offsets};
use crate::error::Error;

/// How long a broker may take to answer, after which it is asked again.
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);
/// How often a member without partitions asks whether there is a broker at all.
const PROBE_EVERY: Duration = Duration::from_secs(10);

/// The consumer's context.
pub(super) struct Group {
    assignment: Arc<Assignment>,
    generation: AtomicU64,
    /// Whether what could be drained has been.
    closed: AtomicBool,
    /// When everything that had been read was last committed.
    last_clean: Mutex<Instant>,
    /// How many events were served, which a poll that gives no record does not tell.
    served: AtomicU64,
    /// Whether no broker could be reached when that was last told.
    is_away: AtomicBool,
    /// When it was looked whether one can be.
    probed: Mutex<Instant>,
    again: BeginAgain,
    /// Where they are.
    brokers: String,
    drain_timeout: Duration,
    committer: Arc<dyn Committer>,
    status: Arc<Status>,
    metrics: JobMetrics,
}

impl Group {
    pub(super) fn new(context: &Context, brokers: &str) -> Self {
        Self {
            assignment: Arc::default(),
            generation: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            last_clean: Mutex::new(Instant::now()),
            served: AtomicU64::new(0),
            is_away: AtomicBool::new(false),
            probed: Mutex::new(Instant::now()),
            again: BeginAgain::new(brokers),
            brokers: brokers.to_owned(),
            drain_timeout: context.job.delivery.drain_timeout,
            committer: Arc::clone(&context.job.committer),
            status: Arc::clone(&context.job.report.status),
            metrics: context.job.report.metrics.clone(),
        }
    }

    /// The partitions that it has.
    pub(super) fn assignment(&self) -> &Arc<Assignment> {
        &self.assignment
    }

    /// How many events were served so far.
    pub(super) fn served(&self) -> u64 {
        self.served.load(Ordering::Acquire)
    }

    fn serve(&self) {
        self.served.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether all that was read is committed, and a broker is there.
    pub(super) fn is_clean(&self) -> bool {
        !self.is_away.load(Ordering::Acquire) && self.assignment.is_clean()
    }

    /// Changes whenever partitions were assigned or given up.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Waits until nothing is in flight on any partition.
    pub(super) fn drain(&self, deadline: Instant) -> bool {
        self.assignment.ledgers().iter().all(|ledger| ledger.drain(deadline))
    }

    /// Says of all partitions that they are being given up, and that waiting for them is over.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.assignment.ledgers().iter().for_each(|ledger| ledger.close());
    }

    /// Has what the ledgers allow committed.
    pub(super) fn commit(&self, consumer: &BaseConsumer<Self>) {
        let heads = self.assignment.heads();
        if !heads.is_empty()
            && let Err(error) = self.committer.commit(&heads, &Stored(consumer))
        {
            tracing::warn!("failed to store offsets, their records may be read again: {error}");
        }
    }

    fn committed(&self, offsets: &TopicPartitionList) {
        for element in offsets.elements() {
            if let Offset::Offset(offset) = element.offset() {
                self.assignment.committed(element.topic(), element.partition(), offset);
            }
        }
    }

    /// Where no broker could be reached, asks whether one is back. So does a member without partitions now and then: it
    /// may have lost them, and librdkafka all brokers, without telling.
    pub(super) fn look_for_broker(&self, consumer: &BaseConsumer<Self>) {
        let mut probed = lock(&self.probed);
        let may_be_lost = probed.elapsed() >= PROBE_EVERY && self.assignment.is_empty();
        if !self.is_away.load(Ordering::Acquire) && !may_be_lost {
            return;
        }
        *probed = Instant::now();
        match find_broker(consumer.client(), PROBE_TIMEOUT) {
            Ok(()) => {
                self.is_away.store(false, Ordering::Release);
                broker_back(&self.status, &CONSUMER);
            }
            Err(error) => {
                tracing::debug!("no Kafka broker: {error:#}");
                self.is_away.store(true, Ordering::Release);
                brokers_away(&self.status, &CONSUMER, &self.brokers);
                self.again.finds_none(consumer.client());
            }
        }
    }

    /// Brings lag and commit age up to date.
    pub(super) fn observe(&self, consumer: &BaseConsumer<Self>) {
        let mut last_clean = lock(&self.last_clean);
        if self.assignment.is_clean() {
            *last_clean = Instant::now();
        }
        self.metrics.commit_age.set(last_clean.elapsed().as_secs_f64());
        self.assignment.look(
            |topic, partition| known_end(consumer, topic, partition),
            |topic, partition, lag| self.metrics.set_lag(topic, partition, lag),
        );
    }

    /// Notes where assigned partitions start, and says loudly if records were deleted before they were read.
    fn assigned(&self, consumer: &BaseConsumer<Self>, assigned: &TopicPartitionList) {
        tracing::info!("assigned {}", list(assigned));
        for element in assigned.elements() {
            self.assignment.add(element.topic(), element.partition());
        }
        let committed = consumer.committed_offsets(assigned.clone(), REQUEST_TIMEOUT);
        if let Ok(committed) = &committed {
            self.committed(committed);
        }
        self.generation.fetch_add(1, Ordering::AcqRel);
        let committed = match committed {
            Ok(committed) => committed,
            Err(error) => {
                tracing::warn!("failed to read the committed offsets of new partitions: {error}");
                return;
            }
        };
        for element in committed.elements() {
            let (topic, partition) = (element.topic(), element.partition());
            let Offset::Offset(next) = element.offset() else { continue };
            let low = consumer.fetch_watermarks(topic, partition, REQUEST_TIMEOUT).map(|(low, _)| low);
            if let Some(low) = low.ok().filter(|&low| low > next) {
                tracing::error!(
                    kafka.topic = topic,
                    kafka.partition = partition,
                    "Kafka's retention deleted the records {next} to {} of {topic}/{partition} before they were read; \
                     going on at {low}",
                    low - 1
                );
                self.metrics.expired.inc_by((low - next) as u64);
            }
        }
    }

    fn revoked(&self, consumer: &BaseConsumer<Self>, revoked: &TopicPartitionList) {
        let keys: Vec<_> = revoked.elements().iter().map(|e| (Arc::from(e.topic()), e.partition())).collect();
        let ledgers = self.assignment.ledgers_of(&keys);
        ledgers.iter().for_each(|ledger| ledger.close());
        self.generation.fetch_add(1, Ordering::AcqRel);
        if consumer.assignment_lost() {
            tracing::warn!(
                "lost {}: this host was silent for too long, others read on from the last commit",
                list(revoked)
            );
        } else {
            let wait = if self.closed.load(Ordering::Acquire) { Duration::ZERO } else { self.drain_timeout };
            let deadline = Instant::now() + wait;
            if !ledgers.iter().all(|ledger| ledger.drain(deadline)) {
                tracing::warn!("gave up {} with records in flight: their next owner reads them again", list(revoked));
            }
            // Giving the partitions up commits what is stored.
            self.commit(consumer);
            tracing::info!("revoked {}", list(revoked));
        }
        self.assignment.remove(&keys);
        for (topic, partition) in &keys {
            self.metrics.remove_lag(topic, *partition);
        }
    }
}

/// What librdkafka commits next.
struct Stored<'a>(&'a BaseConsumer<Group>);

impl Offsets for Stored<'_> {
    fn store(&self, heads: &[Head]) -> Result<(), Error> {
        let mut offsets = TopicPartitionList::new();
        for head in heads {
            // Fails only for offsets that are not plain numbers.
            let _ = offsets.add_partition_offset(&head.topic, head.partition, Offset::Offset(head.next));
        }
        self.0.store_offsets(&offsets).map_err(|error| Error::unavailable(NAME, anyhow::Error::from(error)))
    }
}

fn list(partitions: &TopicPartitionList) -> String {
    let names: Vec<_> = partitions.elements().iter().map(|e| format!("{}/{}", e.topic(), e.partition())).collect();
    if names.is_empty() { "no partition".to_owned() } else { names.join(", ") }
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.serve();
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.is_away.store(true, Ordering::Release);
            brokers_away(&self.status, &CONSUMER, &self.brokers);
        }
        tracing::debug!("Kafka consumer: {error}: {reason}");
    }
}

impl ConsumerContext for Group {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        self.serve();
        match rebalance {
            Rebalance::Assign(partitions) => self.assigned(consumer, partitions),
            Rebalance::Revoke(partitions) => self.revoked(consumer, partitions),
            Rebalance::Error(error) => tracing::warn!("rebalance failed: {error}"),
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        // A pause outlives an assignment: a partition may have been given up while it was paused.
        if let Rebalance::Assign(partitions) = rebalance
            && let Err(error) = consumer.resume(partitions)
        {
            tracing::warn!("failed to resume {}: {error}", list(partitions));
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        self.serve();
        match result {
            Ok(()) => self.committed(offsets),
            Err(error) => tracing::warn!("failed to commit offsets, they will be tried again: {error}"),
        }
    }
}
