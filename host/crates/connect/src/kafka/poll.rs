//! What all consumers do with what a poll gives.

use anyhow::{Result, bail};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// How many records are read before anything else is looked at.
pub(super) const STRETCH: usize = 500;

/// Errors of a poll: most pass by themselves and are told by the status; some need another attempt.
pub(super) fn check(error: &KafkaError) -> Result<()> {
    use RDKafkaErrorCode as Code;
    match error.rdkafka_error_code() {
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => bail!("a topic of the job does not exist: {error}"),
        Some(
            Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed | Code::Fatal | Code::FencedInstanceId,
        ) => {
            bail!("failed to read from Kafka: {error}")
        }
        _ => {
            tracing::debug!("Kafka: {error}");
            Ok(())
        }
    }
}
