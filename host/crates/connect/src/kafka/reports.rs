//! Librdkafka's word on each message, and on the producer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pelton_delivery::fault::Fault;
use pelton_model::status::Status;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{DeliveryResult, NoCustomPartitioner, ProducerContext};

use super::client::{PRODUCER, watch_brokers};
use super::faults::{Whose, whose};
use super::log::log;
use super::message::Parcel;
use super::outbox::{Outbox, Refused};
use super::reach::Failures;

/// Librdkafka's word on each message, served by the producer's thread.
#[derive(Clone)]
pub(super) struct Reports {
    pub(super) status: Arc<Status>,
    pub(super) fault: Arc<Fault>,
    /// Where messages go back to that were refused.
    pub(super) outbox: Arc<Outbox>,
    /// Whether messages wait because no broker can be reached.
    pub(super) is_away: Arc<AtomicBool>,
    pub(super) failures: Failures,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.failures.hear(facility, message);
        log(level, facility, message);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.is_away.store(watch_brokers(&self.status, &PRODUCER, &self.failures, statistics), Ordering::Release);
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
        match result {
            Ok(_) => parcel.tracked.group.done(),
            Err((error, message)) => self.refuse(error, message.partition(), parcel),
        }
    }
}

impl Reports {
    /// A message was not taken: what can be sent again, or made a dead letter, goes back to the sender.
    pub(super) fn refuse(&self, error: &KafkaError, partition: i32, parcel: Arc<Parcel>) {
        let fault = error.rdkafka_error_code().map(|code| (whose(code), code));
        let advice = match fault {
            Some((Whose::Record | Whose::Cluster, code)) => {
                return self.outbox.refuse(Refused { parcel, partition, code });
            }
            Some((Whose::Client, _)) => "the job goes on from what is committed, with another client",
            Some((Whose::Ours | Whose::Nobody, _)) | None => "this is a bug in Pelton, please report it",
        };
        self.fault.set(format!("failed to produce to topic {}: {error}; {advice}", parcel.message.topic));
    }
}
