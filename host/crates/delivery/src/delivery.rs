//! Acknowledgement: which offsets may be committed, and how much is in flight.
//!
//! Offsets move last. A partition's [`Ledger`] lists its batches in order; a batch is complete once every sink has
//! acknowledged every output of it, and [`Ledger::committable`] is the end of the contiguous complete head, never more.
//! A [`Delivery`] is one batch on its way: it keeps the records (for *forward* and for dead letters), counts what is
//! unacknowledged, and holds its bytes in the job's [`Budget`] until it is dropped, as its outputs hold theirs, so that
//! queues, guests and sinks together are bounded by one figure. A delivery that is dropped before it is complete is never
//! committed: its records are read again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use pelton_model::record::{Batch, OwnedHeader};
use pelton_model::stage::Stage;
use pelton_model::sync::lock;
use pelton_model::version::Label;

use crate::budget::{Budget, Charge};
use crate::ledger::Ledger;

/// Who follows a batch and what becomes of its records, such as a tracer. Never in the way of a record: be quick.
pub trait Observer: Send + Sync + std::fmt::Debug {
    /// Record `index` of the batch became a dead letter.
    fn gave_up(&self, index: usize, stage: Stage);
    /// The headers of a message that is made from record `index`, of which `own` are the job's.
    fn headers(&self, batch: &Batch, index: usize, own: Vec<OwnedHeader>) -> Vec<OwnedHeader>;
    /// Every sink has acknowledged all that became of the batch, which `version` handled. A batch that is given up is
    /// never complete.
    fn complete(self: Box<Self>, batch: &Batch, version: Arc<Label>);
}

/// One batch on its way from the source to every sink.
#[derive(Debug)]
pub struct Delivery {
    batch: Arc<Batch>,
    ledger: Arc<Ledger>,
    seq: u64,
    budget: Arc<Budget>,
    bytes: usize,
    pending: AtomicUsize,
    is_handled: AtomicBool,
    handled_by: Mutex<Arc<Label>>,
    observer: OnceLock<Box<dyn Observer>>,
    /// How many dead letters records have, by their index.
    letters: Mutex<BTreeMap<usize, usize>>,
}

/// Dead letters of one record, at most: each has the record whole, so further ones would tell nothing but their reasons.
const LETTERS: usize = 10;

impl Delivery {
    /// Enters the batch into the ledger and the budget. One acknowledgement is pending from the start: that of the
    /// pipeline itself, given once all outputs have been handed to their sinks. `None` for a batch without records.
    pub fn new(batch: impl Into<Arc<Batch>>, ledger: Arc<Ledger>, budget: Arc<Budget>) -> Option<Arc<Self>> {
        let batch = batch.into();
        let next_offset = batch.offsets.last()? + 1;
        let bytes = batch.bytes();
        budget.charge_records(bytes);
        let seq = ledger.open(next_offset);
        Some(Arc::new(Self {
            batch,
            ledger,
            seq,
            budget,
            bytes,
            pending: AtomicUsize::new(1),
            is_handled: AtomicBool::new(false),
            handled_by: Mutex::default(),
            observer: OnceLock::new(),
            letters: Mutex::default(),
        }))
    }

    /// The records. Jobs that read the same partition may share them.
    pub fn batch(&self) -> &Arc<Batch> {
        &self.batch
    }

    /// The ledger of the batch's partition.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Says which version of the job handles the batch.
    pub fn handle_by(&self, label: &Arc<Label>) {
        *lock(&self.handled_by) = Arc::clone(label);
    }

    /// The version of the job that handled the batch last.
    pub fn handled_by(&self) -> Arc<Label> {
        Arc::clone(&lock(&self.handled_by))
    }

    /// Says that the instance is done with it, whatever becomes of it; says whether somebody waits for that, see
    /// [`Ledger::is_handled`].
    pub fn handled(&self) -> bool {
        !self.is_handled.swap(true, Ordering::AcqRel) && self.ledger.handled()
    }

    /// Has somebody follow it from here on; the first one stays.
    pub fn observe(&self, observer: Box<dyn Observer>) {
        let _ = self.observer.set(observer);
    }

