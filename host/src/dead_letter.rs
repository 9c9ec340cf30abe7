//! Dead letters: records that a job rejected, that broke it, or that a sink refused, kept whole with the reason.

use std::sync::Arc;

use crate::pipeline::ack::Delivery;

/// Who gave up on a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The job said so: its verdict.
    Reject,
    /// The job failed on it: trap, time, memory, an error, or an answer that breaks the contract.
    Guest,
    /// A sink refused what the job made of it.
    Sink,
}

impl Stage {
    /// The name in headers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Guest => "guest",
            Self::Sink => "sink",
        }
    }
}

/// Where records go that can't go on.
pub trait DeadLetters: Send + Sync {
    /// Sends record `index` of the delivery's batch to the dead letters. Never blocks for long. The delivery completes
    /// only after the dead letter is safely kept, so call it while another acknowledgement is pending.
    fn send(&self, delivery: &Arc<Delivery>, index: u32, stage: Stage, reason: &str);
}
