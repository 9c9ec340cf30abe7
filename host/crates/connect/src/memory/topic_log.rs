//! A topic in memory to look into.

use std::collections::BTreeMap;
use std::time::Duration;

use pelton_delivery::wake::Wake;

use super::state::Record;
use super::world::Memory;
use crate::error::Error;
use crate::letters::LogRecord;
use crate::messages::{Go, Look, TopicLog};

/// How long is waited at a time for what comes.
const LOOK: Duration = Duration::from_millis(100);

/// A topic, as it was when it was opened.
#[derive(Debug)]
pub(super) struct Topic {
    memory: Memory,
    name: String,
    bounds: BTreeMap<i32, (i64, i64)>,
}

impl Topic {
    /// `None` where there is none of that name.
    pub(super) fn open(memory: &Memory, name: &str) -> Option<Self> {
        let bounds = memory.look(|state| {
            let partitions = state.topics.get(name)?.iter();
            Some((0..).zip(partitions.map(|partition| (partition.first, partition.end()))).collect())
        })?;
        Some(Self { memory: memory.clone(), name: name.to_owned(), bounds })
    }

    /// The records of a partition from an offset on, up to another one.
    fn records(&self, partition: i32, start: i64, end: i64) -> Vec<Record> {
        self.memory.look(|state| {
            let partition = state.partition(&self.name, partition);
            let from = partition.map(|partition| partition.from(start.max(partition.first)));
            from.into_iter().flatten().take_while(|record| record.offset < end).cloned().collect()
        })
    }
}

impl TopicLog for Topic {
    fn bounds(&self) -> &BTreeMap<i32, (i64, i64)> {
        &self.bounds
    }

    fn at_time(&self, millis: i64) -> Result<BTreeMap<i32, i64>, Error> {
        let found = |(&partition, &(first, end)): (&i32, &(i64, i64))| {
            let records = self.records(partition, first, end);
            Some((partition, records.iter().find(|record| record.timestamp >= millis)?.offset))
        };
        Ok(self.bounds.iter().filter_map(found).collect())
    }

    fn read(&self, starts: &BTreeMap<i32, i64>, follow: bool, look: &mut Look<'_>) -> Result<(), Error> {
        let mut starts = starts.clone();
        let wake = Wake::default();
        let _listening = self.memory.listen(&wake);
        loop {
            for (&partition, start) in &mut starts {
                let Some(&(_, end)) = self.bounds.get(&partition) else { continue };
                for record in self.records(partition, *start, if follow { i64::MAX } else { end }) {
                    *start = record.offset + 1;
                    match look(Some(&record as &dyn LogRecord)) {
                        Go::On => {}
                        Go::Leave => {
                            *start = i64::MAX;
                            break;
                        }
                        Go::Stop => return Ok(()),
                    }
                }
            }
            if !follow || look(None) == Go::Stop {
                return Ok(());
            }
            self.memory.clock.wait(&wake, LOOK);
        }
    }
}
