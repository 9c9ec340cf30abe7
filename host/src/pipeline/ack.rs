//! Acknowledgement: which offsets may be committed, and how much is in flight.
//!
//! Offsets move last. A partition's [`Ledger`] lists its batches in order; a batch is complete once every sink has
//! acknowledged every output of it, and [`Ledger::committable`] is the end of the contiguous complete head, never more. A
//! [`Delivery`] is one batch on its way: it keeps the records (for *forward* and for dead letters), counts what is
//! unacknowledged, and holds its bytes in the job's [`Budget`] until it is dropped, so that queues, guests and sinks
//! together are bounded by one figure. A delivery that is dropped before it is complete is never committed: its records
//! are read again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::trace::Traces;
use super::version::Label;
use crate::record::Batch;

/// Locks, also after a panic elsewhere: what the locks of this crate guard is never left half changed.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Entry {
    /// The offset after the batch's last record.
    next_offset: i64,
    complete: bool,
}

#[derive(Debug, Default)]
struct Entries {
    /// The sequence number of the first entry of `queue`.
    first: u64,
    queue: VecDeque<Entry>,
    /// How many deliveries of this ledger exist.
    in_flight: usize,
    committable: Option<i64>,
}

/// The batches of one assigned partition, in order.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: Mutex<Entries>,
    changed: Condvar,
    closed: AtomicBool,
}

impl Ledger {
    fn open(&self, next_offset: i64) -> u64 {
        let mut entries = lock(&self.entries);
        entries.queue.push_back(Entry { next_offset, complete: false });
        entries.in_flight += 1;
        entries.first + entries.queue.len() as u64 - 1
    }

    fn complete(&self, seq: u64) {
        let mut entries = lock(&self.entries);
        let index = seq.checked_sub(entries.first).map(|i| i as usize);
        if let Some(entry) = index.and_then(|i| entries.queue.get_mut(i)) {
            entry.complete = true;
        }
        while entries.queue.front().is_some_and(|entry| entry.complete) {
            entries.committable = entries.queue.pop_front().map(|entry| entry.next_offset);
            entries.first += 1;
        }
    }

    fn dropped(&self) {
        lock(&self.entries).in_flight -= 1;
        self.changed.notify_all();
    }

    /// The offset to commit: that after the last record of the contiguous complete head. `None` until a first batch is
    /// complete.
    pub fn committable(&self) -> Option<i64> {
        lock(&self.entries).committable
    }

    /// How many batches are on their way.
    pub fn in_flight(&self) -> usize {
        lock(&self.entries).in_flight
    }

