//! Hands messages to librdkafka in rounds: what has gathered goes at once, as few requests as possible, and the next round
//! follows when it is delivered. Batches grow with the load by that, and no message waits for a timer.
//!
//! librdkafka's own gathering is not used, for what it costs: an idempotent producer has one request on its way for each
//! partition, and while messages older than `linger.ms` wait behind it, its thread spins (`rd_kafka_broker_producer_serve`
//! with a wakeup in the past). Fifty producers that share a slow broker spent six sevenths of a host's time on that.
//!
//! A broker refuses a request as a whole, for one record in it that is too large or invalid, or for its own size where the
//! topic's `max.message.bytes` is small. What was refused goes once more in halves, one after the other, until each message
//! is delivered or was refused alone. Nothing else is sent meanwhile, and each goes to the partition that it was meant for,
//! so the order in a partition stays.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};
use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, PurgeConfig};

use super::{Body, Message, Reports, Tracked, Undeliverable, headers, is_of_a_record};
use crate::pipeline::ack::lock;
use crate::pipeline::fault::Fault;

/// Well below what one request takes by librdkafka's defaults (`batch.size` of 1,000,000 with the framing of each message,
/// `batch.num.messages` of 10,000), so that nothing is left to wait behind it.
const ROUND_BYTES: usize = 500_000;
const ROUND_MESSAGES: usize = 5_000;
/// What a record takes of a request beside its key and value, about.
const FRAMING: usize = 32;
/// How long librdkafka is asked to flush at a time.
const FLUSH: Duration = Duration::from_millis(200);
/// Months: there is no longer time to wait on some platforms.
const LONG: Duration = Duration::from_secs(1 << 24);

/// A message and what it belongs to.
#[derive(Debug)]
pub(super) struct Parcel {
    message: Message,
    pub(super) tracked: Tracked,
}

/// A message that was refused along with its request.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) parcel: Arc<Parcel>,
    /// Where it was to go.
    pub(super) partition: i32,
    pub(super) code: RDKafkaErrorCode,
}

/// Messages that wait for their round, and those of the present one that were refused.
#[derive(Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    waiting: VecDeque<Arc<Parcel>>,
    refused: Vec<Refused>,
    /// The most bytes of a round.
    round: usize,
    /// Whether a round is on its way.
    busy: bool,
    closed: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), refused: Vec::new(), round: ROUND_BYTES, busy: false, closed: false }
    }
}

impl Outbox {
    /// Adds messages, in order. Never blocks for long.
    pub(super) fn put(&self, messages: impl IntoIterator<Item = (Message, Tracked)>) {
        let parcels = messages.into_iter().map(|(message, tracked)| Arc::new(Parcel { message, tracked }));
        lock(&self.state).waiting.extend(parcels);
        self.changed.notify_all();
    }

    /// Takes back a message of the present round.
    pub(super) fn refuse(&self, refused: Refused) {
        lock(&self.state).refused.push(refused);
    }

    /// What was refused since the last time, in the order of each partition.
    fn refused(&self) -> Vec<Refused> {
        std::mem::take(&mut lock(&self.state).refused)
    }

    /// Makes rounds smaller, where those before were too large for the topic.
    fn shrink(&self, bytes: usize) {
        let mut state = lock(&self.state);
        state.round = state.round.min(bytes);
    }

    /// Waits until everything has been delivered or `timeout` is over.
    pub(super) fn drain(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout.min(LONG);
        let mut state = lock(&self.state);
        while !state.closed && (state.busy || !state.waiting.is_empty()) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.wait(state, left);
        }
    }

    /// Ends the sender; what waits is forgotten.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.waiting.clear();
        self.changed.notify_all();
    }

    fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    /// The next round, once there is one; nothing after the close.
    fn next(&self) -> Option<Vec<Arc<Parcel>>> {
        let mut state = lock(&self.state);
        state.busy = false;
        self.changed.notify_all();
        while state.waiting.is_empty() && !state.closed {
            state = self.wait(state, Duration::MAX);
        }
        let mut bytes = 0;
        let round = state.round;
        let mut fits = |parcel: &Arc<Parcel>| {
            bytes += parcel.size();
            bytes <= round
        };
        let most = state.waiting.len().min(ROUND_MESSAGES);
        let count = state.waiting.iter().take(most).take_while(|parcel| fits(parcel)).count();
        // One that is larger than a round goes alone.
        let round: Vec<_> = state.waiting.drain(..count.max(1).min(most)).collect();
        state.busy = true;
        (!state.closed).then_some(round)
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        let time = time.min(LONG);
        self.changed.wait_timeout(state, time).unwrap_or_else(|poisoned| poisoned.into_inner()).0
    }
}