    /// Notes that a record is given up; says whether it becomes a dead letter by that. It does not where there is no
    /// such record, or where it is one ten times already.
    pub fn gives_up(&self, index: usize, stage: Stage) -> bool {
        if index >= self.batch.len() {
            return false;
        }
        {
            let mut letters = lock(&self.letters);
            let count = letters.entry(index).or_default();
            if *count == LETTERS {
                return false;
            }
            *count += 1;
        }
        if let Some(observer) = self.observer.get() {
            observer.gave_up(index, stage);
        }
        true
    }

    /// The headers of a message that is made from record `index`: `own`, in order, and whatever the observer has to
    /// say.
    pub fn outgoing<'a>(
        &'a self,
        index: usize,
        own: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Vec<OwnedHeader> {
        let owned = |(name, value): (&[u8], Option<&[u8]>)| -> OwnedHeader { (name.into(), value.map(Box::from)) };
        match self.observer.get() {
            None => own.map(owned).collect(),
            Some(observer) => observer.headers(&self.batch, index, own.map(owned).collect()),
        }
    }

    /// Charges the bytes of outputs that are made from this batch.
    pub fn charge(&self, bytes: usize) -> Charge {
        Charge::new(&self.budget, bytes)
    }

    /// Whether there is room for outputs: those of the job that are not written yet are within its budget.
    pub fn has_room(&self) -> bool {
        self.budget.takes_outputs()
    }

    /// Announces `n` further acknowledgements. Call it before the outputs are handed over, and only while another
    /// acknowledgement is pending.
    pub fn expect(&self, n: usize) {
        self.pending.fetch_add(n, Ordering::Relaxed);
    }

    /// Gives `n` of the announced acknowledgements; the last one completes the batch.
    pub fn acknowledge(&self, n: usize) {
        if n > 0 && self.pending.fetch_sub(n, Ordering::AcqRel) == n {
            self.ledger.complete(self.seq);
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.handled();
        if *self.pending.get_mut() == 0 {
            self.budget.delivered(self.batch.len());
            if let Some(observer) = self.observer.take() {
                observer.complete(&self.batch, self.handled_by());
            }
        }
        self.budget.release_records(self.bytes);
        self.ledger.dropped();
    }
}

/// A batch that nobody has begun with, and that no drain waits for while this is there.
#[derive(Debug)]
pub struct Aside(Arc<Delivery>);

impl Aside {
    /// Sets a batch aside.
    pub fn new(delivery: Arc<Delivery>) -> Self {
        delivery.ledger.set_aside();
        Self(delivery)
    }

