//! The consumer's place in its group: assignments, their ledgers, and commits.
//!
//! Librdkafka calls back on the thread that polls. A revocation therefore drains right here, while the workers and
//! sinks go on in their own threads, and the partitions are given up when the callback returns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use pelton_model::metrics::JobMetrics;
use pelton_model::status::{Part, Status, TOLD};
use pelton_model::sync::lock;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::admin::Admin;
use super::client::{BeginAgain, CONSUMER, NAME, REQUEST_TIMEOUT, broker_back, brokers_away, find_broker, known_end};
use super::context::Context;
use super::log::log;
use super::reach::Failures;
use super::topic_id::{self, TopicIds};
use super::waits::{self, Waits};
use crate::assignment::Assignment;
use crate::committer::{Committer, Head, Offsets};
use crate::error::Error;

/// How long a broker may take to answer, after which it is asked again.
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);
/// How often a member without partitions asks whether there is a broker at all.
const PROBE_EVERY: Duration = Duration::from_secs(10);
/// How often it is looked whether a topic is still the one that it was.
const IDS_EVERY: Duration = Duration::from_secs(20);
/// How soon it is looked again where no broker has told.
const IDS_AGAIN: Duration = Duration::from_secs(2);
/// How long nothing is committed of a partition that has more until it is asked how far it can be read, and then how
/// often.
const READABLE_AFTER: Duration = Duration::from_secs(1);
const READABLE_EVERY: Duration = Duration::from_secs(5);
/// Under what it is told that it is not.
const RECREATED: Part = Part::Client("kafka source topic");

/// A partition that has more than can be read.
struct Stands {
    /// The committed offset.
    at: i64,
    ask_at: Instant,
    readable: Option<i64>,
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
    /// The ids of the topics that its partitions are of, and when they are to be looked at again.
    ids: Mutex<(TopicIds, Instant)>,
    /// Partitions that have more than can be read.
    standing: Mutex<BTreeMap<(Arc<str>, i32), Stands>>,
    /// What is to be told of a topic that is not the one that it was.
    recreated: OnceLock<String>,
    admin: Arc<Admin>,
    again: BeginAgain,
    /// Why a broker can't be reached.
    failures: Failures,
    /// Whether it waits for partitions.
    waits: Waits,
    /// Where they are.
    brokers: String,
    drain_timeout: Duration,
    committer: Arc<dyn Committer>,
    status: Arc<Status>,
    metrics: JobMetrics,
}

impl Group {
    pub(super) fn new(context: &Context, config: &ClientConfig) -> Self {
        let brokers = config.get("bootstrap.servers").unwrap_or_default();
        Self {
            assignment: Arc::default(),
            generation: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            last_clean: Mutex::new(Instant::now()),
            served: AtomicU64::new(0),
            is_away: AtomicBool::new(false),
            probed: Mutex::new(Instant::now()),
            ids: Mutex::new((TopicIds::new(), Instant::now())),
            standing: Mutex::default(),
            recreated: OnceLock::new(),
            admin: Arc::clone(&context.admin),
            again: BeginAgain::new(brokers),
            failures: Failures::of(config),
            waits: Waits::new(&context.job.group, context.session, &context.job.report.status),
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

    /// Whether it waits for partitions.
    pub(super) fn waits(&self) -> &Waits {
        &self.waits
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
        self.waits.close();
        self.assignment.ledgers().iter().for_each(|ledger| ledger.close());
    }

    /// Has what the ledgers allow committed.
    pub(super) fn commit(&self, consumer: &BaseConsumer<Self>) {
        let heads = self.assignment.heads();
        if !heads.is_empty()
            && let Err(error) = self.committer.commit(&heads, &Stored { consumer, ids: lock(&self.ids).0.clone() })
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
            // One answers, but perhaps not the one that it is to read from, or that coordinates its group.
            Ok(()) if self.assignment.is_empty() && self.failures.told().is_some() => {
                self.is_away.store(true, Ordering::Release);
                brokers_away(&self.status, &CONSUMER, &self.brokers, &self.failures);
            }
            Ok(()) => {
                self.is_away.store(false, Ordering::Release);
                broker_back(&self.status, &CONSUMER);
            }
            Err(error) => {
                tracing::debug!("no Kafka broker: {error:#}");
                self.is_away.store(true, Ordering::Release);
                brokers_away(&self.status, &CONSUMER, &self.brokers, &self.failures);
                self.again.finds_none(consumer.client());
            }
        }
    }

    /// How far a reader of committed records can come in a partition that has more, where nothing was committed for a
    /// while: up to the first record of a transaction that is still open, or where it ends by now.
    fn readable(&self, head: &Head) -> Option<i64> {
        let key = (Arc::clone(&head.topic), head.partition);
        let ask_at = Instant::now() + READABLE_AFTER;
        let mut standing = lock(&self.standing);
        let stands = standing.entry(key).or_insert(Stands { at: head.next, ask_at, readable: None });
        if stands.at != head.next {
            *stands = Stands { at: head.next, ask_at, readable: None };
        } else if stands.ask_at <= Instant::now() {
            stands.ask_at = Instant::now() + READABLE_EVERY;
            // Unanswered, what was told last holds: nothing was committed since.
            stands.readable = self.admin.readable(&head.topic, head.partition, PROBE_TIMEOUT).or(stands.readable);
        }
        stands.readable
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
            |head| self.readable(head),
            |topic, partition, lag| self.metrics.set_lag(topic, partition, lag),
        );
    }

