//! Hands messages to librdkafka in rounds: what has gathered goes at once, as few requests as possible, and the next
//! round follows when it is delivered. Batches grow with the load by that, and no message waits for a timer.
//!
//! librdkafka's own gathering is not used, for what it costs: an idempotent producer has one request on its way for
//! each partition, and while messages older than `linger.ms` wait behind it, its thread spins
//! (`rd_kafka_broker_producer_serve` with a wakeup in the past). Fifty producers that share a slow broker spent six
//! sevenths of a host's time on that.
//!
//! A broker refuses a request as a whole, for one record in it that is too large or invalid, or for its own size where
//! the topic's `max.message.bytes` is small. What was refused goes once more in halves, one after the other, until each
//! message is delivered or was refused alone. Nothing else is sent meanwhile, and each goes to the partition that it
//! was meant for, so the order in a partition stays. What was refused alone becomes a dead letter right here, and a
//! dead letter a file: nobody else is asked, and the delivery waits for it. A letter that is refused for its record's
//! time is first sent once more with the time of now.
//!
//! Where one message after the other is refused alone, no record is at fault any more either: the last one is tried
//! again, with backoff, and nothing more becomes a dead letter until it, or another one in its place, is taken.
//!
//! What is refused for what a topic or the cluster is like (a right that was taken away, a full disk) is no record's
//! fault: it is told, and sent again, with backoff, until it is taken. What librdkafka tries again by itself, such as
//! for replicas that are not in sync, it never tells: where nothing is taken for a while, the topics are looked at.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use pelton_delivery::fault::Fault;
use pelton_delivery::streak::Streak;
use pelton_model::status::{Part, State};
use pelton_model::sync::lock;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, PurgeConfig};

use super::faults::{Whose, advice, whose};
use super::headers;
use super::letter::LetterForm;
use super::message::{Body, Message, Parcel, Tracked};
use super::outbox::{Outbox, Refused};
use super::reports::Reports;
use crate::letters::form;
use crate::refusals;

/// How long librdkafka is asked to flush at a time.
const FLUSH: Duration = Duration::from_millis(200);
/// How long it waits, at first and at most, before it sends again what a topic did not take.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long nothing is taken until it is looked why, and then how often.
const STALLS_AFTER: Duration = Duration::from_secs(5);
/// How long a broker may take to say how a topic is.
const LOOK_TIMEOUT: Duration = Duration::from_millis(500);

/// A round of which nothing is taken any more, perhaps.
struct Stall {
    /// Where it goes to.
    topics: Vec<Arc<str>>,
    /// How much of it is left, and since when that is so, or since it was last looked why.
    left: i32,
    since: Instant,
    /// Whether it is told.
    is_told: bool,
}

/// What takes messages from the outbox to the broker, on a thread of its own.
pub(super) struct Sender {
    pub(super) outbox: Arc<Outbox>,
    pub(super) producer: Arc<BaseProducer<Reports>>,
    pub(super) letters: Arc<LetterForm>,
    pub(super) fault: Arc<Fault>,
    pub(super) streaks: Streaks,
}

/// The messages that each topic has refused alone, last.
#[derive(Debug)]
pub(super) struct Streaks {
    hold_after: u32,
    of: Mutex<BTreeMap<Arc<str>, Streak>>,
}

impl Streaks {
    /// Those that are too long after so many; 0: never.
    pub(super) fn new(hold_after: u32) -> Self {
        Self { hold_after, of: Mutex::default() }
    }

    /// The topics that were written to.
    fn topics(&self) -> Vec<Arc<str>> {
        lock(&self.of).keys().cloned().collect()
    }

    /// A topic has taken a message; says whether it had refused one.
    fn good(&self, topic: &Arc<str>) -> bool {
        self.with(topic, |streak| {
            let had_refused = !streak.is_over();
            streak.good();
            had_refused
        })
    }

    /// A topic has refused a message alone; says whether that is one too many, and gives all of them.
    fn bad(&self, topic: &Arc<str>, record: (i32, i64)) -> (bool, Streak) {
        self.with(topic, |streak| (streak.bad(record), *streak))
    }

