//! The partitions of a job: the open batch of each, when it is cut, and whether its records come from the job's own
//! consumer or from a [feed](super::feed).

use std::sync::Arc;
use std::time::{Duration, Instant};

use pelton_delivery::delivery::Delivery;
use pelton_delivery::ledger::Ledger;
use pelton_model::record::Batch;
use rdkafka::message::{BorrowedMessage, Message};

use super::context::Context;
use super::feed::{Place, Taken};
use super::group::Group;
use super::open::Open;

/// How long a job that was too slow for a feed reads by itself.
const FOLLOW_AGAIN: Duration = Duration::from_secs(10);

/// One assigned partition.
struct Slot {
    open: Open,
    instance: usize,
    ledger: Arc<Ledger>,
    /// The offset after the last record that was taken in, or one to which there are no others, or where the partition
    /// starts, if that is known.
    next: Option<i64>,
    place: Place,
    reads: Reads,
}

/// Where a partition's records come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reads {
    /// The job's own consumer. It may follow a feed from then on.
    Alone(Instant),
    /// The feed; the consumer's partition is paused.
    Follows,
    /// It followed; the consumer is still to be set to where it is.
    Lost,
}

/// What a consumer has to do for a partition.
pub(super) struct Turn {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    /// The offset to go on at.
    pub(super) next: i64,
}

/// All assigned partitions.
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// The slot that the last record went to: the next one's, mostly.
    last: usize,
    generation: u64,
    instances: usize,
    context: Context,
}

impl Slots {
    pub(super) fn new(context: &Context) -> Self {
        Self { slots: Vec::new(), last: 0, generation: 0, instances: 1, context: context.clone() }
    }

    /// Spreads the partitions over so many instances. Only while nothing is on its way, or else a partition's batches
    /// would overtake each other.
    pub(super) fn spread(&mut self, instances: usize, group: &Group) {
        if self.instances == instances {
            return;
        }
        self.instances = instances;
        for (n, slot) in self.slots.iter_mut().enumerate() {
            slot.instance = n % instances.max(1);
            group.assignment().open(slot.open.topic(), slot.open.partition(), slot.instance);
        }
    }

    /// Has a slot for each partition that is assigned, and none for others. Open batches of partitions that were given
    /// up are dropped: their next owner reads the records again.
    pub(super) fn follow_group(&mut self, group: &Group) {
        let generation = group.generation();
        if self.generation == generation {
            return;
        }
        self.generation = generation;
        self.last = 0;
        self.slots.retain(|slot| !slot.ledger.is_closed());
        for (topic, partition, start) in group.assignment().starts() {
            if self.slots.iter().all(|slot| !slot.open.is_of(&topic, partition)) {
                self.add(group, &topic, partition, start);
            }
        }
    }

    /// Takes in a record of the job's own consumer, and hands its batch over when it is full.
    pub(super) fn push(
        &mut self,
        group: &Group,
        message: &BorrowedMessage<'_>,
        hand_over: &mut dyn FnMut(usize, Arc<Delivery>),
    ) {
        self.follow_group(group);
        let index = self.find(group, message.topic(), message.partition());
        let batching = &self.context.job.batching;
        let Some(slot) = self.slots.get_mut(index) else { return };
        // What came before its pause. It will come again: by the feed, or by the consumer once that is set back.
        if !matches!(slot.reads, Reads::Alone(_)) {
            return;
        }
        if !slot.open.has_room(message, batching) {
            slot.cut(&self.context, hand_over);
        }
        slot.next = Some(message.offset() + 1);
        if slot.open.push(message, batching) {
            slot.cut(&self.context, hand_over);
        }
    }

    fn find(&mut self, group: &Group, topic: &str, partition: i32) -> usize {
        let is = |slot: &Slot| slot.open.is_of(topic, partition);
        if !self.slots.get(self.last).is_some_and(is) {
            self.last =
                self.slots.iter().position(is).unwrap_or_else(|| self.add(group, &Arc::from(topic), partition, None));
        }
        self.last
    }

    /// A slot for a partition, on the instance that has the fewest.
    fn add(&mut self, group: &Group, topic: &Arc<str>, partition: i32, next: Option<i64>) -> usize {
        let load = |instance: usize| self.slots.iter().filter(|slot| slot.instance == instance).count();
        let instance = (0..self.instances).min_by_key(|&instance| load(instance)).unwrap_or(0);
        let ledger = group.assignment().open(topic, partition, instance);
        let place = self.context.feeds.enter(topic, partition, &self.context.job.requests.wake);
        let (open, reads) = (Open::new(topic, partition), Reads::Alone(Instant::now()));
        self.slots.push(Slot { open, instance, ledger, next, place, reads });
        self.slots.len() - 1
    }

    /// Takes in what feeds have, while there is room; says whether anything came.
    pub(super) fn take(&mut self, hand_over: &mut dyn FnMut(usize, Arc<Delivery>)) -> bool {
        let mut came = false;
        for slot in self.slots.iter_mut().filter(|slot| slot.reads == Reads::Follows) {
            while self.context.job.budget.wait(Duration::ZERO)
                && let Some(next) = slot.next
            {
                match slot.place.take(next) {
                    Taken::Batch(batch) => {
                        came = true;
                        slot.next = batch.offsets.last().map(|last| last + 1);
                        let taken = batch.offsets.partition_point(|&offset| offset < next);
                        let rest = if taken == 0 { batch } else { Arc::new(batch.slice(taken..batch.len())) };
                        slot.hand_over(rest, &self.context, hand_over);
                    }
                    Taken::Passed(end) => slot.next = Some(end),
                    Taken::Nothing => break,
                    Taken::Lost => {
                        slot.place.leave();
                        slot.reads = Reads::Lost;
                        break;
                    }
                }
            }
        }
        came
    }

