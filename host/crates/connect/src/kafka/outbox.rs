//! The messages that wait to be sent, and the cut of them into rounds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use pelton_model::sync::lock;
use rdkafka::error::RDKafkaErrorCode;

use super::message::{Message, Parcel, Tracked};

/// Below what one request takes by librdkafka's defaults (`batch.size` of 1,000,000 with the framing of each message,
/// `batch.num.messages` of 10,000), so that a partition has one request of a round, and what is refused with that is
/// overtaken by nothing. The larger, the less it counts that a round waits for the one before.
const ROUND_BYTES: usize = 900_000;
const ROUND_MESSAGES: usize = 9_000;
/// Months: there is no longer time to wait on some platforms.
const LONG: Duration = Duration::from_secs(1 << 24);

/// A message that was refused along with its request.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) parcel: Arc<Parcel>,
    /// Where it was to go.
    pub(super) partition: i32,
    pub(super) code: RDKafkaErrorCode,
}

impl Refused {
    /// Whether the partition of its record was given up.
    pub(super) fn is_revoked(&self) -> bool {
        self.parcel.tracked.group.delivery().ledger().is_closed()
    }

    /// Why, for people: the same for all messages that are refused for the same. (The broker's own words can't be had:
    /// librdkafka frees them before it reports a message.)
    pub(super) fn reason(&self) -> String {
        use RDKafkaErrorCode as Code;
        let Self { parcel, code, .. } = self;
        let topic = &parcel.message.topic;
        let (key, _) = parcel.pair();
        match code {
            Code::InvalidRecord | Code::InvalidMessage if key.is_none() => {
                format!(
                    "{code}: it has no key, and topic {topic:?} takes none without one if its cleanup.policy is compact"
                )
            }
            Code::InvalidTimestamp => format!(
                "{code}: its timestamp, milliseconds since 1970, is out of the range that topic {topic:?} takes \
                 (message.timestamp.before.max.ms, message.timestamp.after.max.ms); does its producer send microseconds?"
            ),
            Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => {
                format!("{code}: it is larger than the max.message.bytes of topic {topic:?} allows")
            }
            _ => code.to_string(),
        }
    }
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
    /// How many sinks write to each topic that any has written to.
    writers: BTreeMap<Arc<str>, usize>,
    /// Whether a round is on its way.
    busy: bool,
    closed: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            refused: Vec::new(),
            round: ROUND_BYTES,
            writers: BTreeMap::new(),
            busy: false,
            closed: false,
        }
    }
}

impl Outbox {
    /// Adds messages, in order. Never blocks for long.
    pub(super) fn put(&self, messages: impl IntoIterator<Item = (Message, Tracked)>) {
        let parcels = messages.into_iter().map(|(message, tracked)| Arc::new(Parcel { message, tracked }));
        lock(&self.state).waiting.extend(parcels);
        self.changed.notify_all();
    }

    /// Notes that a sink writes to a topic from now on.
    pub(super) fn begins(&self, topic: &Arc<str>) {
        *lock(&self.state).writers.entry(Arc::clone(topic)).or_default() += 1;
    }

    /// Notes that a sink writes to a topic no more.
    pub(super) fn retires(&self, topic: &str) {
        if let Some(writers) = lock(&self.state).writers.get_mut(topic) {
            *writers = writers.saturating_sub(1);
        }
    }

    /// Whether sinks have written to a topic, and none does any more.
    pub(super) fn is_retired(&self, topic: &str) -> bool {
        lock(&self.state).writers.get(topic) == Some(&0)
    }

    /// Takes out the dead letters that wait.
    pub(super) fn letters(&self) -> Vec<Arc<Parcel>> {
        let mut state = lock(&self.state);
        let is_letter = |parcel: &Arc<Parcel>| parcel.tracked.group.dead_letter_reason().is_some();
        let (letters, others) = std::mem::take(&mut state.waiting).into_iter().partition(is_letter);
        state.waiting = others;
        VecDeque::into(letters)
    }

    /// Takes back a message of the present round.
    pub(super) fn refuse(&self, refused: Refused) {
        lock(&self.state).refused.push(refused);
    }

    /// What was refused since the last time, in the order of each partition.
    pub(super) fn refused(&self) -> Vec<Refused> {
        std::mem::take(&mut lock(&self.state).refused)
    }

    /// Makes rounds smaller, where those before were too large for the topic.
    pub(super) fn shrink(&self, bytes: usize) {
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

    /// Waits for so long, or until the close.
    pub(super) fn rest(&self, time: Duration) {
        let deadline = Instant::now() + time.min(LONG);
        let mut state = lock(&self.state);
        while !state.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.wait(state, left);
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    /// The next round, once there is one; nothing after the close.
    pub(super) fn next(&self) -> Option<Vec<Arc<Parcel>>> {
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

#[cfg(test)]
mod tests {
    use super::super::message::{Body, FRAMING, Group, Kind};
    use super::*;
    use pelton_delivery::budget::Budget;
    use pelton_delivery::delivery::Delivery;
    use pelton_delivery::ledger::Ledger;
    use pelton_model::record::Batch;
    use pelton_model::stage::Stage;
    use prometheus_client::metrics::counter::Counter;
    use proptest::prelude::*;

    /// Messages of these sizes, each made from the record of its number.
    fn messages(sizes: &[usize]) -> Vec<(Message, Tracked)> {
        let mut batch = Batch::default();
        for (offset, &size) in (0..).zip(sizes) {
            batch.offsets.push(offset);
            batch.timestamps.push(-1);
            batch.keys.push(None);
            batch.values.push(Some(&vec![0; size]));
            batch.headers.end_record();
        }
        let (ledger, budget) = (Arc::new(Ledger::default()), Arc::new(Budget::new(usize::MAX)));
        let delivery = Delivery::new(batch, ledger, budget).unwrap();
        let kind = Kind::DeadLetter(Counter::default(), Stage::Sink, String::new());
        let group = Group::new(&delivery, sizes.len(), 0, 0, kind);
        let message = |(index, _): (u32, &usize)| {
            let message = Message { topic: "out".into(), body: Body::OfRecord, timestamp: -1, headers: Vec::new() };
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
