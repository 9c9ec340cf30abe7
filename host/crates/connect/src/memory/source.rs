//! The source in memory: a member of a group.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pelton_delivery::delivery::Delivery;
use pelton_delivery::ledger::Ledger;
use pelton_delivery::wake::Wake;
use pelton_model::partition::PartitionView;
use pelton_model::record::Batch;
use pelton_model::status::{Part, State as JobState};
use pelton_model::sync::lock;

use super::away::{NAME, away};
use super::group::Key;
use super::world::{Listening, Memory};
use crate::assignment::Assignment;
use crate::committer::{Head, Offsets};
use crate::error::Error;
use crate::source::{Interrupt, JobSource, Source, SourceContext};

/// How long it rests while nothing changes.
const IDLE: Duration = Duration::from_millis(50);
/// How long reading goes on before a change of the number of instances is tried again.
const CHANGE_AGAIN: Duration = Duration::from_secs(5);
/// The part under which it is told that the server is away.
const CLIENT: &str = "memory source";
const PART: Part = Part::Client(CLIENT);

/// What one job reads with, over its attempts.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) memory: Memory,
}

impl JobSource for Member {
    fn client(&self) -> &'static str {
        CLIENT
    }

    fn open(&self, context: SourceContext) -> Result<Box<dyn Source>, Error> {
        let memory = self.memory.clone();
        if memory.has_crashed() {
            return Err(away("the host has crashed"));
        }
        let missing = memory.look(|state| match &state.topics_away {
            Some(reason) => Err(away(reason)),
            None => Ok(context.topics.iter().find(|topic| !state.topics.contains_key(*topic)).cloned()),
        })?;
        if let Some(topic) = missing {
            return Err(Error::NoTopic { topic });
        }
        let member = join(&memory, &context);
        let listening = memory.listen(&context.requests.wake);
        let change_from = memory.clock.now();
        let (assignment, pending) = (Arc::default(), Mutex::default());
        let slots = Vec::new();
        Ok(Box::new(MemorySource {
            instances: 1,
            memory,
            context,
            member,
            slots,
            assignment,
            pending,
            change_from,
            _listening: listening,
        }))
    }

    fn rest(&self) {}

    fn look(&self, group: &str, topics: &[String]) -> Result<Vec<PartitionView>, Error> {
        self.memory.offsets(group, topics)
    }

    fn sleep(&self, partitions: Vec<PartitionView>, wake: &Arc<Wake>, over: &dyn Fn() -> bool) {
        let _listening = self.memory.listen(wake);
        let came = || {
            self.memory.look(|state| {
                partitions.iter().any(|view| {
                    let end = state.partition(&view.topic, view.partition).map_or(0, |partition| partition.end());
                    end > view.committed.unwrap_or(0)
                })
            })
        };
        while !over() && !came() && !self.memory.has_crashed() {
            self.memory.clock.wait(wake, Duration::from_secs(3600));
        }
    }
}

fn join(memory: &Memory, context: &SourceContext) -> u64 {
    memory.with(|state| {
        state.next_member += 1;
        let member = state.next_member;
        state.groups.entry(context.group.clone()).or_default().join(member, context.topics.iter().cloned());
        member
    })
}

/// An assigned partition.
#[derive(Debug)]
struct Slot {
    topic: Arc<str>,
    partition: i32,
    instance: usize,
    ledger: Arc<Ledger>,
    /// The offset after the last record that was read.
    next: i64,
}

impl Slot {
    fn key(&self) -> Key {
        (self.topic.to_string(), self.partition)
    }
}

/// A member of a group, for one attempt of a job.
#[derive(Debug)]
struct MemorySource {
    memory: Memory,
    context: SourceContext,
    member: u64,
    instances: usize,
    slots: Vec<Slot>,
    assignment: Arc<Assignment>,
    /// Offsets that are to be committed once the server is there.
    pending: Mutex<Vec<Head>>,
    /// When the number of instances may change: not at once again after what is in flight could not be drained.
    change_from: Instant,
    _listening: Listening,
}

impl Source for MemorySource {
    fn run(&mut self, instances: usize, hand_over: &mut dyn FnMut(usize, Arc<Delivery>)) -> Result<Interrupt, Error> {
        self.spread(instances);
        loop {
            if self.context.requests.stops() {
                return Ok(Interrupt::Stop);
            }
            if self.context.requests.instances() != instances && self.memory.clock.now() >= self.change_from {
                return Ok(Interrupt::Rescale);
            }
            if let Some(reason) = self.context.report.fault.get() {
                return Err(Error::Fault { reason: reason.to_owned() });
            }
            if self.memory.has_crashed() {
                return Err(away("the host has crashed"));
            }
            self.tell();
            self.commit();
            let came = !self.is_away() && {
                self.give_up();
                self.take_over();
                self.read(hand_over)
            };
            if !came {
                self.observe();
                self.memory.clock.wait(&self.context.requests.wake, IDLE);
            }
        }
    }

