//! Readings on their way to a topic, at a steady rate.
//!
//! The rate doesn't drift: reading n is due n/rate seconds after the first, and what a slow broker or an outage held
//! back is caught up. Every reading that was sent is delivered before the end, or the end fails and says how many were
//! not.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use pelton_connect::kafka::{log, producer, refused};
use pelton_model::cause::Because as _;
use pelton_model::settings;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};

use crate::error::Error;
use crate::sensors::Sensors;

/// How long the end waits for readings that are still under way.
const FLUSH: Duration = Duration::from_secs(10);
/// Most readings that wait in memory while the broker is slow or away.
const QUEUE: &str = "100000";
/// How many readings are sent before whoever wants to stop is heard.
const TURN: u64 = 1000;

/// Sends readings to a topic, without a key as the article does, so that they spread over its partitions.
pub struct Simulator {
    producer: ThreadedProducer<Deliveries>,
    topic: String,
    sensors: Sensors,
    /// The reading that is to be sent next; empty where it isn't made yet.
    next: String,
    sent: u64,
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulator").field("topic", &self.topic).field("sent", &self.sent).finish_non_exhaustive()
    }
}

impl Simulator {
    /// A simulator; does not connect yet.
    ///
    /// # Errors
    /// No client can be made with the settings.
    pub fn new(kafka: &settings::Kafka, topic: &str, sensors: Sensors) -> Result<Self, Error> {
        let mut config = producer(kafka, "pelton-simulate");
        config.set("queue.buffering.max.messages", QUEUE).set("statistics.interval.ms", "0");
        let context = Deliveries { bootstrap: kafka.bootstrap.clone(), ..Deliveries::default() };
        let producer = config.create_with_context(context).map_err(refused);
        let producer = producer.context("failed to make a Kafka producer").because(Error::Simulate)?;
        Ok(Self { producer, topic: topic.to_owned(), sensors, next: String::new(), sent: 0 })
    }

    /// Sends `rate` readings a second (0: no limit) until there are `count` or `stop` completes. `each_turn` gets the
    /// number delivered so far.
    ///
    /// # Errors
    /// A reading that the broker refuses for good, as when the topic is gone. A broker that is away is waited for.
    pub async fn run(
        &mut self,
        rate: f64,
        count: Option<u64>,
        stop: impl Future<Output = ()>,
        each_turn: impl FnMut(u64),
    ) -> Result<(), Error> {
        self.send_all(rate, count, stop, each_turn).await.because(Error::Simulate)
    }

    async fn send_all(
        &mut self,
        rate: f64,
        count: Option<u64>,
        stop: impl Future<Output = ()>,
        mut each_turn: impl FnMut(u64),
    ) -> Result<()> {
        let (started, first) = (Instant::now(), self.sent);
        tokio::pin!(stop);
        loop {
            if let Some(failure) = self.producer.context().failure.get() {
                bail!("failed to deliver a reading to topic {}: {failure}", self.topic);
            }
            let limit = count.unwrap_or(u64::MAX);
            let due = due(rate, started.elapsed()).min(limit) - (self.sent - first).min(limit);
            let there_is_room = self.send(due.min(TURN))?;
            each_turn(self.delivered());
            let sent = self.sent - first;
            if sent >= limit {
                return Ok(());
            }
            let wait = match (there_is_room, due > TURN) {
                (false, _) => Duration::from_millis(1),
                (true, true) => Duration::ZERO,
                (true, false) => until(rate, sent).saturating_sub(started.elapsed()),
            };
            tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                () = pause(wait) => {}
            }
        }
    }

    /// How many readings Kafka has.
    pub fn delivered(&self) -> u64 {
        self.producer.context().delivered.load(Ordering::Relaxed)
    }

    /// Waits until all readings are delivered, and says how many that are.
    ///
    /// # Errors
    /// Some were not.
    pub async fn finish(self) -> Result<u64, Error> {
        self.deliver().await.because(Error::Simulate)
    }

    async fn deliver(self) -> Result<u64> {
        let (producer, sent) = (self.producer, self.sent);
        let producer = tokio::task::spawn_blocking(move || {
            // What it can't deliver shows in the count.
            let _ = producer.flush(FLUSH);
            producer
        })
        .await
        .context("failed to wait for deliveries")?;
        let deliveries = producer.context();
        let delivered = deliveries.delivered.load(Ordering::Relaxed);
        ensure!(
            delivered == sent,
            "{} of {sent} readings were not delivered to topic {} of {}",
            sent - delivered,
            self.topic,
            deliveries.bootstrap
        );
        Ok(delivered)
    }

    /// Hands so many readings to the producer; false where its queue is full before.
    fn send(&mut self, count: u64) -> Result<bool> {
        use std::fmt::Write as _;
        for _ in 0..count {
            if self.next.is_empty() {
                let reading = self.sensors.next().context("the clock has come to its end")?;
                write!(self.next, "{reading}")?;
            }
            let record = BaseRecord::<(), str>::to(&self.topic).payload(&self.next);
            match self.producer.send(record) {
                Ok(()) => {}
                Err((error, _)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => return Ok(false),
                Err((error, _)) => bail!("failed to send a reading to topic {}: {error}", self.topic),
            }
            self.next.clear();
            self.sent += 1;
        }
        Ok(true)
    }
}