    /// What is wrong with a topic that is not the one that it was, if there is such a topic.
    pub(super) fn recreated(&self) -> Option<&str> {
        self.recreated.get().map(String::as_str)
    }

    /// Looks now and then whether the topics are still those that they were.
    pub(super) fn look_for_other_topics(&self) {
        if lock(&self.ids).1 > Instant::now() || self.is_away.load(Ordering::Acquire) {
            return;
        }
        // Also those of which none was told when they were assigned.
        let topics: BTreeSet<_> = self.assignment.view().into_iter().map(|view| view.topic).collect();
        let topics: Vec<_> = topics.iter().map(String::as_str).collect();
        if topics.is_empty() {
            return;
        }
        let found = self.admin.ids(&topics, PROBE_TIMEOUT);
        lock(&self.ids).1 = Instant::now() + if found.is_ok() { IDS_EVERY } else { IDS_AGAIN };
        match found {
            Ok(found) => self.know(&found),
            Err(error) => tracing::debug!("it is not known whether topics are still the same: {error}"),
        }
    }

    /// Takes over ids of topics that are not known yet; one that is known and was another ends the attempt.
    fn know(&self, found: &TopicIds) {
        let known = &mut lock(&self.ids).0;
        for (topic, id) in found {
            let before = known.entry(topic.clone()).or_insert_with(|| id.clone());
            if before != id {
                let told = format!(
                    "topic {topic:?} was deleted and created anew while it was read (its id was {before} and is {id}); \
                     reading the new one from its beginning"
                );
                let _ = self.recreated.set(told);
            }
        }
    }

    /// Notes the ids of the topics of partitions.
    fn look_for_ids(&self, consumer: &BaseConsumer<Self>, partitions: &TopicPartitionList) -> TopicIds {
        let names = partitions.elements().iter().map(|element| element.topic().to_owned()).collect::<BTreeSet<_>>();
        if names.is_empty() {
            return TopicIds::new();
        }
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let found = topic_id::ids(consumer.client(), &names, topic_id::TIMEOUT).unwrap_or_else(|error| {
            tracing::warn!("whether topics were created anew is not known yet: {error:#}");
            TopicIds::new()
        });
        lock(&self.ids).1 = Instant::now() + if found.is_empty() { IDS_AGAIN } else { IDS_EVERY };
        self.know(&found);
        found
    }

    /// Has a partition of a topic that was created anew start at its beginning: what was committed is of another topic.
    fn start_anew(&self, assigned: &TopicPartitionList, topic: &str, partition: i32, low: i64) {
        if let Some(mut element) = assigned.find_partition(topic, partition)
            && let Err(error) = element.set_offset(Offset::Offset(low))
        {
            tracing::error!("{topic}/{partition} can't be read from its beginning: {error}");
        }
        self.assignment.committed(topic, partition, low);
        let told = format!(
            "topic {topic:?} was deleted and created anew since its records were last read; reading the new one from \
             its beginning; to skip what it has, cancel the job and submit it with --from latest"
        );
        tracing::error!(kafka.topic = topic, kafka.partition = partition, "{told}");
        self.status.event(&RECREATED, told, TOLD);
    }

