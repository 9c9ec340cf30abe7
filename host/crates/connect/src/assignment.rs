//! The partitions that a member of a group has: the ledger of each, and how far it is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use pelton_delivery::ledger::Ledger;
use pelton_model::partition::PartitionView;
use pelton_model::sync::lock;

use crate::committer::Head;

#[derive(Debug, Default)]
struct Partition {
    ledger: Option<Arc<Ledger>>,
    instance: usize,
    /// The head that was last given to the committer.
    told: Option<i64>,
    committed: Option<i64>,
    end: Option<i64>,
    /// Whether one fetch serves this job and others of the host.
    is_shared: bool,
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

/// A topic and a partition of it.
type Key = (Arc<str>, i32);

/// The assigned partitions, for the source to keep and for other threads to look at.
#[derive(Debug, Default)]
pub struct Assignment {
    partitions: Mutex<BTreeMap<Key, Partition>>,
}

impl Assignment {
    /// That of a job that sleeps: nobody handles its partitions.
    pub fn asleep(partitions: &[PartitionView]) -> Self {
        let entry = |view: &PartitionView| {
            let partition = Partition { committed: view.committed, end: view.end, ..Partition::default() };
            ((Arc::from(view.topic.as_str()), view.partition), partition)
        };
        Self { partitions: Mutex::new(partitions.iter().map(entry).collect()) }
    }

    /// The assigned partitions, in order.
    pub fn view(&self) -> Vec<PartitionView> {
        let partitions = lock(&self.partitions);
        let view = partitions.iter().map(|((topic, partition), p)| PartitionView {
            topic: topic.to_string(),
            partition: *partition,
            instance: p.ledger.as_ref().map(|_| p.instance),
            shared: p.is_shared,
            committed: p.committed,
            end: p.end,
            lag: p.lag(),
        });
        view.collect()
    }

    /// Takes a partition in.
    pub fn add(&self, topic: &str, partition: i32) {
        lock(&self.partitions).entry((topic.into(), partition)).or_default();
    }

    /// The ledger of a partition, which an instance handles from now on.
    pub fn open(&self, topic: &Arc<str>, partition: i32, instance: usize) -> Arc<Ledger> {
        let mut partitions = lock(&self.partitions);
        let entry = partitions.entry((Arc::clone(topic), partition)).or_default();
        entry.instance = instance;
        Arc::clone(entry.ledger.get_or_insert_default())
    }

    /// Gives partitions up.
    pub fn remove(&self, keys: &[Key]) {
        let mut partitions = lock(&self.partitions);
        for key in keys {
            partitions.remove(key);
        }
    }

    /// Whether there is no partition.
    pub fn is_empty(&self) -> bool {
        lock(&self.partitions).is_empty()
    }

    /// Whether all that was read is committed.
    pub fn is_clean(&self) -> bool {
        lock(&self.partitions).values().all(Partition::is_clean)
    }

    /// The partitions, and where each starts, as far as that is known.
    pub fn starts(&self) -> Vec<(Arc<str>, i32, Option<i64>)> {
        let partitions = lock(&self.partitions);
        partitions.iter().map(|((topic, n), p)| (Arc::clone(topic), *n, p.committed)).collect()
    }

    /// The ledgers of all partitions that have any.
    pub fn ledgers(&self) -> Vec<Arc<Ledger>> {
        lock(&self.partitions).values().filter_map(|p| p.ledger.clone()).collect()
    }

    /// The ledgers of these partitions.
    pub fn ledgers_of(&self, keys: &[Key]) -> Vec<Arc<Ledger>> {
        let partitions = lock(&self.partitions);
        keys.iter().filter_map(|key| partitions.get(key)?.ledger.clone()).collect()
    }

    /// The heads that have moved since the last call.
    pub fn heads(&self) -> Vec<Head> {
        let mut heads = Vec::new();
        for ((topic, partition), p) in lock(&self.partitions).iter_mut() {
            let next = p.ledger.as_ref().and_then(|ledger| ledger.committable());
            if let Some(next) = next.filter(|&next| p.told != Some(next)) {
                p.told = Some(next);
                heads.push(Head { topic: Arc::clone(topic), partition: *partition, next });
            }
        }
        heads
    }

    /// Notes what is committed of an assigned partition.
    pub fn committed(&self, topic: &str, partition: i32, next: i64) {
        self.with(topic, partition, |p| p.committed = Some(next));
    }

    /// Notes that a partition shares its fetches, or that it doesn't, and where it ends, if that is known.
    pub fn shares(&self, topic: &str, partition: i32, is_shared: bool, end: Option<i64>) {
        self.with(topic, partition, |p| {
            p.is_shared = is_shared;
            p.end = end.or(p.end);
        });
    }

    /// Notes where partitions end that share no fetch, as `end` knows it; shows each with its lag.
    pub fn look(&self, end: impl Fn(&str, i32) -> Option<i64>, mut show: impl FnMut(&str, i32, i64)) {
        for ((topic, partition), p) in lock(&self.partitions).iter_mut() {
            if !p.is_shared
                && let Some(end) = end(topic, *partition)
            {
                p.end = Some(end);
            }
            if let Some(lag) = p.lag() {
                show(topic, *partition, lag);
            }
        }
    }

    fn with(&self, topic: &str, partition: i32, act: impl FnOnce(&mut Partition)) {
        if let Some(p) = lock(&self.partitions).get_mut(&(Arc::from(topic), partition)) {
            act(p);
        }
    }
}