/// How many readings are due after `elapsed`; the first is at once.
fn due(rate: f64, elapsed: Duration) -> u64 {
    // The cast saturates.
    if rate > 0.0 { (elapsed.as_secs_f64() * rate) as u64 + 1 } else { u64::MAX }
}

/// When reading `index` (from 0) is due.
fn until(rate: f64, index: u64) -> Duration {
    if rate > 0.0 { Duration::try_from_secs_f64(index as f64 / rate).unwrap_or(Duration::MAX) } else { Duration::ZERO }
}

/// Sleeps, or only lets others run where there is nothing to wait for.
async fn pause(wait: Duration) {
    if wait.is_zero() { tokio::task::yield_now().await } else { tokio::time::sleep(wait).await }
}

/// Librdkafka's word on each reading, served by the producer's thread.
#[derive(Default)]
struct Deliveries {
    bootstrap: String,
    delivered: AtomicU64,
    /// The first that is final.
    failure: OnceLock<String>,
    away: AtomicBool,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Fatal) => drop(self.failure.set(reason.to_owned())),
            Some(RDKafkaErrorCode::AllBrokersDown) if !self.away.swap(true, Ordering::Relaxed) => {
                tracing::warn!("Kafka at {} is away; readings wait for it", self.bootstrap);
            }
            _ => {}
        }
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => {
                self.delivered.fetch_add(1, Ordering::Relaxed);
                if self.away.swap(false, Ordering::Relaxed) {
                    tracing::info!("Kafka at {} is back", self.bootstrap);
                }
            }
            Err((error, _)) => drop(self.failure.set(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::mocking::MockCluster;
    use rdkafka::{Message, Offset, TopicPartitionList};

    use super::*;

    #[test]
    fn the_pace_has_no_drift() {
        for rate in [0.5, 2.0, 3.0, 10.0, 999.0, 123_456.0] {
            for index in [0, 1, 2, 7, 1000, 86_400_000] {
                let at = until(rate, index);
                // To the nanosecond that a duration has.
                let (just_before, just_after) =
                    (at.saturating_sub(Duration::from_nanos(50)), at + Duration::from_nanos(50));
                assert!(due(rate, just_after) > index, "reading {index} at {rate}/s is due");
                assert!(index == 0 || due(rate, just_before) <= index, "reading {index} at {rate}/s is not due yet");
            }
        }
        assert_eq!(due(0.0, Duration::ZERO), u64::MAX);
        assert_eq!(until(1e-300, u64::MAX), Duration::MAX);
    }

    fn broker() -> (MockCluster<'static, rdkafka::producer::DefaultProducerContext>, settings::Kafka) {
        let broker = MockCluster::new(1).unwrap();
        broker.create_topic("sensors", 1, 1).unwrap();
        let kafka = settings::Kafka { bootstrap: broker.bootstrap_servers(), ..settings::Kafka::default() };
        (broker, kafka)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn so_many_readings_arrive_without_a_key_and_in_order() {
        let (_broker, kafka) = broker();
        let sensors = Sensors::new(5).starting_at(chrono::DateTime::UNIX_EPOCH, chrono::TimeDelta::milliseconds(1));
        let mut simulator = Simulator::new(&kafka, "sensors", sensors.clone()).unwrap();
        simulator.run(0.0, Some(5000), std::future::pending(), |_| {}).await.unwrap();
        assert_eq!(simulator.finish().await.unwrap(), 5000);

        let consumer: BaseConsumer =
            pelton_connect::kafka::consumer(&kafka, "test", "test", Duration::from_secs(1)).create().unwrap();
        let mut partition = TopicPartitionList::new();
        partition.add_partition_offset("sensors", 0, Offset::Beginning).unwrap();
        consumer.assign(&partition).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        for expected in sensors.take(5000) {
            // A poll may have nothing but an event of the client's own.
            let message = std::iter::repeat_with(|| consumer.poll(Duration::from_millis(100)))
                .take_while(|_| Instant::now() < deadline)
                .find_map(|polled| polled)
                .expect("all readings arrive")
                .unwrap();
            assert_eq!(message.key(), None);
            assert_eq!(message.payload_view::<str>().unwrap().unwrap(), expected.to_string());
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn it_keeps_the_rate_and_stops_when_told() {
        let (_broker, kafka) = broker();
        let mut simulator = Simulator::new(&kafka, "sensors", Sensors::new(5)).unwrap();
        let started = Instant::now();
        simulator.run(1000.0, Some(301), std::future::pending(), |_| {}).await.unwrap();
        assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
        simulator.run(1000.0, None, tokio::time::sleep(Duration::from_millis(50)), |_| {}).await.unwrap();
        assert!(simulator.finish().await.unwrap() > 301);
    }
}
