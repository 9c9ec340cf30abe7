//! The dead letters of one attempt of a job, written by its producer.

use std::sync::Arc;

use pelton_delivery::delivery::Delivery;
use pelton_model::stage::Stage;

use super::letter::LetterForm;
use super::producer::JobProducer;
use crate::dead_letters::DeadLetters;

/// Writes to the job's dead-letter topic.
#[derive(Debug)]
pub(super) struct KafkaDeadLetters {
    pub(super) form: Arc<LetterForm>,
    pub(super) producer: Arc<JobProducer>,
}

impl DeadLetters for KafkaDeadLetters {
    fn send(&self, delivery: &Arc<Delivery>, index: u32, stage: Stage, reason: &str) {
        if let Some(letter) = self.form.of(delivery, index, stage, reason) {
            self.producer.send([letter]);
        }
    }
}
