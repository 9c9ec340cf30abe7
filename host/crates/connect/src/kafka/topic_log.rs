//! A topic to look into.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use pelton_model::settings;
use rdkafka::consumer::Consumer as _;
use rdkafka::{Offset, TopicPartitionList};

use super::admin::Admin;
use super::client::{NAME, REQUEST_TIMEOUT};
use super::reader::{bounds, consumer, read};
use crate::error::Error;
use crate::messages::{Go, Look, TopicLog};

/// What its clients call themselves.
const CLIENT: &str = "pelton-tail";

fn unavailable(error: anyhow::Error) -> Error {
    Error::unavailable(NAME, error)
}

/// A topic, as it was when it was opened.
pub(super) struct Topic {
    kafka: settings::Kafka,
    name: String,
    bounds: BTreeMap<i32, (i64, i64)>,
}

impl std::fmt::Debug for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Topic").field("name", &self.name).field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

impl Topic {
    /// `None` where there is none of that name.
    pub(super) fn open(kafka: &settings::Kafka, admin: &Admin, name: &str) -> Result<Option<Self>, Error> {
        let Some(partitions) = admin.partitions(name)? else { return Ok(None) };
        let bounds = bounds(kafka, CLIENT, name, partitions).map_err(unavailable)?;
        Ok(Some(Self { kafka: kafka.clone(), name: name.to_owned(), bounds }))
    }

    fn find(&self, millis: i64) -> Result<BTreeMap<i32, i64>> {
        let mut asked = TopicPartitionList::new();
        for &partition in self.bounds.keys() {
            asked.add_partition_offset(&self.name, partition, Offset::Offset(millis))?;
        }
        let found = consumer(&self.kafka, CLIENT)?
            .offsets_for_times(asked, REQUEST_TIMEOUT)
            .with_context(|| format!("failed to look for offsets of {} by their time", self.name))?;
        let mut offsets = BTreeMap::new();
        for element in found.elements() {
            element.error().with_context(|| format!("failed to look into {}/{}", self.name, element.partition()))?;
            if let Offset::Offset(offset) = element.offset() {
                offsets.insert(element.partition(), offset);
            }
        }
        Ok(offsets)
    }
}

impl TopicLog for Topic {
    fn bounds(&self) -> &BTreeMap<i32, (i64, i64)> {
        &self.bounds
    }

    fn at_time(&self, millis: i64) -> Result<BTreeMap<i32, i64>, Error> {
        self.find(millis).map_err(unavailable)
    }

    fn read(&self, starts: &BTreeMap<i32, i64>, follow: bool, look: &mut Look<'_>) -> Result<(), Error> {
        let range = |(&partition, &start): (&i32, &i64)| {
            let &(first, end) = self.bounds.get(&partition)?;
            (follow || start < end).then(|| (partition, (start.max(first), (!follow).then_some(end))))
        };
        let ranges = starts.iter().filter_map(range).collect();
        let mut show =
            |record: Option<&super::reader::Record<'_, '_>>| -> Go { look(record.map(|record| record as _)) };
        read(&self.kafka, CLIENT, &self.name, ranges, &mut show).map_err(unavailable)
    }
}
