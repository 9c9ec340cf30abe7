//! A consumer that joins no group and commits nothing, and how it notices that there is no broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use pelton_delivery::wake::Wake;
use pelton_model::settings;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::client::{client, find_broker, reads_ahead, refused};
use super::log::log;

/// How long nothing may come before it is asked whether there is a broker at all, and how long that may take.
const PROBE_AFTER: Duration = Duration::from_secs(10);
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Its settings: those of a job's consumer, without what makes that a member of a group.
pub(super) fn settings_of(kafka: &settings::Kafka) -> ClientConfig {
    let mut settings = client(kafka, "pelton-feeds");
    reads_ahead(&mut settings);
    for (key, value) in kafka.consumer.iter().filter(|(key, _)| !key.starts_with("group.")) {
        settings.set(key, value);
    }
    settings
        // Librdkafka assigns nothing to a consumer without one. It neither joins it nor commits for it.
        .set("group.id", "pelton-feeds")
        .set("enable.auto.commit", "false")
        // As the consumers of jobs.
        .set("auto.offset.reset", "earliest");
    settings
}

/// A consumer with such settings; `wake` is called when there is something for it.
pub(super) fn consumer(settings: &ClientConfig, wake: &Arc<Wake>) -> Result<BaseConsumer<Watching>> {
    let consumer = settings.create_with_context(Watching::default()).map_err(refused);
    let mut consumer: BaseConsumer<Watching> = consumer.context("failed to make a consumer")?;
    let wake = Arc::clone(wake);
    consumer.set_nonempty_callback(move || wake.call());
    Ok(consumer)
}

/// What it is told beside records.
#[derive(Default)]
pub(super) struct Watching {
    /// Whether no broker can be reached.
    is_away: AtomicBool,
}

impl ClientContext for Watching {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("Kafka consumer of the feeds: {error}: {reason}");
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.is_away.store(true, Ordering::Release);
        }
    }
}

impl ConsumerContext for Watching {}

/// Signs of a broker: where there are none, and none can be had, librdkafka may have lost it without telling.
pub(super) struct Signs {
    last: Instant,
}

impl Default for Signs {
    fn default() -> Self {
        Self { last: Instant::now() }
    }
}

impl Signs {
    /// A record has come.
    pub(super) fn seen(&mut self) {
        self.last = Instant::now();
    }

    /// Looks whether there is a broker; the consumer is of no use any more where there is none.
    pub(super) fn look(&mut self, consumer: &BaseConsumer<Watching>) -> Result<(), NoBroker> {
        if consumer.context().is_away.load(Ordering::Acquire) {
            return Err(NoBroker);
        }
        if self.last.elapsed() >= PROBE_AFTER {
            find_broker(consumer.client(), PROBE_TIMEOUT).map_err(|_| NoBroker)?;
            self.last = Instant::now();
        }
        Ok(())
    }
}

/// No broker can be reached.
#[derive(Debug, thiserror::Error)]
#[error("no Kafka broker is reachable")]
pub(super) struct NoBroker;