    fn with<T>(&self, topic: &Arc<str>, count: impl FnOnce(&mut Streak) -> T) -> T {
        let mut of = lock(&self.of);
        count(of.entry(Arc::clone(topic)).or_insert_with(|| Streak::new(self.hold_after)))
    }
}

impl Sender {
    /// Sends until the outbox is closed. Nothing that was not delivered by then is sent any more when this returns.
    pub(super) fn run(self) {
        while let Some(round) = self.outbox.next() {
            self.deliver(round);
        }
        let status = &self.producer.context().status;
        for topic in self.streaks.topics() {
            status.clear(&Part::Refusing(topic.to_string()));
        }
        status.clear(&Part::TOPIC);
        self.producer.purge(PurgeConfig::default().queue().inflight());
    }

    /// Sends messages until each is delivered, or was refused alone.
    fn deliver(&self, round: Vec<Arc<Parcel>>) {
        let mut refused = self.send(round.into_iter().map(|parcel| (parcel, None)));
        // The part that comes next is the last one.
        let mut parts = Vec::new();
        let (mut waits, mut holds) = (None, None);
        loop {
            match refused.len() {
                _ if self.is_to_wait(&refused, &mut waits) => parts.push(refused),
                0 => holds = None,
                // Whoever has the partition now makes it anew, or its letter.
                1 if refused.iter().all(Refused::is_revoked) => {}
                1 if self.is_to_hold(&refused, &mut holds) => parts.push(refused),
                1 => refused.iter().for_each(|one| self.give_up(one)),
                all => {
                    self.learn(&refused);
                    let second = refused.split_off(all / 2);
                    parts.extend([second, refused]);
                }
            }
            let Some(part) = parts.pop().filter(|_| !self.outbox.is_closed()) else { return };
            refused = self.send(part.into_iter().map(|one| (one.parcel, Some(one.partition))));
        }
    }

    /// Sends messages, each to its partition where it has one, and waits until the broker has answered; returns what it
    /// has refused.
    fn send(&self, messages: impl Iterator<Item = (Arc<Parcel>, Option<i32>)>) -> Vec<Refused> {
        // A job writes to a few.
        let mut sent: Vec<(Arc<str>, usize)> = Vec::new();
        for (parcel, partition) in messages {
            match sent.iter_mut().find(|(topic, _)| *topic == parcel.message.topic) {
                Some((_, count)) => *count += 1,
                None => sent.push((Arc::clone(&parcel.message.topic), 1)),
            }
            self.hand_over(parcel, partition);
        }
        let topics = sent.iter().map(|(topic, _)| Arc::clone(topic)).collect();
        let mut stall = Stall { topics, left: 0, since: Instant::now(), is_told: false };
        while !self.outbox.is_closed() && !self.flush() {
            self.look(&mut stall);
        }
        self.goes_on(&mut stall);
        let refused = self.outbox.refused();
        if !self.outbox.is_closed() {
            for (topic, count) in &sent {
                let of_topic = refused.iter().filter(|one| one.parcel.message.topic == *topic).count();
                if of_topic < *count && self.streaks.good(topic) {
                    self.producer.context().status.clear(&Part::Refusing(topic.to_string()));
                }
            }
        }
        refused
    }

