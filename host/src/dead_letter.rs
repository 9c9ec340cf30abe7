//! Dead letters: records that a job rejected, that broke it, or that a sink refused, kept whole with the reason.
//!
//! They go to the topic `<job>.dlq`: key, value and headers as they came, and headers of our own (`pelton.*`) that say
//! where the record came from and why it is there. One that is too large even for that topic is kept as a file in the
//! host's data folder. The batch is committed only when its dead letters are safe.
//!
//! This file writes them. [`list`] finds them again, [`redrive`] sends them through the job once more, [`purge`] deletes
//! them.

pub mod files;
pub mod letter;
pub mod list;
pub mod marks;
pub mod purge;
pub mod read;
pub mod redrive;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, SecondsFormat, SubsecRound as _, Utc};

pub use pelton_model::stage::Stage;

use crate::metrics::JobMetrics;
use crate::pipeline::ack::Delivery;
use crate::pipeline::fault::Fault;
use crate::sink::kafka::{Body, Group, KafkaSink, Kind, Message, Tracked, Undeliverable};

/// Where records go that can't go on.
pub trait DeadLetters: Send + Sync {
    /// Sends record `index` of the delivery's batch to the dead letters. Never blocks for long. The delivery completes
    /// only after the dead letter is safely kept, so call it while another acknowledgement is pending.
    fn send(&self, delivery: &Arc<Delivery>, index: u32, stage: Stage, reason: &str);
}

/// The time as letters have it: no finer than milliseconds.
fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}

/// The name of a job's dead-letter topic.
pub fn topic(job: &str) -> String {
    format!("{job}.dlq")
}

/// The dead letters of one attempt of a job.
#[derive(Debug)]
pub struct KafkaDeadLetters {
    /// The job's name.
    pub job: String,
    /// The job's producer.
    pub sink: Arc<KafkaSink>,
    /// Where files go.
    pub folder: PathBuf,
    /// For what can't be kept anywhere.
    pub fault: Arc<Fault>,
    /// Counts.
    pub metrics: JobMetrics,
}

impl DeadLetters for KafkaDeadLetters {
    fn send(&self, delivery: &Arc<Delivery>, index: u32, stage: Stage, reason: &str) {
        let batch = delivery.batch();
        let i = index as usize;
        let Some(&offset) = batch.offsets.get(i) else { return };
        tracing::debug!(
            job.name = self.job,
            kafka.topic = &*batch.topic,
            kafka.partition = batch.partition,
            kafka.offset = offset,
            "dead letter ({}): {reason}",
            stage.as_str()
        );
        delivery.gave_up(i, stage);
        let (key, value) = (batch.keys.get(i), batch.values.get(i));
        let bytes = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
        let group = Group::new(
            delivery,
            1,
            bytes,
            Kind::DeadLetter(self.metrics.dead_letters(stage).clone(), stage, reason.to_owned()),
        );
        let (partition, offset, at) =
            (batch.partition.to_string(), offset.to_string(), now().to_rfc3339_opts(SecondsFormat::Millis, true));
        let by = delivery.handled_by();
        let coordinates = [
            ("pelton.job", self.job.as_str()),
            ("pelton.version", &by.declared),
            ("pelton.digest", &by.digest),
            ("pelton.topic", &batch.topic),
            ("pelton.partition", &partition),
            ("pelton.offset", &offset),
            ("pelton.stage", stage.as_str()),
            ("pelton.error", reason),
            ("pelton.at", &at),
        ];
        let own = coordinates.iter().map(|(name, value)| (name.as_bytes(), Some(value.as_bytes())));
        let headers = delivery.outgoing(i, batch.headers.of(i).chain(own));
        let timestamp = batch.timestamps.get(i).copied().unwrap_or(-1);
        let topic = topic(&self.job).into();
        let message = Message { topic, body: Body::OfRecord, timestamp, headers };
        self.sink.send([(message, Tracked { group, index })]);
    }
}

impl KafkaDeadLetters {
    /// Takes a message that the broker will never take: an output becomes a dead letter, a dead letter a file.
    pub fn undeliverable(&self, Undeliverable { message, reason }: Undeliverable) {
        let Tracked { group, index } = message;
        if let Some((stage, why)) = group.dead_letter_reason() {
            match self.keep_file(group.delivery(), index, stage, why, &reason) {
                Ok(path) => {
                    tracing::warn!(
                        job.name = self.job,
                        "the dead-letter topic refused a record ({reason}); it is kept in {}",
                        path.display()
                    );
                }
                Err(error) => return self.fault.set(format!("{error:#}")),
            }
        } else {
            self.send(group.delivery(), index, Stage::Sink, &format!("the broker refused the message: {reason}"));
        }
        group.done();
    }

    fn keep_file(&self, delivery: &Delivery, index: u32, stage: Stage, reason: &str, refusal: &str) -> Result<PathBuf> {
        let batch = delivery.batch();
        let i = index as usize;
        let encoded = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
        let headers = batch.headers.of(i);
        let by = delivery.handled_by();
        let kept = files::Kept {
            job: self.job.clone(),
            version: by.declared.clone(),
            digest: by.digest.clone(),
            topic: batch.topic.to_string(),
            partition: batch.partition,
            offset: batch.offsets.get(i).copied().unwrap_or(-1),
            timestamp: batch.timestamps.get(i).copied().unwrap_or(-1),
            stage,
            error: reason.to_owned(),
            at: now(),
            kept_here_because: format!("the dead-letter topic refused it: {refusal}"),
            headers_base64: headers.map(|(k, v)| (String::from_utf8_lossy(k).into_owned(), v.map(encoded))).collect(),
            key_base64: batch.keys.get(i).map(encoded),
            value_base64: batch.values.get(i).map(encoded),
            redriven: None,
        };
        files::Files::new(&self.folder, &self.job).keep(&kept)
    }
}