    /// Notes where assigned partitions start, and says loudly if records were deleted before they were read.
    fn assigned(&self, consumer: &BaseConsumer<Self>, assigned: &TopicPartitionList) {
        tracing::info!("assigned {}", list(assigned));
        let ids = self.look_for_ids(consumer, assigned);
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
        let of_topics = topic_id::committed(&committed);
        // Where no broker has told, the topic is taken for the one of the offset until one tells: an offset never loses
        // its id.
        for ((topic, _), id) in &of_topics {
            lock(&self.ids).0.entry(topic.clone()).or_insert_with(|| id.clone());
        }
        let mut anew = Vec::new();
        for element in committed.elements() {
            let (topic, partition) = (element.topic(), element.partition());
            let Offset::Offset(next) = element.offset() else { continue };
            let low = consumer.fetch_watermarks(topic, partition, REQUEST_TIMEOUT).map(|(low, _)| low);
            let before = of_topics.get(&(topic.to_owned(), partition));
            if before.zip(ids.get(topic)).is_some_and(|(before, now)| before != now) {
                let low = low.unwrap_or(0);
                self.start_anew(assigned, topic, partition, low);
                anew.push(Head { topic: topic.into(), partition, next: low });
            } else if let Some(low) = low.ok().filter(|&low| low > next) {
                tracing::error!(
                    kafka.topic = topic,
                    kafka.partition = partition,
                    "Kafka deleted the offsets {next} to {} of {topic}/{partition}, by its retention or because it was \
                     told to, before their records were read; going on at {low}",
                    low - 1
                );
                self.metrics.expired.inc_by((low - next) as u64);
            }
        }
        // Librdkafka commits no offset that is committed already, be it of the topic that is gone.
        if !anew.is_empty()
            && let Err(error) = consumer.commit(&offsets(&anew, &ids), CommitMode::Async)
        {
            tracing::warn!("failed to commit where new topics begin: {error}");
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
        let left: BTreeSet<_> = self.assignment.view().into_iter().map(|view| view.topic).collect();
        lock(&self.ids).0.retain(|topic, _| left.contains(topic));
        for (topic, partition) in &keys {
            self.metrics.remove_lag(topic, *partition);
        }
    }
}

/// Offsets to commit, each with the id of its topic.
fn offsets(heads: &[Head], ids: &TopicIds) -> TopicPartitionList {
    let mut offsets = TopicPartitionList::new();
    for head in heads {
        // Fails only for offsets that are not plain numbers.
        let _ = offsets.add_partition_offset(&head.topic, head.partition, Offset::Offset(head.next));
        let element = offsets.find_partition(&head.topic, head.partition);
        if let (Some(mut element), Some(id)) = (element, ids.get(&*head.topic)) {
            element.set_metadata(topic_id::metadata(id));
        }
    }
    offsets
}

/// What librdkafka commits next.
struct Stored<'a> {
    consumer: &'a BaseConsumer<Group>,
    ids: TopicIds,
}

impl Offsets for Stored<'_> {
    fn store(&self, heads: &[Head]) -> Result<(), Error> {
        self.consumer
            .store_offsets(&offsets(heads, &self.ids))
            .map_err(|error| Error::unavailable(NAME, anyhow::Error::from(error)))
    }
}

fn list(partitions: &TopicPartitionList) -> String {
    let names: Vec<_> = partitions.elements().iter().map(|e| format!("{}/{}", e.topic(), e.partition())).collect();
    if names.is_empty() { "no partition".to_owned() } else { names.join(", ") }
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.failures.hear(facility, message);
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.serve();
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.is_away.store(true, Ordering::Release);
            brokers_away(&self.status, &CONSUMER, &self.brokers, &self.failures);
        }
        tracing::debug!("Kafka consumer: {error}: {reason}");
    }
}

impl ConsumerContext for Group {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        self.serve();
        match rebalance {
            Rebalance::Assign(partitions) => {
                self.assigned(consumer, partitions);
                if !self.closed.load(Ordering::Acquire) {
                    self.waits.end(!self.assignment.is_empty());
                }
            }
            Rebalance::Revoke(partitions) => {
                self.revoked(consumer, partitions);
                if self.assignment.is_empty() && !self.closed.load(Ordering::Acquire) {
                    self.waits.begin(waits::REBALANCE);
                }
            }
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
