//! Writing dead letters to memory.

use std::sync::Arc;

use pelton_delivery::delivery::Delivery;
use pelton_model::stage::Stage;

use super::topics::Shared;
use crate::dead_letters::DeadLetters;

/// Writes to the job's dead-letter topic.
#[derive(Debug)]
pub(super) struct MemoryDeadLetters(pub(super) Arc<Shared>);

impl DeadLetters for MemoryDeadLetters {
    fn send(&self, delivery: &Arc<Delivery>, index: u32, stage: Stage, reason: &str) {
        self.0.give_up(delivery, index, stage, reason);
    }
}