/// What takes messages from the outbox to the broker, on a thread of its own.
pub(super) struct Sender {
    pub(super) outbox: Arc<Outbox>,
    pub(super) producer: Arc<BaseProducer<Reports>>,
    pub(super) undeliverable: mpsc::Sender<Undeliverable>,
    pub(super) fault: Arc<Fault>,
}

impl Sender {
    /// Sends until the outbox is closed. Nothing that was not delivered by then is sent any more when this returns.
    pub(super) fn run(self) {
        while let Some(round) = self.outbox.next() {
            self.deliver(round);
        }
        self.producer.purge(PurgeConfig::default().queue().inflight());
    }

    /// Sends messages until each is delivered, or was refused alone.
    fn deliver(&self, round: Vec<Arc<Parcel>>) {
        let mut refused = self.send(round.into_iter().map(|parcel| (parcel, None)));
        // The part that comes next is the last one.
        let mut parts = Vec::new();
        loop {
            match refused.len() {
                0 => {}
                1 => refused.into_iter().for_each(|one| self.give_up(&one.parcel.tracked, one.code)),
                all => {
                    self.learn(&refused);
                    let second = refused.split_off(all / 2);
                    parts.extend([second, refused]);
                }
            }
            let Some(part) = parts.pop() else { return };
            refused = self.send(part.into_iter().map(|one| (one.parcel, Some(one.partition))));
        }
    }

    /// Sends messages, each to its partition where it has one, and waits until the broker has answered; returns what it has
    /// refused.
    fn send(&self, messages: impl Iterator<Item = (Arc<Parcel>, Option<i32>)>) -> Vec<Refused> {
        for (parcel, partition) in messages {
            self.hand_over(parcel, partition);
        }
        while !self.outbox.is_closed() && !self.flush() {}
        self.outbox.refused()
    }

    /// A request without any message that is larger than half of it was too large itself: smaller ones will do. Rounds never
    /// become smaller than half of what the topic takes.
    fn learn(&self, refused: &[Refused]) {
        let sizes = || refused.iter().map(|one| one.parcel.size());
        let half = sizes().sum::<usize>() / 2;
        let is_of_size = refused.iter().all(|one| one.code == RDKafkaErrorCode::MessageSizeTooLarge);
        if is_of_size && sizes().all(|size| size <= half) {
            self.outbox.shrink(half);
        }
    }

    fn hand_over(&self, parcel: Arc<Parcel>, partition: Option<i32>) {
        let Parcel { message, tracked } = &*parcel;
        let (key, value) = message.body.of(tracked.group.delivery().batch(), tracked.index);
        let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(&message.topic, Arc::clone(&parcel));
        record.key = key;
        record.payload = value;
        record.partition = partition;
        record.timestamp = (message.timestamp >= 0).then_some(message.timestamp);
        record.headers = headers(message.headers.iter().map(|(name, value)| (&**name, value.as_deref())));
        let Err((error, _)) = self.producer.send(record) else { return };
        match error.rdkafka_error_code() {
            Some(code) if is_of_a_record(code) => self.give_up(tracked, code),
            _ => self.fault.set(format!("failed to produce to topic {}: {error}", message.topic)),
        }
    }

    /// The pipeline makes a dead letter of it.
    fn give_up(&self, tracked: &Tracked, code: RDKafkaErrorCode) {
        // It outlives this only when the attempt is over.
        let _ = self.undeliverable.send(Undeliverable { message: tracked.clone(), reason: code.to_string() });
    }

    /// Has everything sent at once, and waits a while until it is delivered; says whether it is. Other than the binding's own
    /// flush, which asks again and again with no time to wait, so that librdkafka may miss the asking.
    #[expect(unsafe_code, reason = "the binding has no call for flushing in librdkafka's own way")]
    fn flush(&self) -> bool {
        let client = self.producer.client().native_ptr();
        // SAFETY: the pointer is that of a producer which `self` keeps alive, and rd_kafka_flush may be called from any thread
        // (librdkafka's INTRODUCTION.md, "Threads and callbacks").
        let result = unsafe { rdkafka::bindings::rd_kafka_flush(client, FLUSH.as_millis() as i32) };
        result == rdkafka::bindings::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
    }
}

