//! The consumer's place in its group: assignments, their ledgers, and commits.
//!
//! Librdkafka calls back on the thread that polls. A revocation therefore drains right here, while the workers and sinks
//! go on in their own threads, and the partitions are given up when the callback returns.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

pub use pelton_model::partition::PartitionView;

use super::Context;
use crate::kafka::{BeginAgain, REQUEST_TIMEOUT, broker_back, brokers_away, find_broker, known_end, log};
use crate::metrics::JobMetrics;
use crate::pipeline::ack::{Ledger, lock};
use crate::status::Status;

/// The part under which it is told that no broker can be reached.
const PART: &str = "kafka consumer";
/// How long a broker may take to answer, after which it is asked again.
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);
/// How often a member without partitions asks whether there is a broker at all.
const PROBE_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
struct Partition {
    ledger: Option<Arc<Ledger>>,
    worker: usize,
    stored: Option<i64>,
    committed: Option<i64>,
    end: Option<i64>,
    /// Whether it follows a feed: the consumer knows nothing of it meanwhile.
    follows: bool,
}

impl Partition {
    fn lag(&self) -> Option<i64> {
        Some((self.end? - self.committed?).max(0))
    }

    /// Whether all that was read is committed.
    fn is_clean(&self) -> bool {
        self.ledger.as_ref().is_none_or(|ledger| {
            ledger.in_flight() == 0 && ledger.committable().is_none_or(|next| self.committed >= Some(next))
        })
    }
}

/// The assigned partitions, for other threads to look at.
#[derive(Debug, Default)]
pub struct Assignment {
    partitions: Mutex<HashMap<(String, i32), Partition>>,
}

impl Assignment {
    /// That of a job that sleeps: nobody handles its partitions.
    pub fn asleep(partitions: &[PartitionView]) -> Self {
        let entry = |view: &PartitionView| {
            let partition = Partition { committed: view.committed, end: view.end, ..Partition::default() };
            ((view.topic.clone(), view.partition), partition)
        };
        Self { partitions: Mutex::new(partitions.iter().map(entry).collect()) }
    }

