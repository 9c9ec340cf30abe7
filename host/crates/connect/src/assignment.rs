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
    /// Where the source read on when all before that was complete, and the ledger's head at that time.
    passed: Option<(Option<i64>, i64)>,
    /// Whether all that was read has been entered into the ledger.
    has_all: bool,
    end: Option<i64>,
    /// Whether one fetch serves this job and others of the host.
    is_shared: bool,
}

impl Partition {
    fn lag(&self) -> Option<i64> {
        Some((self.end? - self.committed?).max(0))
    }

    /// The offset to commit: that after the last record of the complete head. Where all is complete it is where the
    /// source reads on, which may be further: the markers of transactions have offsets, and so have the records of
    /// those that were aborted, and none of them is ever handed to a job.
    fn head(&self) -> Option<i64> {
        let ledger = self.ledger.as_ref()?;
        let head = ledger.committable();
        // Once more is complete the head is further than that.
        let passed = self.passed.filter(|(before, _)| *before == head).map(|(_, position)| position);
        match head {
            Some(_) => head.max(passed),
            // Where it began.
            None => passed.filter(|&position| self.committed < Some(position)),
        }
    }

    /// Whether all that was read is committed.
    fn is_clean(&self) -> bool {
        let is_idle = self.ledger.as_ref().is_none_or(|ledger| ledger.in_flight() == 0);
        is_idle && self.head().is_none_or(|next| self.committed >= Some(next))
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

    /// The instance of a partition that has a ledger.
    pub fn instance(&self, topic: &Arc<str>, partition: i32) -> Option<usize> {
        let partitions = lock(&self.partitions);
        let entry = partitions.get(&(Arc::clone(topic), partition))?;
        entry.ledger.as_ref().map(|_| entry.instance)
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
            if let Some(next) = p.head().filter(|&next| p.told != Some(next)) {
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

    /// Notes where the source reads on; `None` where something that was read is still to be entered into the ledger.
    pub fn reads_on(&self, topic: &str, partition: i32, position: Option<i64>) {
        self.with(topic, partition, |p| {
            p.has_all = position.is_some();
            if let (Some(position), Some(ledger)) = (position, &p.ledger)
                && ledger.is_settled()
            {
                p.passed = Some((ledger.committable(), position));
            }
        });
    }

    /// Notes where partitions end that share no fetch, as `end` knows it. Where there is more, `readable` may say how far
    /// a reader can come, and block: what a paused consumer knows is old, and a transaction may be open. Shows each with
    /// its lag.
    pub fn look(
        &self,
        end: impl Fn(&str, i32) -> Option<i64>,
        readable: impl Fn(&Head) -> Option<i64>,
        mut show: impl FnMut(&str, i32, i64),
    ) {
        let mut stands = Vec::new();
        for ((topic, partition), p) in lock(&self.partitions).iter_mut() {
            if !p.is_shared
                && let Some(end) = end(topic, *partition)
            {
                p.end = Some(end);
            }
            if let Some(next) = p.committed.filter(|&next| p.end > Some(next)) {
                stands.push(Head { topic: Arc::clone(topic), partition: *partition, next });
            }
        }
        for head in stands {
            if let Some(end) = readable(&head) {
                self.with(&head.topic, head.partition, |p| {
                    // While anything is still to be read it only tells that there is more than was known.
                    let known = if p.has_all && p.is_clean() { None } else { p.end };
                    p.end = Some(end.max(head.next).max(known.unwrap_or(0)));
                });
            }
        }
        for ((topic, partition), p) in lock(&self.partitions).iter() {
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

#[cfg(test)]
mod tests {
    use pelton_delivery::budget::Budget;
    use pelton_delivery::delivery::Delivery;
    use pelton_model::record::Batch;

    use super::*;

    #[test]
    fn the_position_is_committed_where_all_before_it_is_complete() {
        let assignment = Assignment::default();
        let topic = Arc::from("t");
        assignment.add("t", 0);
        let ledger = assignment.open(&topic, 0, 0);
        let heads = || assignment.heads().into_iter().map(|head| head.next).collect::<Vec<_>>();
        assignment.committed("t", 0, 3);
        assignment.reads_on("t", 0, Some(3));
        assert_eq!(heads(), [0; 0], "it is committed");
        // A marker, as after a transaction that was aborted.
        assignment.reads_on("t", 0, Some(5));
        assert!(!assignment.is_clean());
        assert_eq!(heads(), [5]);
        let delivery = |offset| {
            let batch = Batch { offsets: vec![offset], ..Batch::default() };
            Delivery::new(batch, Arc::clone(&ledger), Arc::new(Budget::new(1))).unwrap()
        };
        let one = delivery(5);
        assignment.reads_on("t", 0, Some(7));
        assert_eq!(heads(), [0; 0], "the record is on its way");
        one.acknowledge(1);
        drop(one);
        assert_eq!(heads(), [6]);
        assignment.reads_on("t", 0, Some(7));
        assert_eq!(heads(), [7]);
        assignment.committed("t", 0, 7);
        assert!(assignment.is_clean());
        assert_eq!(heads(), [0; 0], "it never goes back to the last record");
        let lost = delivery(7);
        assignment.reads_on("t", 0, Some(9));
        drop(lost);
        assert_eq!(heads(), [0; 0], "what was given up is to be read again");
    }

    #[test]
    fn lag_ends_where_a_reader_can_come() {
        let assignment = Assignment::default();
        assignment.add("t", 0);
        assignment.committed("t", 0, 5);
        let lag = |readable: Option<i64>| {
            let mut lags = Vec::new();
            assignment.look(|_, _| Some(9), |_| readable, |_, _, lag| lags.push(lag));
            lags[0]
        };
        assert_eq!(lag(Some(5)), 4, "it is not known whether anything is still to be read");
        assignment.reads_on("t", 0, Some(5));
        assert_eq!([lag(None), lag(Some(7)), lag(Some(5))], [4, 2, 0]);
        assert_eq!(assignment.view()[0].end, Some(5));
    }
}
