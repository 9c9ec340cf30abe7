//! Reading a job's dead-letter topic from one offset to the end that it has at the start of the reading.
//!
//! The reader is in no group and commits nothing, so it disturbs neither the job nor anybody else. Whatever it finds is
//! shown to a visitor while it is borrowed from the fetch buffer: memory is bounded by that buffer and by what the
//! visitor keeps.

use std::collections::BTreeMap;

use anyhow::Result;
use pelton_model::settings;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};
use tokio::runtime::Handle;

use super::admin::Admin;
use super::client::{NAME, REQUEST_TIMEOUT, client};
use super::reader::{bounds, read};
use crate::dead_letters::topic;
use crate::error::Error;
use crate::letters::store::{Item, LetterLog, Visit};
use crate::messages::Go;

/// What its clients call themselves.
const CLIENT: &str = "pelton-dead-letters";

/// A job's dead-letter topic, as it is now.
pub(super) struct Topic {
    runtime: Handle,
    kafka: settings::Kafka,
    job: String,
    name: String,
    /// The first offset and the one after the last, by partition.
    bounds: BTreeMap<i32, (i64, i64)>,
}

impl std::fmt::Debug for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Topic").field("name", &self.name).field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

impl Topic {
    /// Looks at the topic of a job; `None` where there is none.
    pub(super) fn open(kafka: &settings::Kafka, runtime: &Handle, job: &str) -> Result<Option<Self>> {
        let name = topic(job);
        let Some(partitions) = Admin::new(kafka)?.partitions(&name)? else { return Ok(None) };
        let bounds = bounds(kafka, CLIENT, &name, partitions)?;
        Ok(Some(Self { runtime: runtime.clone(), kafka: kafka.clone(), job: job.to_owned(), name, bounds }))
    }

    fn visit(&self, starts: &BTreeMap<i32, i64>, visit: &mut Visit<'_>) -> Result<()> {
        // From where to where, of each partition that has anything there.
        let mut ranges = BTreeMap::new();
        for (&partition, &start) in starts {
            let Some(&(first, end)) = self.bounds.get(&partition) else { continue };
            if start < end {
                ranges.insert(partition, (start.max(first), Some(end)));
            }
        }
        read(&self.kafka, CLIENT, &self.name, ranges, &mut |record| match record {
            Some(record) if visit(Item::of(&self.job, record)).is_break() => Go::Stop,
            _ => Go::On,
        })
    }
}

impl LetterLog for Topic {
    fn name(&self) -> &str {
        &self.name
    }

    fn bounds(&self) -> &BTreeMap<i32, (i64, i64)> {
        &self.bounds
    }

    fn read_from(&self, starts: &BTreeMap<i32, i64>, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.visit(starts, visit).map_err(|error| Error::unavailable(NAME, error))
    }

    fn delete_before(&self, offsets: &BTreeMap<i32, i64>) -> Result<(), Error> {
        let delete = || -> Result<()> {
            let mut list = TopicPartitionList::new();
            for (&partition, &offset) in offsets {
                list.add_partition_offset(&self.name, partition, Offset::Offset(offset))?;
            }
            let admin: AdminClient<DefaultClientContext> = client(&self.kafka, "pelton-admin").create()?;
            let timeout = Some(REQUEST_TIMEOUT);
            let options = AdminOptions::new().operation_timeout(timeout).request_timeout(timeout);
            let results = self.runtime.block_on(admin.delete_records(&list, &options))?;
            results.elements().iter().try_for_each(|element| element.error())?;
            Ok(())
        };
        delete().map_err(|error| {
            Error::unavailable(NAME, format!("Kafka did not delete the records of {}: {error:#}", self.name))
        })
    }
}