    /// Where a topic refuses one message after the other, tells it, and of one too many waits: it is to be sent again
    /// then.
    fn is_to_hold(&self, refused: &[Refused], waits: &mut Option<ExponentialBackoff>) -> bool {
        let Some(one) = refused.first() else { return false };
        let Parcel { message: Message { topic, .. }, tracked: Tracked { group, index } } = &*one.parcel;
        // A dead letter that is refused becomes a file.
        if group.dead_letter_reason().is_some() {
            return false;
        }
        let record = group.delivery().batch().position(*index as usize);
        let (is_held, streak) = self.streaks.bad(topic, record);
        if !is_held && !streak.is_long() {
            return false;
        }
        let state = if is_held { State::Failed } else { State::Failing };
        let message = format!("a message of {}", group.delivery().batch().place(*index as usize));
        let what = format!("topic {topic:?} refuses every message");
        let mut told = refusals::told(&what, &streak, is_held, &one.reason(), &message);
        let wait = is_held.then(|| waits.get_or_insert_with(backoff).next().unwrap_or(LONGEST_WAIT));
        if let Some(wait) = wait {
            told.push_str(&format!("; trying again in {:.0} s", wait.as_secs_f64()));
        }
        let part = Part::Refusing(topic.to_string());
        if self.producer.context().status.raise(&part, state, &told) {
            tracing::error!("{part}: {told}");
        }
        if is_held {
            self.give_up_retired(topic, &told);
        }
        wait.is_some_and(|wait| {
            // Those of the messages before must not wait as well.
            let letters = self.outbox.letters();
            if !letters.is_empty() {
                self.deliver(letters);
            }
            self.outbox.rest(wait);
            true
        })
    }

    /// Where nothing of a round was taken for a while, looks at its topics for why, and tells it.
    fn look(&self, stall: &mut Stall) {
        let left = self.producer.in_flight_count();
        if left != stall.left {
            self.goes_on(stall);
            (stall.left, stall.since) = (left, Instant::now());
        } else if stall.since.elapsed() >= STALLS_AFTER {
            stall.since = Instant::now();
            let lacking = |topic: &Arc<str>| Some((Arc::clone(topic), self.lacks(topic)?));
            let Some((topic, reason)) = stall.topics.iter().find_map(lacking) else { return };
            stall.is_told = true;
            self.takes_nothing(&topic, &reason);
        }
    }

    /// Tells why a topic takes nothing for now. Where only a version before has written to it, what it does not take keeps
    /// the offsets of its records, so that the attempt ends, and the version that runs makes something of those.
    fn takes_nothing(&self, topic: &str, reason: &str) {
        if self.producer.context().status.raise(&Part::TOPIC, State::Degraded, reason) {
            tracing::warn!("{}: {reason}", Part::TOPIC);
        }
        self.give_up_retired(topic, reason);
    }

    fn give_up_retired(&self, topic: &str, reason: &str) {
        if self.outbox.is_retired(topic) {
            self.fault.set(format!("topic {topic:?}, which only the version before writes to: {reason}"));
        }
    }

    /// Takes back what was told.
    fn goes_on(&self, stall: &mut Stall) {
        if std::mem::take(&mut stall.is_told) && self.producer.context().status.clear(&Part::TOPIC) {
            tracing::info!("{}: messages are taken again", Part::TOPIC);
        }
    }

    /// What a topic lacks that messages may be waiting for, in words.
    fn lacks(&self, topic: &str) -> Option<String> {
        let metadata = self.producer.client().fetch_metadata(Some(topic), LOOK_TIMEOUT).ok()?;
        let partitions = metadata.topics().first()?.partitions();
        let lacks = partitions.iter().find_map(|partition| {
            let (id, all, there) = (partition.id(), partition.replicas().len(), partition.isr().len());
            match partition.leader() {
                ..0 => Some(format!("its partition {id} has no leader")),
                _ if there < all => Some(format!(
                    "{there} of {all} replicas of its partition {id} are in sync, perhaps fewer than its \
                     min.insync.replicas"
                )),
                _ => None,
            }
        })?;
        Some(format!("topic {topic:?} takes no message: {lacks}; waiting"))
    }

    /// Where a topic or the cluster is at fault, tells it and waits; all that was refused is to be sent again then.
    fn is_to_wait(&self, refused: &[Refused], waits: &mut Option<ExponentialBackoff>) -> bool {
        let status = &self.producer.context().status;
        let Some(one) = refused.iter().find(|one| whose(one.code) == Whose::Cluster) else {
            if waits.take().is_some() && status.clear(&Part::TOPIC) {
                tracing::info!("{}: messages are taken again", Part::TOPIC);
            }
            return false;
        };
        let wait = waits.get_or_insert_with(backoff).next().unwrap_or(LONGEST_WAIT);
        let advice = advice(one.code).map(|advice| format!("; {advice}")).unwrap_or_default();
        let reason = format!(
            "topic {:?} takes no message: {}{advice}; trying again in {:.0} s",
            one.parcel.message.topic,
            one.reason(),
            wait.as_secs_f64()
        );
        self.takes_nothing(&one.parcel.message.topic, &reason);
        self.outbox.rest(wait);
        true
    }

