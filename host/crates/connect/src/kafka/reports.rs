//! Librdkafka's word on each message, and on the producer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pelton_delivery::fault::Fault;
use pelton_model::status::Status;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, NoCustomPartitioner, ProducerContext};

use super::client::{PRODUCER, watch_brokers};
use super::log::log;
use super::message::Parcel;
use super::outbox::{Outbox, Refused};

/// Whether the failure lies in a record of the request and comes back however often it is tried.
pub(super) fn is_of_a_record(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::MessageSizeTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidMessage
            | Code::InvalidRecord
            | Code::InvalidDifferentRecord
    )
}

/// Librdkafka's word on each message, served by the producer's thread.
#[derive(Clone)]
pub(super) struct Reports {
    pub(super) status: Arc<Status>,
    pub(super) fault: Arc<Fault>,
    /// Where messages go back to that were refused.
    pub(super) outbox: Arc<Outbox>,
    /// Whether messages wait because no broker can be reached.
    pub(super) is_away: Arc<AtomicBool>,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.is_away.store(watch_brokers(&self.status, &PRODUCER, statistics), Ordering::Release);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::Fatal)) {
            self.fault.set(format!("the Kafka producer failed for good: {reason}"));
        }
    }
}

impl ProducerContext<NoCustomPartitioner> for Reports {
    type DeliveryOpaque = Arc<Parcel>;

    fn delivery(&self, result: &DeliveryResult<'_>, parcel: Arc<Parcel>) {
        use rdkafka::Message as _;
        match result {
            Ok(_) => parcel.tracked.group.done(),
            Err((error, message)) => match error.rdkafka_error_code() {
                Some(code) if is_of_a_record(code) => {
                    self.outbox.refuse(Refused { parcel, partition: message.partition(), code });
                }
                _ => self.fault.set(format!("failed to produce to topic {}: {error}", message.topic())),
            },
        }
    }
}
