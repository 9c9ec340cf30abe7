//! Marks: what tells that letters were redriven. They stand in the dead-letter topic itself, so every host sees them
//! and they live as long as the letters.
//!
//! A mark is a record in the partition of its letters: no key, the header `pelton.mark` with the job's name, and as
//! value `{"at": time, "redriven": [[first, last], …]}`, offsets of letters in that partition. Marks are written in
//! transactions by one redrive of a job at a time: whoever begins one fences every one before, on any host.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::record::LogRecord;

/// The header of a mark; its value is the job's name.
pub(crate) const HEADER: &str = "pelton.mark";

#[derive(Debug, Serialize, Deserialize)]
struct Value {
    at: DateTime<Utc>,
    redriven: Vec<(i64, i64)>,
}

/// A mark: these letters of one partition were redriven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The partition of the mark and of the letters.
    pub partition: i32,
    /// When.
    pub at: DateTime<Utc>,
    /// First and last offsets.
    pub redriven: Vec<(i64, i64)>,
}

impl Mark {
    /// Reads a record of the topic of `job`; `None` where it is no mark.
    pub fn read(job: &str, record: &impl LogRecord) -> Option<Self> {
        let mut headers = (0..record.header_count()).filter_map(|i| record.header(i));
        headers.find(|header| *header == (HEADER.as_bytes(), Some(job.as_bytes())))?;
        let value: Value = serde_json::from_slice(record.value()?).ok()?;
        Some(Self { partition: record.partition(), at: value.at, redriven: value.redriven })
    }

    /// The value of a mark of these offsets, made now.
    pub(crate) fn value(offsets: Vec<i64>) -> Vec<u8> {
        serde_json::to_vec(&Value { at: Utc::now(), redriven: ranges(offsets) }).unwrap_or_default()
    }
}

/// Which letters of a topic were redriven, and when: what all its marks say together.
#[derive(Debug, Clone, Default)]
pub struct Marks(BTreeMap<i32, BTreeMap<i64, (i64, DateTime<Utc>)>>);

impl Marks {
    /// Takes a mark in.
    pub fn add(&mut self, mark: &Mark) {
        let partition = self.0.entry(mark.partition).or_default();
        for &(first, last) in &mark.redriven {
            // Ranges stay apart: only what no earlier mark covers is added. Two marks meet where redrives raced.
            let mut next = first;
            while next <= last {
                let covered = partition.range(..=next).next_back().map(|(_, &(end, _))| end).filter(|&end| end >= next);
                let end = covered.unwrap_or_else(|| {
                    let end = partition.range(next..=last).next().map_or(last, |(&start, _)| start - 1);
                    partition.insert(next, (end, mark.at));
                    end
                });
                if end >= last {
                    break;
                }
                next = end + 1;
            }
        }
    }

    /// When the letter at this place was redriven, if it was.
    pub fn get(&self, partition: i32, offset: i64) -> Option<DateTime<Utc>> {
        let (_, &(last, at)) = self.0.get(&partition)?.range(..=offset).next_back()?;
        (last >= offset).then_some(at)
    }
}

/// Offsets as ranges.
fn ranges(mut offsets: Vec<i64>) -> Vec<(i64, i64)> {
    offsets.sort_unstable();
    offsets.dedup();
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for offset in offsets {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == offset => *last = offset,
            _ => ranges.push((offset, offset)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_marked_letter_and_no_other_is_found(
            batches in proptest::collection::vec(proptest::collection::btree_set(0..40i64, 1..10), 0..5),
        ) {
            let mut marks = Marks::default();
            for batch in &batches {
                let redriven = ranges(batch.iter().rev().copied().collect());
                marks.add(&Mark { partition: 1, at: DateTime::UNIX_EPOCH, redriven });
            }
            for offset in 0..40 {
                let marked = batches.iter().any(|batch| batch.contains(&offset));
                prop_assert_eq!(marks.get(1, offset).is_some(), marked);
            }
            prop_assert_eq!(marks.get(0, 0), None);
        }
    }
}
