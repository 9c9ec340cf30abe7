//! Dead letters: records that a job rejected, that broke it, or that a sink refused, kept whole with the reason.
//!
//! They go to a topic, `<job>.dlq`: key, value and headers as they came, and headers of our own (`pelton.*`) that say
//! where the record came from and why it is there. One that even that refuses is kept as a file in the host's data
//! folder. The batch is committed only when its dead letters are safe.
//!
//! This is how they are written. [`letters`](crate::letters) finds, redrives and deletes them.

use std::fmt::Debug;
use std::sync::Arc;

use pelton_delivery::delivery::Delivery;
use pelton_model::stage::Stage;

/// What the name of a dead-letter topic ends with.
const SUFFIX: &str = ".dlq";

/// Where records go that can't go on.
pub trait DeadLetters: Send + Sync + Debug {
    /// Sends record `index` of the delivery's batch to the dead letters. Never blocks for long. The delivery completes
    /// only after the dead letter is safely kept, so call it while another acknowledgement is pending.
    fn send(&self, delivery: &Arc<Delivery>, index: u32, stage: Stage, reason: &str);
}

/// The name of a job's dead-letter topic.
pub fn topic(job: &str) -> String {
    format!("{job}{SUFFIX}")
}

/// The job whose dead-letter topic that is, by its name.
pub fn job(topic: &str) -> Option<&str> {
    topic.strip_suffix(SUFFIX)
}