    /// Says that the partition is being given up: batches that wait for the guest need not be started.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Whether the partition is being given up.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Waits until nothing is on its way, at most until the deadline; says whether that was reached.
    pub fn drain(&self, deadline: Instant) -> bool {
        let mut entries = lock(&self.entries);
        while entries.in_flight > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            entries = self.changed.wait_timeout(entries, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

/// The bytes that a job may have in flight. Charging never blocks; the source waits before it reads more.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: Mutex<usize>,
    freed: Condvar,
}

impl Budget {
    /// A budget of `limit` bytes. One batch may overshoot it.
    pub fn new(limit: usize) -> Self {
        Self { limit, used: Mutex::new(0), freed: Condvar::new() }
    }

    fn charge(&self, bytes: usize) {
        *lock(&self.used) += bytes;
    }

    fn release(&self, bytes: usize) {
        let mut used = lock(&self.used);
        *used = used.saturating_sub(bytes);
        if *used < self.limit {
            self.freed.notify_all();
        }
    }

    /// Bytes in flight.
    pub fn used(&self) -> usize {
        *lock(&self.used)
    }

    /// Waits until there is room, at most for `timeout`; says whether there is.
    pub fn wait(&self, timeout: Duration) -> bool {
        let used = lock(&self.used);
        let (used, _) = self
            .freed
            .wait_timeout_while(used, timeout, |used| *used >= self.limit)
            .unwrap_or_else(PoisonError::into_inner);
        *used < self.limit
    }
}

/// One batch on its way from the source to every sink.
#[derive(Debug)]
pub struct Delivery {
    batch: Arc<Batch>,
    ledger: Arc<Ledger>,
    seq: u64,
    budget: Arc<Budget>,
    charged: AtomicUsize,
    pending: AtomicUsize,
    handled_by: Mutex<Arc<Label>>,
    traces: OnceLock<Traces>,
}

impl Delivery {
    /// Enters the batch into the ledger and the budget. One acknowledgement is pending from the start: that of the
    /// pipeline itself, given once all outputs have been handed to their sinks. `None` for a batch without records.
    pub fn new(batch: impl Into<Arc<Batch>>, ledger: Arc<Ledger>, budget: Arc<Budget>) -> Option<Arc<Self>> {
        let batch = batch.into();
        let next_offset = batch.offsets.last()? + 1;
        let bytes = batch.bytes();
        budget.charge(bytes);
        let seq = ledger.open(next_offset);
        Some(Arc::new(Self {
            batch,
            ledger,
            seq,
            budget,
            charged: AtomicUsize::new(bytes),
            pending: AtomicUsize::new(1),
            handled_by: Mutex::default(),
            traces: OnceLock::new(),
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

    /// Has the spans of its records, if any, end with it.
    pub fn trace(&self, traces: Option<Traces>) {
        if let Some(traces) = traces {
            // The first ones stay: a batch is handled once.
            let _ = self.traces.set(traces);
        }
    }

    /// The spans of its records, where any is traced.
    pub fn traces(&self) -> Option<&Traces> {
        self.traces.get()
    }

    /// Charges the bytes of outputs made from this batch until it is delivered.
    pub fn charge(&self, bytes: usize) {
        self.charged.fetch_add(bytes, Ordering::Relaxed);
        self.budget.charge(bytes);
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
        if let Some(traces) = self.traces.take().filter(|_| *self.pending.get_mut() == 0) {
            traces.end(&self.batch, self.handled_by());
        }
        self.budget.release(self.charged.load(Ordering::Relaxed));
        self.ledger.dropped();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn delivery(ledger: &Arc<Ledger>, budget: &Arc<Budget>, offsets: Vec<i64>) -> Arc<Delivery> {
        let batch = Batch { offsets, ..Batch::default() };
        Delivery::new(batch, Arc::clone(ledger), Arc::clone(budget)).unwrap()
    }

    proptest! {
        /// Against the plain definition: the end of the longest complete prefix.
        #[test]
        fn commits_the_contiguous_head(order in Just((0..20usize).collect::<Vec<_>>()).prop_shuffle(), dropped in proptest::collection::hash_set(0..20usize, 0..4)) {
            let (ledger, budget) = (Arc::new(Ledger::default()), Arc::new(Budget::new(1)));
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
    }

    #[test]
    fn a_drain_ends_when_the_last_delivery_goes() {
        let (ledger, budget) = (Arc::new(Ledger::default()), Arc::new(Budget::new(1)));
        let one = delivery(&ledger, &budget, vec![4]);
        assert!(!ledger.drain(Instant::now()));
        let thread = std::thread::spawn(move || drop(one));
        assert!(ledger.drain(Instant::now() + Duration::from_secs(10)));
        thread.join().unwrap();
        assert_eq!(ledger.committable(), None);
    }

    #[test]
    fn a_full_budget_waits_for_release() {
        let (ledger, budget) = (Arc::new(Ledger::default()), Arc::new(Budget::new(10)));
        let one = delivery(&ledger, &budget, vec![4]);
        one.charge(100);
        assert!(!budget.wait(Duration::ZERO));
        drop(one);
        assert!(budget.wait(Duration::ZERO));
    }
}