    /// The assigned partitions, in order.
    pub fn view(&self) -> Vec<PartitionView> {
        let partitions = lock(&self.partitions);
        let mut view: Vec<_> = partitions
            .iter()
            .map(|((topic, partition), p)| PartitionView {
                topic: topic.clone(),
                partition: *partition,
                instance: p.ledger.as_ref().map(|_| p.worker),
                shared: p.follows,
                committed: p.committed,
                end: p.end,
                lag: p.lag(),
            })
            .collect();
        view.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        view
    }
}

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
            drain_timeout: context.delivery.drain_timeout,
            status: Arc::clone(&context.status),
            metrics: context.metrics.clone(),
        }
    }

    pub(super) fn assignment(&self) -> Arc<Assignment> {
        Arc::clone(&self.assignment)
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
        !self.is_away.load(Ordering::Acquire) && lock(&self.assignment.partitions).values().all(Partition::is_clean)
    }

    /// Changes whenever partitions were assigned or given up.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The assigned partitions, and where each starts, as far as that is known.
    pub(super) fn starts(&self) -> Vec<(Arc<str>, i32, Option<i64>)> {
        let partitions = lock(&self.assignment.partitions);
        partitions.iter().map(|((topic, n), p)| (Arc::from(topic.as_str()), *n, p.committed)).collect()
    }

    /// Notes that a partition follows a feed, which knows that it ends there, or that it doesn't.
    pub(super) fn follows(&self, topic: &str, partition: i32, end: Option<Option<i64>>) {
        if let Some(p) = lock(&self.assignment.partitions).get_mut(&(topic.to_owned(), partition)) {
            p.follows = end.is_some();
            p.end = end.flatten().or(p.end);
        }
    }

    /// The ledger of an assigned partition.
    pub(super) fn open(&self, topic: &str, partition: i32, worker: usize) -> Arc<Ledger> {
        let mut partitions = lock(&self.assignment.partitions);
        let entry = partitions.entry((topic.to_owned(), partition)).or_default();
        entry.worker = worker;
        Arc::clone(entry.ledger.get_or_insert_default())
    }

    fn ledgers(&self) -> Vec<Arc<Ledger>> {
        lock(&self.assignment.partitions).values().filter_map(|p| p.ledger.clone()).collect()
    }

    /// Waits until nothing is in flight on any partition.
    pub(super) fn drain(&self, deadline: Instant) -> bool {
        self.ledgers().iter().all(|ledger| ledger.drain(deadline))
    }

    /// Says of all partitions that they are being given up, and that waiting for them is over.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.ledgers().iter().for_each(|ledger| ledger.close());
    }

    /// Stores what the ledgers allow, for librdkafka to commit.
    pub(super) fn store(&self, consumer: &BaseConsumer<Self>) {
        let mut offsets = TopicPartitionList::new();
        for ((topic, partition), p) in lock(&self.assignment.partitions).iter_mut() {
            let next = p.ledger.as_ref().and_then(|ledger| ledger.committable());
            if let Some(next) = next.filter(|&next| p.stored != Some(next)) {
                p.stored = Some(next);
                // Fails only for offsets that are not plain numbers.
                let _ = offsets.add_partition_offset(topic, *partition, Offset::Offset(next));
            }
        }
        if offsets.count() > 0
            && let Err(error) = consumer.store_offsets(&offsets)
        {
            tracing::warn!("failed to store offsets, their records may be read again: {error}");
        }
    }

    fn committed(&self, offsets: &TopicPartitionList) {
        let mut partitions = lock(&self.assignment.partitions);
        for element in offsets.elements() {
            let key = (element.topic().to_owned(), element.partition());
            if let (Some(partition), Offset::Offset(offset)) = (partitions.get_mut(&key), element.offset()) {
                partition.committed = Some(offset);
            }
        }
    }

    /// Where no broker could be reached, asks whether one is back. So does a member without partitions now and then: it
    /// may have lost them, and librdkafka all brokers, without telling.
    pub(super) fn look_for_broker(&self, consumer: &BaseConsumer<Self>) {
        let mut probed = lock(&self.probed);
        let may_be_lost = probed.elapsed() >= PROBE_EVERY && lock(&self.assignment.partitions).is_empty();
        if !self.is_away.load(Ordering::Acquire) && !may_be_lost {
            return;
        }
        *probed = Instant::now();
        match find_broker(consumer.client(), PROBE_TIMEOUT) {
            Ok(()) => {
                self.is_away.store(false, Ordering::Release);
                broker_back(&self.status, PART);
            }
            Err(error) => {
                tracing::debug!("no Kafka broker: {error:#}");
                self.is_away.store(true, Ordering::Release);
                brokers_away(&self.status, PART, &self.brokers);
                self.again.finds_none(consumer.client());
            }
        }
    }

    /// Brings lag and commit age up to date.
    pub(super) fn observe(&self, consumer: &BaseConsumer<Self>) {
        let mut last_clean = lock(&self.last_clean);
        let mut partitions = lock(&self.assignment.partitions);
        if partitions.values().all(Partition::is_clean) {
            *last_clean = Instant::now();
        }
        self.metrics.commit_age.set(last_clean.elapsed().as_secs_f64());
        for ((topic, partition), p) in partitions.iter_mut() {
            if !p.follows
                && let Some(end) = known_end(consumer, topic, *partition)
            {
                p.end = Some(end);
            }
            if let Some(lag) = p.lag() {
                self.metrics.set_lag(topic, *partition, lag);
            }
        }
    }

    /// Notes where assigned partitions start, and says loudly if records were deleted before they were read.
    fn assigned(&self, consumer: &BaseConsumer<Self>, assigned: &TopicPartitionList) {
        tracing::info!("assigned {}", list(assigned));
        for element in assigned.elements() {
            let key = (element.topic().to_owned(), element.partition());
            lock(&self.assignment.partitions).entry(key).or_default();
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
        let keys: Vec<_> = revoked.elements().iter().map(|e| (e.topic().to_owned(), e.partition())).collect();
        let ledgers: Vec<_> = {
            let partitions = lock(&self.assignment.partitions);
            keys.iter().filter_map(|key| partitions.get(key)?.ledger.clone()).collect()
        };
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
            self.store(consumer);
            tracing::info!("revoked {}", list(revoked));
        }
        let mut partitions = lock(&self.assignment.partitions);
        for key in &keys {
            partitions.remove(key);
            self.metrics.remove_lag(&key.0, key.1);
        }
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
            brokers_away(&self.status, PART, &self.brokers);
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
