//! Writing marks, in transactions under one transactional id per job: whoever begins a redrive fences every one before,
//! on any host.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use pelton_model::settings;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::client::producer;
use crate::dead_letters::topic;
use crate::letters::marks::{HEADER, Mark};
use crate::letters::{MarkError, Marker};

/// For one request about a transaction. The first one on a cluster makes the broker set up its log of transactions.
const TRANSACTION: Duration = Duration::from_secs(30);

impl From<KafkaError> for MarkError {
    fn from(error: KafkaError) -> Self {
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::InvalidProducerEpoch,
            ) => Self::Fenced,
            _ => Self::NotTaken(error.to_string()),
        }
    }
}

/// Writes marks, for one redrive.
pub(super) struct TopicMarker {
    job: String,
    topic: String,
    producer: BaseProducer,
}

impl std::fmt::Debug for TopicMarker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TopicMarker").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl TopicMarker {
    /// Begins a redrive: any other of the same job writes no mark from now on. Read the marks that there are after
    /// this.
    pub(super) fn begin(kafka: &settings::Kafka, job: &str) -> Result<Self> {
        let topic = topic(job);
        let producer: BaseProducer = producer(kafka, "pelton-redrive")
            .set("transactional.id", format!("pelton-redrive-{job}"))
            .set("transaction.timeout.ms", "60000")
            .set("message.timeout.ms", "30000")
            .create()
            .context("failed to make a Kafka producer for marks")?;
        producer.init_transactions(TRANSACTION).context("failed to begin transactions for marks in Kafka")?;
        Ok(Self { job: job.to_owned(), topic, producer })
    }
}

impl Marker for TopicMarker {
    fn mark(&self, letters: BTreeMap<i32, Vec<i64>>) -> Result<(), MarkError> {
        self.producer.begin_transaction()?;
        for (partition, offsets) in letters {
            let value = Mark::value(offsets);
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
