//! Marks: what tells that letters were redriven. They stand in the dead-letter topic itself, so every host sees them and
//! they live as long as the letters.
//!
//! A mark is a record in the partition of its letters: no key, the header `pelton.mark` with the job's name, and as value
//! `{"at": time, "redriven": [[first, last], …]}`, offsets of letters in that partition. Marks are written in transactions
//! under one transactional id per job: whoever begins a redrive fences every one before, on any host.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use rdkafka::Message;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde::{Deserialize, Serialize};

use crate::config;
use crate::kafka::producer;

const HEADER: &str = "pelton.mark";
/// For one request about a transaction. The first one on a cluster makes the broker set up its log of transactions.
const TRANSACTION: Duration = Duration::from_secs(30);

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
    pub fn read(job: &str, message: &BorrowedMessage<'_>) -> Option<Self> {
        let headers = message.headers()?;
        headers.iter().find(|header| header.key == HEADER && header.value == Some(job.as_bytes()))?;
        let value: Value = serde_json::from_slice(message.payload()?).ok()?;
        Some(Self { partition: message.partition(), at: value.at, redriven: value.redriven })
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

/// Why a mark was not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another redrive of the job has begun since, perhaps on another host.
    #[error("another redrive of the job has begun")]
    Fenced,
    /// Kafka did not take it.
    #[error("failed to mark letters as redriven: {0}")]
    Kafka(KafkaError),
}

impl From<KafkaError> for Error {
    fn from(error: KafkaError) -> Self {
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::InvalidProducerEpoch,
            ) => Self::Fenced,
            _ => Self::Kafka(error),
        }
    }
}

/// Writes marks, for one redrive.
pub struct Marker {
    job: String,
    topic: String,
    producer: BaseProducer,
}

impl std::fmt::Debug for Marker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Marker").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Marker {
    /// Begins a redrive: any other of the same job writes no mark from now on. Read the marks that there are after this.
    pub fn begin(kafka: &config::Kafka, job: &str) -> Result<Self> {
        let topic = super::topic(job);
        let producer: BaseProducer = producer(kafka, "pelton-redrive")
            .set("transactional.id", format!("pelton-redrive-{job}"))
            .set("transaction.timeout.ms", "60000")
            .set("message.timeout.ms", "30000")
            .create()
            .context("failed to make a Kafka producer for marks")?;
        producer.init_transactions(TRANSACTION).context("failed to begin transactions for marks in Kafka")?;
        Ok(Self { job: job.to_owned(), topic, producer })
    }

    /// Marks letters: all of them or none. After an error the redrive must end.
    pub fn mark(&self, letters: BTreeMap<i32, Vec<i64>>) -> Result<(), Error> {
        self.producer.begin_transaction()?;
        for (partition, offsets) in letters {
            let value = Value { at: Utc::now(), redriven: ranges(offsets) };
            let value = serde_json::to_vec(&value).unwrap_or_default();
            let header = Header { key: HEADER, value: Some(self.job.as_bytes()) };
            let record = BaseRecord::<(), [u8]>::to(&self.topic)
                .partition(partition)
                .payload(&value)
                .headers(OwnedHeaders::new().insert(header));
            self.producer.send(record).map_err(|(error, _)| error)?;
        }
        Ok(self.producer.commit_transaction(TRANSACTION)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_marked_letter_and_no_other_is_found(batches in proptest::collection::vec(proptest::collection::btree_set(0..40i64, 1..10), 0..5)) {
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
