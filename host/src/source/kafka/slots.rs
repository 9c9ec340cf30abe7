//! The open batches, one per partition, and when they are cut.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::message::{BorrowedMessage, Headers as _, Message};

use super::Context;
use super::group::Group;
use crate::config::Batching;
use crate::metrics::JobMetrics;
use crate::pipeline::ack::{Budget, Delivery, Ledger};
use crate::record::Batch;

/// One partition's open batch.
struct Slot {
    topic: Arc<str>,
    partition: i32,
    source: u32,
    worker: usize,
    ledger: Arc<Ledger>,
    batch: Batch,
    opened: Instant,
}

impl Slot {
    fn bytes(&self) -> usize {
        self.batch.values.items.bytes.len() + self.batch.keys.items.bytes.len()
    }
}

/// All open batches.
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// The slot that the last record went to: the next one's, mostly.
    last: usize,
    generation: u64,
    /// How many slots have records.
    open: usize,
    topics: Vec<String>,
    workers: usize,
    batching: Batching,
    budget: Arc<Budget>,
    metrics: JobMetrics,
}

impl Slots {
    pub(super) fn new(context: &Context) -> Self {
        Self {
            slots: Vec::new(),
            last: 0,
            generation: 0,
            open: 0,
            topics: context.topics.clone(),
            workers: 1,
            batching: context.batching.clone(),
            budget: Arc::clone(&context.budget),
            metrics: context.metrics.clone(),
        }
    }

    pub(super) fn has_open(&self) -> bool {
        self.open > 0
    }

    /// Spreads the partitions over so many workers. Only while nothing is on its way, or else a partition's batches would
    /// overtake each other.
    pub(super) fn spread(&mut self, workers: usize, group: &Group) {
        if self.workers == workers {
            return;
        }
        self.workers = workers;
        for (n, slot) in self.slots.iter_mut().enumerate() {
            slot.worker = n % workers.max(1);
            group.open(&slot.topic, slot.partition, slot.worker);
        }
    }

    /// Takes in a record, and hands its batch over when it is full.
    pub(super) fn push(
        &mut self,
        group: &Group,
        message: &BorrowedMessage<'_>,
        hand_over: &mut impl FnMut(usize, Arc<Delivery>),
    ) {
        if self.generation != group.generation() {
            self.forget_revoked(group);
        }
        let index = self.find(group, message.topic(), message.partition());
        let Batching { max_records, max_bytes, .. } = self.batching;
        // A record that would carry the batch over the limit opens the next one.
        let size = message.payload_len() + message.key_len();
        if self.slots.get(index).is_some_and(|slot| slot.bytes() + size > max_bytes) {
            self.cut(index, hand_over);
        }
        let Some(slot) = self.slots.get_mut(index) else { return };
        if slot.batch.is_empty() {
            slot.opened = Instant::now();
            self.open += 1;
        }
        append(&mut slot.batch, message);
        if slot.batch.len() >= max_records || slot.bytes() >= max_bytes {
            self.cut(index, hand_over);
        }
    }

    fn find(&mut self, group: &Group, topic: &str, partition: i32) -> usize {
        let is = |slot: &Slot| slot.partition == partition && *slot.topic == *topic;
        if !self.slots.get(self.last).is_some_and(is) {
            self.last = self.slots.iter().position(is).unwrap_or_else(|| self.add(group, topic, partition));
        }
        self.last
    }

    /// A slot for a partition, on the worker that has the fewest.
    fn add(&mut self, group: &Group, topic: &str, partition: i32) -> usize {
        let load = |worker: usize| self.slots.iter().filter(|slot| slot.worker == worker).count();
        let worker = (0..self.workers).min_by_key(|&worker| load(worker)).unwrap_or(0);
        let source = self.topics.iter().position(|t| t == topic).unwrap_or(0) as u32;
        let ledger = group.open(topic, partition, worker);
        let topic: Arc<str> = Arc::from(topic);
        let batch = fresh(source, &topic, partition, None);
        self.slots.push(Slot { topic, partition, source, worker, ledger, batch, opened: Instant::now() });
        self.slots.len() - 1
    }

