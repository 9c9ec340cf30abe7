//! Dead letters in memory, to be read, marked and deleted.

use std::collections::BTreeMap;

use super::state::Record;
use super::world::Memory;
use crate::dead_letters::topic;
use crate::error::Error;
use crate::letters::marks::{HEADER, Mark};
use crate::letters::store::{Item, LetterLog, Visit};
use crate::letters::{MarkError, Marker};

/// A job's dead-letter topic, as it was when it was opened.
#[derive(Debug)]
pub(super) struct Log {
    memory: Memory,
    job: String,
    name: String,
    bounds: BTreeMap<i32, (i64, i64)>,
}

impl Log {
    pub(super) fn open(memory: &Memory, job: &str) -> Option<Self> {
        let name = topic(job);
        let bounds = memory.look(|state| {
            let partitions = state.topics.get(&name)?.iter();
            Some((0..).zip(partitions.map(|partition| (partition.first, partition.end()))).collect())
        })?;
        Some(Self { memory: memory.clone(), job: job.to_owned(), name, bounds })
    }
}

impl LetterLog for Log {
    fn name(&self) -> &str {
        &self.name
    }

    fn bounds(&self) -> &BTreeMap<i32, (i64, i64)> {
        &self.bounds
    }

    fn read_from(&self, starts: &BTreeMap<i32, i64>, visit: &mut Visit<'_>) -> Result<(), Error> {
        for (&partition, &start) in starts {
            let Some(&(first, end)) = self.bounds.get(&partition) else { continue };
            // Copied, since the visit may write.
            let records: Vec<Record> = self.memory.look(|state| {
                let partition = state.partition(&self.name, partition);
                let from = partition.map(|partition| partition.from(start.max(first)));
                from.into_iter().flatten().take_while(|record| record.offset < end).cloned().collect()
            });
            for record in &records {
                if visit(Item::of(&self.job, record)).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn delete_before(&self, offsets: &BTreeMap<i32, i64>) -> Result<(), Error> {
        for (&partition, &offset) in offsets {
            self.memory.delete_before(&self.name, partition, offset);
        }
        Ok(())
    }
}

/// Writes marks, while no other redrive of the job has begun.
#[derive(Debug)]
pub(super) struct LogMarker {
    memory: Memory,
    job: String,
    number: u64,
}

impl LogMarker {
    pub(super) fn begin(memory: &Memory, job: &str) -> Self {
        let number = memory.with(|state| {
            let number = state.redrives.entry(job.to_owned()).or_default();
            *number += 1;
            *number
        });
        Self { memory: memory.clone(), job: job.to_owned(), number }
    }
}

impl Marker for LogMarker {
    fn mark(&self, letters: BTreeMap<i32, Vec<i64>>) -> Result<(), MarkError> {
        let header = (HEADER.as_bytes().into(), Some(self.job.as_bytes().into()));
        self.memory.with(|state| {
            if state.redrives.get(&self.job) != Some(&self.number) {
                return Err(MarkError::Fenced);
            }
            if let Some(reason) = &state.topics_away {
                return Err(MarkError::NotTaken(reason.clone()));
            }
            for (partition, offsets) in letters {
                let value = Some(Mark::value(offsets));
                let record = Record { partition, value, headers: vec![header.clone()], ..Record::default() };
                state.write(&topic(&self.job), record).map_err(MarkError::NotTaken)?;
            }
            Ok(())
        })
    }
}