    fn spread(&mut self, instances: usize) {
        if self.instances != instances {
            self.instances = instances;
            for (n, slot) in self.slots.iter_mut().enumerate() {
                slot.instance = n % instances.max(1);
                self.assignment.open(&slot.topic, slot.partition, slot.instance);
            }
        }
    }

    fn drain(&mut self, grace: Duration) -> bool {
        let began = self.memory.clock.now();
        loop {
            let left = grace.saturating_sub(self.memory.clock.now().saturating_duration_since(began));
            if self.assignment.ledgers().iter().all(|ledger| ledger.drain_in(&*self.memory.clock, left.min(IDLE))) {
                return true;
            }
            let over = self.context.requests.stops() || self.context.report.fault.get().is_some();
            if over || left.is_zero() || self.memory.has_crashed() {
                self.change_from = self.memory.clock.now() + CHANGE_AGAIN;
                return false;
            }
            self.commit();
        }
    }

    fn close(self: Box<Self>, grace: Duration) {
        let began = self.memory.clock.now();
        let left = || grace.saturating_sub(self.memory.clock.now().saturating_duration_since(began));
        let drained =
            |time: Duration| self.assignment.ledgers().iter().all(|ledger| ledger.drain_in(&*self.memory.clock, time));
        while !drained(left().min(IDLE)) && !left().is_zero() && !self.memory.has_crashed() {
            if self.context.report.fault.get().is_some() {
                break;
            }
        }
        self.assignment.ledgers().iter().for_each(|ledger| ledger.close());
        self.commit();
    }

    fn assignment(&self) -> Arc<Assignment> {
        Arc::clone(&self.assignment)
    }
}

impl MemorySource {
    fn is_away(&self) -> bool {
        self.memory.look(|state| state.topics_away.is_some())
    }

    /// Tells whether the server is away.
    fn tell(&self) {
        match self.memory.look(|state| state.topics_away.clone()) {
            Some(reason) => drop(self.context.report.status.raise(&PART, JobState::Degraded, reason)),
            None => drop(self.context.report.status.clear(&PART)),
        }
    }

    fn commit(&self) {
        let heads = self.assignment.heads();
        if !heads.is_empty()
            && let Err(error) = self.context.committer.commit(&heads, self)
        {
            tracing::warn!("failed to commit offsets, their records may be read again: {error}");
        }
        self.flush();
    }

    /// Commits what is pending, if the server is there.
    fn flush(&self) {
        if self.memory.has_crashed() || self.is_away() {
            return;
        }
        for head in std::mem::take(&mut *lock(&self.pending)) {
            let key = (head.topic.to_string(), head.partition);
            let committed = self.memory.quietly(|state| {
                let group = state.groups.get_mut(&self.context.group);
                group.is_some_and(|group| group.commit(&key, self.member, head.next))
            });
            if committed {
                self.assignment.committed(&head.topic, head.partition, head.next);
            }
        }
    }