    /// Drops open batches of partitions that were given up: their next owner reads the records again.
    fn forget_revoked(&mut self, group: &Group) {
        self.generation = group.generation();
        self.slots.retain(|slot| !slot.ledger.is_closed());
        self.open = self.slots.iter().filter(|slot| !slot.batch.is_empty()).count();
        self.last = 0;
    }

    fn cut(&mut self, index: usize, hand_over: &mut impl FnMut(usize, Arc<Delivery>)) {
        let Some(slot) = self.slots.get_mut(index).filter(|slot| !slot.batch.is_empty()) else { return };
        self.open -= 1;
        let next = fresh(slot.source, &slot.topic, slot.partition, Some(&slot.batch));
        let bytes = slot.bytes();
        let batch = std::mem::replace(&mut slot.batch, next);
        if slot.ledger.is_closed() {
            return;
        }
        self.metrics.records_in.inc_by(batch.len() as u64);
        self.metrics.bytes_in.inc_by(bytes as u64);
        if let Some(delivery) = Delivery::new(batch, Arc::clone(&slot.ledger), Arc::clone(&self.budget)) {
            hand_over(slot.worker, delivery);
        }
    }

    fn cut_where(&mut self, due: impl Fn(&Slot) -> bool, hand_over: &mut impl FnMut(usize, Arc<Delivery>)) {
        for index in 0..self.slots.len() {
            if self.slots.get(index).is_some_and(&due) {
                self.cut(index, hand_over);
            }
        }
    }

    /// Hands over batches of partitions that have nothing on the way: waiting would only make them late.
    pub(super) fn cut_idle(&mut self, hand_over: &mut impl FnMut(usize, Arc<Delivery>)) {
        self.cut_where(|slot| slot.ledger.in_flight() == 0, hand_over);
    }

    /// Hands over batches that have waited long enough.
    pub(super) fn cut_lingering(&mut self, hand_over: &mut impl FnMut(usize, Arc<Delivery>)) {
        let linger = self.batching.linger;
        self.cut_where(|slot| !slot.batch.is_empty() && slot.opened.elapsed() >= linger, hand_over);
    }

    /// How long until a batch has waited long enough; `None` where none is open.
    pub(super) fn until_linger(&self) -> Option<Duration> {
        let open = self.slots.iter().filter(|slot| !slot.batch.is_empty());
        open.map(|slot| self.batching.linger.saturating_sub(slot.opened.elapsed())).min()
    }
}

/// An empty batch, with room for as much as the one before held.
fn fresh(source: u32, topic: &Arc<str>, partition: i32, before: Option<&Batch>) -> Batch {
    /// Room for one huge record is not kept for the batches after it.
    const MOST: usize = 1 << 20;
    let mut batch = Batch { source, topic: Arc::clone(topic), partition, ..Batch::default() };
    if let Some(before) = before {
        let records = before.len();
        batch.offsets.reserve(records);
        batch.timestamps.reserve(records);
        batch.keys.items.ends.reserve(records);
        batch.values.items.ends.reserve(records);
        batch.headers.ends.reserve(records);
        batch.keys.items.bytes.reserve(before.keys.items.bytes.len().min(MOST));
        batch.values.items.bytes.reserve(before.values.items.bytes.len().min(MOST));
    }
    batch
}

fn append(batch: &mut Batch, message: &BorrowedMessage<'_>) {
    batch.offsets.push(message.offset());
    batch.timestamps.push(message.timestamp().to_millis().unwrap_or(-1));
    batch.keys.push(message.key());
    batch.values.push(message.payload());
    if let Some(headers) = message.headers() {
        for header in headers.iter() {
            batch.headers.push(header.key.as_bytes(), header.value);
        }
    }
    batch.headers.end_record();
}
