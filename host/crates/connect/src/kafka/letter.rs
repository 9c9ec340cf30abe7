//! What a dead letter is made of: a message of the dead-letter topic, or a file.

use std::path::Path;
use std::sync::Arc;

use pelton_delivery::delivery::Delivery;
use pelton_model::metrics::JobMetrics;
use pelton_model::stage::Stage;

use super::message::{Body, Group, Kind, Message, Tracked};
use crate::dead_letters::topic;
use crate::letters::FileError;
use crate::letters::files::Files;
use crate::letters::form;

/// Makes the dead letters of one attempt of a job.
#[derive(Debug)]
pub(super) struct LetterForm {
    job: Arc<str>,
    topic: Arc<str>,
    files: Files,
    counts: JobMetrics,
}

impl LetterForm {
    /// Those of `job`, counted at `counts`; files go to the folder of all jobs' dead letters.
    pub(super) fn new(job: &Arc<str>, folder: &Path, counts: &JobMetrics) -> Self {
        Self { job: Arc::clone(job), topic: topic(job).into(), files: Files::new(folder, job), counts: counts.clone() }
    }

    /// The letter of record `index`, as a message, unless there is none to be. The delivery expects it from here on.
    pub(super) fn of(
        &self,
        delivery: &Arc<Delivery>,
        index: u32,
        stage: Stage,
        reason: &str,
    ) -> Option<(Message, Tracked)> {
        let batch = delivery.batch();
        let i = index as usize;
        if !delivery.gives_up(i, stage) {
            return None;
        }
        let offset = batch.offsets.get(i).copied().unwrap_or(-1);
        tracing::debug!(
            job.name = &*self.job,
            kafka.topic = &*batch.topic,
            kafka.partition = batch.partition,
            kafka.offset = offset,
            "dead letter ({}): {reason}",
            stage.as_str()
        );
        let (key, value) = (batch.keys.get(i), batch.values.get(i));
        let bytes = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
        let group = Group::new(
            delivery,
            1,
            bytes,
            batch.letter_bytes(i, reason),
            Kind::DeadLetter(self.counts.dead_letters(stage).clone(), stage, reason.to_owned()),
        );
        let headers = form::headers(&self.job, delivery, i, stage, reason);
        let timestamp = batch.timestamps.get(i).copied().unwrap_or(-1);
        let topic = Arc::clone(&self.topic);
        let message = Message { topic, body: Body::OfRecord, timestamp, headers };
        Some((message, Tracked { group, index }))
    }

    /// The letter of a record of which the broker has refused a message.
    pub(super) fn of_refused(&self, delivery: &Arc<Delivery>, index: u32, refusal: &str) -> Option<(Message, Tracked)> {
        self.of(delivery, index, Stage::Sink, &format!("the broker refused the message: {refusal}"))
    }

    /// Keeps the letter of record `index` as a file, since the topic has refused it.
    ///
    /// # Errors
    /// The file can't be written.
    pub(super) fn keep(
        &self,
        delivery: &Delivery,
        index: u32,
        stage: Stage,
        reason: &str,
        refusal: &str,
    ) -> Result<(), FileError> {
        let kept = form::file(&self.job, delivery, index as usize, stage, reason, refusal);
        let path = self.files.keep(&kept)?;
        tracing::warn!(
            job.name = &*self.job,
            "the dead-letter topic refused a record ({refusal}); it is kept in {}",
            path.display()
        );
        Ok(())
    }
}