    /// Gives up what others are to have, and what was lost.
    fn give_up(&mut self) {
        let group = &self.context.group;
        let mine = |slot: &Slot, wanted: bool| {
            self.memory.look(|state| {
                let group = state.groups.get(group);
                group.is_some_and(|group| {
                    group.owner(&slot.key()) == Some(self.member)
                        && (!wanted || group.target(&slot.topic, slot.partition as usize) == Some(self.member))
                })
            })
        };
        let (stays, goes): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.slots).into_iter().partition(|slot| mine(slot, true));
        goes.iter().for_each(|slot| slot.ledger.close());
        let began = self.memory.clock.now();
        for slot in goes.iter().filter(|slot| mine(slot, false)) {
            let waited = self.memory.clock.now().saturating_duration_since(began);
            slot.ledger.drain_in(&*self.memory.clock, self.context.delivery.drain_timeout.saturating_sub(waited));
        }
        self.slots = stays;
        if goes.is_empty() {
            return;
        }
        self.commit();
        for slot in &goes {
            self.memory.with(|state| {
                if let Some(group) = state.groups.get_mut(&self.context.group) {
                    group.release(&slot.key(), self.member);
                }
            });
            self.context.report.metrics.remove_lag(&slot.topic, slot.partition);
        }
        let keys: Vec<_> = goes.iter().map(|slot| (Arc::clone(&slot.topic), slot.partition)).collect();
        self.assignment.remove(&keys);
    }

    /// Takes what it is to have and nobody has any more.
    fn take_over(&mut self) {
        let is_member =
            self.memory.look(|state| state.groups.get(&self.context.group).is_some_and(|group| group.has(self.member)));
        if !is_member {
            self.member = join(&self.memory, &self.context);
        }
        let taken = self.memory.quietly(|state| {
            let mut taken = Vec::new();
            let Some(group) = state.groups.get_mut(&self.context.group) else { return taken };
            for topic in &self.context.topics {
                for (n, partition) in state.topics.get(topic).into_iter().flatten().enumerate() {
                    let key = (topic.clone(), n as i32);
                    let is_new = self.slots.iter().all(|slot| slot.key() != key);
                    if is_new && group.target(topic, n) == Some(self.member) && group.take(&key, self.member) {
                        taken.push((key.clone(), group.committed(&key), partition.first));
                    }
                }
            }
            taken
        });
        for ((topic, partition), committed, first) in taken {
            let topic: Arc<str> = topic.into();
            let load = |instance: usize| self.slots.iter().filter(|slot| slot.instance == instance).count();
            let instance = (0..self.instances).min_by_key(|&instance| load(instance)).unwrap_or(0);
            let ledger = self.assignment.open(&topic, partition, instance);
            if let Some(committed) = committed {
                self.assignment.committed(&topic, partition, committed);
                self.context.report.metrics.expired.inc_by(u64::try_from(first - committed).unwrap_or(0));
            }
            let next = committed.unwrap_or(first).max(first);
            self.slots.push(Slot { topic, partition, instance, ledger, next });
        }
    }

    /// Reads a batch of each partition while there is room; says whether anything came.
    fn read(&mut self, hand_over: &mut dyn FnMut(usize, Arc<Delivery>)) -> bool {
        let mut came = false;
        for slot in &mut self.slots {
            if !self.context.budget.wait(Duration::ZERO) {
                break;
            }
            let batch = self.memory.look(|state| {
                let mut batch = Batch { topic: Arc::clone(&slot.topic), partition: slot.partition, ..Batch::default() };
                let records = state.partition(&slot.topic, slot.partition).map(|partition| partition.from(slot.next));
                for record in records.into_iter().flatten().take(self.context.batching.max_records) {
                    if !batch.is_empty() && batch.payload_bytes() >= self.context.batching.max_bytes {
                        break;
                    }
                    batch.offsets.push(record.offset);
                    batch.timestamps.push(record.timestamp);
                    batch.keys.push(record.key.as_deref());
                    batch.values.push(record.value.as_deref());
                    for (name, value) in &record.headers {
                        batch.headers.push(name, value.as_deref());
                    }
                    batch.headers.end_record();
                }
                batch
            });
            let Some(&last) = batch.offsets.last() else { continue };
            slot.next = last + 1;
            came = true;
            self.context.report.metrics.records_in.inc_by(batch.len() as u64);
            self.context.report.metrics.bytes_in.inc_by(batch.payload_bytes() as u64);
            let delivery = Delivery::new(batch, Arc::clone(&slot.ledger), Arc::clone(&self.context.budget));
            if let Some(delivery) = delivery {
                hand_over(slot.instance, delivery);
            }
        }
        came
    }

    /// Brings lag and what is in flight up to date.
    fn observe(&self) {
        let metrics = &self.context.report.metrics;
        metrics.in_flight.set(self.context.budget.used() as i64);
        self.assignment.look(
            |topic, partition| self.memory.look(|state| Some(state.partition(topic, partition)?.end())),
            |_| None,
            |topic, partition, lag| metrics.set_lag(topic, partition, lag),
        );
    }
}

/// The group's own offsets.
impl Offsets for MemorySource {
    fn store(&self, heads: &[Head]) -> Result<(), Error> {
        lock(&self.pending).extend(heads.iter().cloned());
        self.flush();
        let lost = self.memory.look(|state| {
            let group = state.groups.get(&self.context.group);
            group.is_none_or(|group| !group.has(self.member))
        });
        if lost {
            Err(Error::unavailable(NAME, "the group does not know this member any more".to_owned()))
        } else {
            Ok(())
        }
    }
}

impl Drop for MemorySource {
    fn drop(&mut self) {
        self.memory.with(|state| {
            if let Some(group) = state.groups.get_mut(&self.context.group) {
                group.leave(self.member);
            }
        });
    }
}