impl Body {
    /// Key and value.
    fn of<'a>(&'a self, batch: &'a crate::record::Batch, index: u32) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
        match self {
            Self::OfRecord => (batch.keys.get(index as usize), batch.values.get(index as usize)),
            Self::Made { key, value } => (key.as_deref(), value.as_deref()),
        }
    }
}

impl Parcel {
    fn size(&self) -> usize {
        let (key, value) = self.message.body.of(self.tracked.group.delivery().batch(), self.tracked.index);
        key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + FRAMING
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letter::Stage;
    use crate::pipeline::ack::{Budget, Delivery, Ledger};
    use crate::record::Batch;
    use crate::sink::kafka::{Group, Kind};
    use prometheus_client::metrics::counter::Counter;
    use proptest::prelude::*;

    /// Messages of these sizes, each made from the record of its number.
    fn messages(sizes: &[usize]) -> Vec<(Message, Tracked)> {
        let mut batch = Batch::default();
        for (offset, _) in (0..).zip(sizes) {
            batch.offsets.push(offset);
            batch.timestamps.push(-1);
            batch.keys.push(None);
            batch.values.push(None);
            batch.headers.end_record();
        }
        let (ledger, budget) = (Arc::new(Ledger::default()), Arc::new(Budget::new(usize::MAX)));
        let delivery = Delivery::new(batch, ledger, budget).unwrap();
        let kind = Kind::DeadLetter(Counter::default(), Stage::Sink, String::new());
        let group = Group::new(&delivery, sizes.len(), 0, kind);
        let message = |(index, &size): (u32, &usize)| {
            let body = Body::Made { key: None, value: Some(vec![0; size].into()) };
            let message = Message { topic: "out".into(), body, timestamp: -1, headers: Vec::new() };
            (message, Tracked { group: Arc::clone(&group), index })
        };
        (0..).zip(sizes).map(message).collect()
    }

    proptest! {
        #[test]
        fn rounds_hold_all_messages_in_order_and_fit_a_request(
            sizes in prop::collection::vec(prop_oneof![9 => 0usize..2_000, 1 => 0usize..2 * ROUND_BYTES], 1..40)
        ) {
            let outbox = Outbox::default();
            outbox.put(messages(&sizes));
            let mut sent = Vec::new();
            while sent.len() < sizes.len() {
                let round = outbox.next().unwrap();
                let bytes: usize = round.iter().map(|parcel| parcel.size()).sum();
                prop_assert!(round.len() == 1 || (!round.is_empty() && bytes <= ROUND_BYTES));
                sent.extend(round.iter().map(|parcel| parcel.tracked.index as usize));
            }
            prop_assert_eq!(sent, (0..sizes.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_round_has_only_so_many_messages() {
        let outbox = Outbox::default();
        outbox.put(messages(&vec![1; ROUND_MESSAGES + 1]));
        assert_eq!([outbox.next(), outbox.next()].map(|round| round.unwrap().len()), [ROUND_MESSAGES, 1]);
    }

    #[test]
    fn rounds_become_smaller_and_never_empty() {
        let outbox = Outbox::default();
        outbox.shrink(2 * (100 + FRAMING));
        outbox.shrink(ROUND_BYTES);
        outbox.put(messages(&[100, 100, 100, 1_000, 100]));
        let rounds = [outbox.next(), outbox.next(), outbox.next(), outbox.next()];
        assert_eq!(rounds.map(|round| round.unwrap().len()), [2, 1, 1, 1]);
    }

    #[test]
    fn draining_waits_for_the_round_on_its_way() {
        let outbox = Arc::new(Outbox::default());
        outbox.drain(Duration::ZERO);
        outbox.put(messages(&[1]));
        let round = outbox.next().unwrap();
        std::thread::scope(|scope| {
            let drained = scope.spawn(|| outbox.drain(Duration::MAX / 4));
            // The round is delivered when the next is asked for, which comes to nothing after the close.
            drop(round);
            scope.spawn(|| outbox.next());
            drained.join().unwrap();
            outbox.close();
        });
    }

    #[test]
    fn a_closed_outbox_gives_nothing() {
        let outbox = Outbox::default();
        outbox.put(messages(&[1, 2]));
        outbox.close();
        assert!(outbox.next().is_none());
        outbox.put(messages(&[3]));
        assert!(outbox.next().is_none());
    }
}