    /// A request without any message that is larger than half of it was too large itself: smaller ones will do. Rounds
    /// never become smaller than half of what the topic takes.
    fn learn(&self, refused: &[Refused]) {
        let sizes = || refused.iter().map(|one| one.parcel.size());
        let half = sizes().sum::<usize>() / 2;
        use RDKafkaErrorCode::{MessageBatchTooLarge, MessageSizeTooLarge};
        let is_of_size = refused.iter().all(|one| matches!(one.code, MessageSizeTooLarge | MessageBatchTooLarge));
        if is_of_size && sizes().all(|size| size <= half) {
            self.outbox.shrink(half);
        }
    }

    fn hand_over(&self, parcel: Arc<Parcel>, partition: Option<i32>) {
        let message = &parcel.message;
        let (key, value) = parcel.pair();
        let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(&message.topic, Arc::clone(&parcel));
        record.key = key;
        record.payload = value;
        record.partition = partition;
        record.timestamp = (message.timestamp >= 0).then_some(message.timestamp);
        record.headers = headers::owned(message.headers.iter().map(|(name, value)| (&**name, value.as_deref())));
        let Err((error, _)) = self.producer.send(record) else { return };
        self.producer.context().refuse(&error, partition.unwrap_or(-1), Arc::clone(&parcel));
    }

    /// Makes a dead letter of a message that the broker will never take; of a dead letter a file.
    fn give_up(&self, one: &Refused) {
        let Parcel { message, tracked } = &*one.parcel;
        let Tracked { group, index } = tracked;
        let reason = one.reason();
        match group.dead_letter_reason() {
            Some(_) if one.code == RDKafkaErrorCode::InvalidTimestamp && message.timestamp >= 0 => {
                self.outbox.put([(sent_now(message), tracked.clone())]);
            }
            // It is sent after what waits already. The delivery expects it before the message is accounted for.
            None => {
                self.outbox.put(self.letters.of_refused(group.delivery(), *index, &reason));
                group.refused(one.parcel.bytes());
            }
            Some((stage, why)) => {
                if let Err(error) = self.letters.keep(group.delivery(), *index, stage, why, &reason) {
                    return self.fault.set(error.to_string());
                }
                group.done();
            }
        }
    }

    /// Has everything sent at once, and waits a while until it is delivered; says whether it is. Other than the
    /// binding's own flush, which asks again and again with no time to wait, so that librdkafka may miss the asking.
    #[expect(unsafe_code, reason = "the binding has no call for flushing in librdkafka's own way")]
    fn flush(&self) -> bool {
        let client = self.producer.client().native_ptr();
        // SAFETY: the pointer is that of a producer which `self` keeps alive, and rd_kafka_flush may be called from any
        // thread (librdkafka's INTRODUCTION.md, "Threads and callbacks").
        let result = unsafe { rdkafka::bindings::rd_kafka_flush(client, FLUSH.as_millis() as i32) };
        result == rdkafka::bindings::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
    }
}

/// The waits of what is sent again, for ever.
fn backoff() -> ExponentialBackoff {
    let waits = ExponentialBuilder::default().with_min_delay(FIRST_WAIT).with_max_delay(LONGEST_WAIT);
    waits.without_max_times().build()
}

/// The same letter with the time of now, and its record's in a header.
fn sent_now(letter: &Message) -> Message {
    let mut headers = letter.headers.clone();
    headers.push(form::timestamp(letter.timestamp));
    Message { topic: Arc::clone(&letter.topic), body: Body::OfRecord, timestamp: -1, headers }
}
