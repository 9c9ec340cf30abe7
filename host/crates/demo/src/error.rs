//! Why the demo or the sensors end badly.

use pelton_model::cause::Cause;

/// What failed, each with the words of what it failed at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A part of the demo did not start, or did not end in good order.
    #[error("{0}")]
    Demo(Cause),
    /// The host did not start, or refused a job.
    #[error("{0}")]
    Host(Cause),
    /// Readings can't be sent, or were not delivered: to which topic of which Kafka, and why.
    #[error("{0}")]
    Simulate(Cause),
}
