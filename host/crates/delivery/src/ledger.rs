//! Which offsets of a partition may be committed.
//!
//! A partition's [`Ledger`] lists its batches in order; a batch is complete once every sink has acknowledged every
//! output of it, and [`Ledger::committable`] is the end of the contiguous complete head, never more.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pelton_model::sync::lock;

use crate::clock::{Clock, SystemClock, wait_until};
use crate::wake::Wake;

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
    /// How many of them wait for an instance or are with it.
    unhandled: usize,
    /// Whether somebody waits for there to be none.
    is_awaited: bool,
    /// How many of them nobody works on.
    aside: usize,
    committable: Option<i64>,
}

/// The batches of one assigned partition, in order.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: Mutex<Entries>,
    /// Called whenever a delivery is gone.
    changed: Wake,
    closed: AtomicBool,
}

impl Ledger {
    pub(crate) fn open(&self, next_offset: i64) -> u64 {
        let mut entries = lock(&self.entries);
        entries.queue.push_back(Entry { next_offset, complete: false });
        entries.in_flight += 1;
        entries.unhandled += 1;
        entries.first + entries.queue.len() as u64 - 1
    }

    pub(crate) fn complete(&self, seq: u64) {
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

    /// An instance is done with a delivery; says whether it was the last one, for which somebody waits.
    pub(crate) fn handled(&self) -> bool {
        let mut entries = lock(&self.entries);
        entries.unhandled -= 1;
        entries.unhandled == 0 && std::mem::take(&mut entries.is_awaited)
    }

    pub(crate) fn dropped(&self) {
        lock(&self.entries).in_flight -= 1;
        self.changed.call();
    }

    pub(crate) fn set_aside(&self) {
        lock(&self.entries).aside += 1;
        self.changed.call();
    }

    pub(crate) fn take_up(&self) {
        lock(&self.entries).aside -= 1;
    }

    /// The offset to commit: that after the last record of the contiguous complete head. `None` until a first batch is
    /// complete.
    pub fn committable(&self) -> Option<i64> {
        lock(&self.entries).committable
    }

    /// Whether every batch that was ever entered is complete. None that was dropped before is among them.
    pub fn is_settled(&self) -> bool {
        lock(&self.entries).queue.is_empty()
    }

    /// How many batches are on their way.
    pub fn in_flight(&self) -> usize {
        lock(&self.entries).in_flight
    }

    /// Whether no batch waits for an instance, or is with it. Where one does, [`Delivery::handled`] tells it once.
    ///
    /// [`Delivery::handled`]: crate::delivery::Delivery::handled
    pub fn is_handled(&self) -> bool {
        let mut entries = lock(&self.entries);
        entries.is_awaited = entries.unhandled > 0;
        !entries.is_awaited
    }

    /// Says that the partition is being given up: batches that wait for the guest need not be started.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Whether the partition is being given up.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Waits until nothing is on its way that is not [set aside](crate::delivery::Aside), at most until the deadline;
    /// says whether that was reached. For one thread at a time, as is [`drain_in`](Self::drain_in).
    pub fn drain(&self, deadline: Instant) -> bool {
        self.drain_in(&SystemClock, deadline.saturating_duration_since(Instant::now()))
    }

    /// Waits until nothing is on its way that is not set aside, at most for `timeout`; says whether that was reached.
    pub fn drain_in(&self, clock: &dyn Clock, timeout: Duration) -> bool {
        let is_drained = || {
            let entries = lock(&self.entries);
            entries.in_flight == entries.aside
        };
        wait_until(clock, &self.changed, timeout, is_drained)
    }
}
