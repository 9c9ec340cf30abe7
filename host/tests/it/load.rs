//! Numbered records that are written while something happens, and whether all of them were forwarded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::kafka::Record;
use crate::stage::Servers;

/// Writes to the four partitions by turns until told to stop; returns how many.
fn write(servers: &Servers, first: usize, stop: &AtomicBool) -> usize {
    let mut next = first;
    while !stop.load(Ordering::Acquire) {
        let records: Vec<Record> = (next..next + 400)
            .map(|i| Record::new(i.to_string()).key((i % 4).to_string()).partition((i % 4) as i32))
            .collect();
        servers.kafka.produce("sensors", &records);
        next += 400;
    }
    next
}

/// Does `work` while records are written, numbered from `first`; returns how many there are then.
pub(crate) fn under_load(servers: &Servers, first: usize, work: impl FnOnce()) -> usize {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let writer = scope.spawn(|| write(servers, first, &stop));
        // Stops the writer when `work` panics, too.
        let stops = Stops(&stop);
        work();
        drop(stops);
        writer.join().unwrap()
    })
}

struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Checks that all records from 0 to `count` have arrived; returns how many came more than once.
#[track_caller]
pub(crate) fn check_all_forwarded(servers: &Servers, count: usize) -> usize {
    let mut found: BTreeMap<usize, usize> = BTreeMap::new();
    for value in servers.alerts() {
        *found.entry(value.parse().unwrap()).or_default() += 1;
    }
    let missing = (0..count).find(|i| !found.contains_key(i));
    assert_eq!(missing, None);
    assert_eq!(found.len(), count);
    found.values().sum::<usize>() - count
}

/// Checks that records of one key, which are those of one partition, came in their order; repeats don't count.
#[track_caller]
pub(crate) fn check_in_order(servers: &Servers) {
    let mut last: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for record in servers.kafka.read_all("alerts") {
        let number = record.text().parse().unwrap();
        if found.insert(number)
            && let Some(before) = last.insert(record.key.clone().unwrap(), number)
        {
            assert!(before < number, "{number} came after {before}");
        }
    }
}