    /// Has partitions follow feeds where that is possible. These are to be paused.
    pub(super) fn follow(&mut self, hand_over: &mut dyn FnMut(usize, Arc<Delivery>)) -> Vec<Turn> {
        let mut follow = Vec::new();
        for slot in &mut self.slots {
            let (Some(next), Reads::Alone(since)) = (slot.next, slot.reads) else { continue };
            if Instant::now() >= since && slot.place.follow(next) {
                slot.reads = Reads::Follows;
                // It comes before what the feed has.
                slot.cut(&self.context, hand_over);
                follow.push(slot.turn(next));
            }
        }
        follow
    }

    /// The partitions that have lost their feeds: the consumer is to be set to where they are.
    pub(super) fn lost(&self) -> Vec<Turn> {
        let lost = self.slots.iter().filter(|slot| slot.reads == Reads::Lost);
        lost.filter_map(|slot| Some(slot.turn(slot.next?))).collect()
    }

    /// The consumer reads a partition again.
    pub(super) fn found(&mut self, turn: &Turn) {
        let is = |slot: &&mut Slot| slot.open.is_of(&turn.topic, turn.partition);
        if let Some(slot) = self.slots.iter_mut().find(is) {
            slot.reads = Reads::Alone(Instant::now() + FOLLOW_AGAIN);
        }
    }

    /// Whether the consumer's partition is to stay paused.
    pub(super) fn is_paused(&self, topic: &str, partition: i32) -> bool {
        let slot = self.slots.iter().find(|slot| slot.open.is_of(topic, partition));
        slot.is_some_and(|slot| !matches!(slot.reads, Reads::Alone(_)))
    }

    /// Takes over how far the consumer is where that is past the last record: the markers of transactions have offsets,
    /// too, and so have records of those that were aborted.
    pub(super) fn pass(&mut self, position: impl Fn(&str, i32) -> Option<i64>) {
        let reads = |slot: &&mut Slot| slot.open.is_empty() && matches!(slot.reads, Reads::Alone(_));
        for slot in self.slots.iter_mut().filter(reads) {
            slot.next = slot.next.max(position(slot.open.topic(), slot.open.partition()));
        }
    }

    /// Tells the group which partitions follow a feed, where they end, and where they are read on.
    pub(super) fn tell(&self, group: &Group) {
        for slot in &self.slots {
            // What a closed ledger did not take in is not done.
            let has_all = slot.open.is_empty() && !slot.ledger.is_closed();
            let position = slot.next.filter(|_| has_all);
            group.assignment().reads_on(slot.open.topic(), slot.open.partition(), position);
            let follows = slot.reads == Reads::Follows;
            let end = if follows { slot.place.end() } else { None };
            group.assignment().shares(slot.open.topic(), slot.open.partition(), follows, end);
        }
    }

    /// Hands over batches of partitions of which no instance has anything: waiting would only make them late.
    pub(super) fn cut_idle(&mut self, hand_over: &mut dyn FnMut(usize, Arc<Delivery>)) {
        for slot in self.slots.iter_mut().filter(|slot| !slot.open.is_empty() && slot.ledger.is_handled()) {
            slot.cut(&self.context, hand_over);
        }
    }

    /// Hands over batches that have waited long enough.
    pub(super) fn cut_lingering(&mut self, hand_over: &mut dyn FnMut(usize, Arc<Delivery>)) {
        for slot in &mut self.slots {
            if slot.open.until_linger(&self.context.job.batching).is_some_and(|left| left.is_zero()) {
                slot.cut(&self.context, hand_over);
            }
        }
    }

    /// How long until a batch has waited long enough; `None` where none is open.
    pub(super) fn until_linger(&self) -> Option<Duration> {
        self.slots.iter().filter_map(|slot| slot.open.until_linger(&self.context.job.batching)).min()
    }
}

impl Slot {
    fn turn(&self, next: i64) -> Turn {
        Turn { topic: Arc::clone(self.open.topic()), partition: self.open.partition(), next }
    }

    fn cut(&mut self, context: &Context, hand_over: &mut dyn FnMut(usize, Arc<Delivery>)) {
        if !self.open.is_empty() {
            let batch = self.open.cut();
            self.hand_over(Arc::new(batch), context, hand_over);
        }
    }

    fn hand_over(&self, batch: Arc<Batch>, context: &Context, hand_over: &mut dyn FnMut(usize, Arc<Delivery>)) {
        if self.ledger.is_closed() {
            return;
        }
        context.job.report.metrics.records_in.inc_by(batch.len() as u64);
        context.job.report.metrics.bytes_in.inc_by(batch.payload_bytes() as u64);
        if let Some(delivery) = Delivery::new(batch, Arc::clone(&self.ledger), Arc::clone(&context.job.budget)) {
            hand_over(self.instance, delivery);
        }
    }
}