    /// The batch.
    pub fn delivery(&self) -> &Arc<Delivery> {
        &self.0
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.0.ledger.take_up();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::time::{Duration, Instant};

    use super::*;
    use proptest::prelude::*;

    fn delivery(ledger: &Arc<Ledger>, budget: &Arc<Budget>, offsets: Vec<i64>) -> Arc<Delivery> {
        let batch = Batch { offsets, ..Batch::default() };
        Delivery::new(batch, Arc::clone(ledger), Arc::clone(budget)).unwrap()
    }

    proptest! {
        /// Against the plain definition: the end of the longest complete prefix.
        #[test]
        fn commits_the_contiguous_head(
            order in Just((0..20usize).collect::<Vec<_>>()).prop_shuffle(),
            dropped in proptest::collection::hash_set(0..20usize, 0..4),
        ) {
            let count = Arc::new(AtomicU64::new(0));
            let budget = Arc::new(Budget::new(1).counting(Arc::clone(&count)));
            let ledger = Arc::new(Ledger::default());
            let mut all: Vec<_> = (0..20).map(|i| Some(delivery(&ledger, &budget, vec![i * 10, i * 10 + 7]))).collect();
            let mut complete = [false; 20];
            for i in order {
                let one = all[i].take().unwrap();
                if !dropped.contains(&i) {
                    one.acknowledge(1);
                    complete[i] = true;
                }
                drop(one);
                let head = complete.iter().take_while(|c| **c).count();
                let expected = head.checked_sub(1).map(|last| last as i64 * 10 + 8);
                prop_assert_eq!(ledger.committable(), expected);
            }
            prop_assert_eq!(ledger.in_flight(), 0);
            prop_assert_eq!(budget.used(), 0);
            prop_assert_eq!(count.load(Ordering::Relaxed), 2 * (20 - dropped.len() as u64));
        }
    }

    #[test]
    fn every_announced_acknowledgement_is_due() {
        let (ledger, budget) = (Arc::new(Ledger::default()), Arc::new(Budget::new(1)));
        let one = delivery(&ledger, &budget, vec![4]);
        one.expect(3);
        one.acknowledge(1);
        one.acknowledge(2);
        assert_eq!(ledger.committable(), None);
        one.acknowledge(1);
        assert_eq!(ledger.committable(), Some(5));
        assert!(ledger.is_settled());
    }

    #[test]
    fn who_waits_for_an_instance_is_told_once() {
        let (ledger, budget) = (Arc::new(Ledger::default()), Arc::new(Budget::new(1)));
        assert!(ledger.is_handled());
        let [one, two, three] = [4, 5, 6].map(|offset| delivery(&ledger, &budget, vec![offset]));
        assert!(!ledger.is_handled());
        assert!(!one.handled() && !ledger.is_handled());
        drop(three);
        assert!(two.handled() && !two.handled());
        assert!(ledger.is_handled());
        let four = delivery(&ledger, &budget, vec![7]);
        assert!(!four.handled(), "nobody waits any more");
    }

    #[test]
    fn a_drain_ends_when_the_last_delivery_goes() {
        let (ledger, budget) = (Arc::new(Ledger::default()), Arc::new(Budget::new(1)));
        let one = delivery(&ledger, &budget, vec![4]);
        assert!(!ledger.drain(Instant::now()) && !ledger.is_settled());
        let thread = std::thread::spawn(move || drop(one));
        assert!(ledger.drain(Instant::now() + Duration::from_secs(10)));
        thread.join().unwrap();
        assert_eq!(ledger.committable(), None);
        assert!(!ledger.is_settled(), "what was dropped is still to be done");
    }

    #[test]
    fn a_drain_does_not_wait_for_what_is_set_aside() {
        let (ledger, budget) = (Arc::new(Ledger::default()), Arc::new(Budget::new(1)));
        let [at_work, waits] = [4, 5].map(|offset| delivery(&ledger, &budget, vec![offset]));
        let waits = Aside::new(waits);
        assert!(!ledger.drain(Instant::now()));
        at_work.acknowledge(1);
        drop(at_work);
        assert!(ledger.drain(Instant::now()) && ledger.in_flight() == 1);
        let taken_up = Arc::clone(waits.delivery());
        drop(waits);
        assert!(!ledger.drain(Instant::now()), "it is at work");
        taken_up.acknowledge(1);
        drop(taken_up);
        assert!(ledger.drain(Instant::now()));
        assert_eq!(ledger.committable(), Some(6));
    }

    #[test]
    fn a_full_budget_waits_for_release() {
        let (ledger, budget) = (Arc::new(Ledger::default()), Arc::new(Budget::new(10_000)));
        let one = delivery(&ledger, &budget, vec![4]);
        assert!(budget.wait(Duration::ZERO) && one.has_room());
        let charges = [one.charge(5_000), one.charge(6_000)];
        assert!(!budget.wait(Duration::ZERO) && !one.has_room());
        // What is read and waits fills it, too, and keeps nobody from making outputs.
        let all: Vec<_> = (0..10).map(|i| delivery(&ledger, &budget, vec![5 + i])).collect();
        drop(charges);
        assert!(!budget.wait(Duration::ZERO) && one.has_room());
        drop((one, all));
        assert!(budget.wait(Duration::ZERO));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_record_has_so_many_dead_letters_at_most() {
        let (ledger, budget) = (Arc::new(Ledger::default()), Arc::new(Budget::new(10)));
        let one = delivery(&ledger, &budget, vec![4, 5]);
        let given_up = |index| (0..100).filter(|_| one.gives_up(index, Stage::Sink)).count();
        assert_eq!([given_up(0), given_up(1), given_up(2)], [LETTERS, LETTERS, 0]);
    }
}
