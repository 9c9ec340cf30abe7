//! A Kafka broker in memory: librdkafka's own, which its tests use. It speaks the protocol over TCP, to this process
//! and to others, and is gone with this process.
//!
//! It does what Pelton's pipeline needs, and little else: topics are made with the broker's own settings, and of each
//! partition only the last 5 MB are kept.

use anyhow::{Context, Result};
use pelton_connect::dead_letters;
use pelton_model::settings;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

/// Where the readings go.
pub(crate) const SENSORS: &str = "sensors";
/// Where the alerts go.
const ALERTS: &str = "alerts";
const PARTITIONS: i32 = 2;

/// A running broker; dropping it ends it.
pub(crate) struct Broker(MockCluster<'static, DefaultProducerContext>);

impl Broker {
    /// A broker with the topics of the article and those for the dead letters of these jobs.
    pub(crate) fn start(jobs: &[&str]) -> Result<Self> {
        let cluster = MockCluster::new(1).context("failed to start a broker in memory")?;
        let topics = [(SENSORS.to_owned(), PARTITIONS), (ALERTS.to_owned(), PARTITIONS)];
        for (topic, partitions) in topics.into_iter().chain(jobs.iter().map(|job| (dead_letters::topic(job), 1))) {
            cluster.create_topic(&topic, partitions, 1).with_context(|| format!("failed to create topic {topic}"))?;
        }
        Ok(Self(cluster))
    }

    /// How to reach it.
    pub(crate) fn settings(&self) -> settings::Kafka {
        // It makes topics for those who ask for them, and for nobody else.
        let bootstrap = self.0.bootstrap_servers();
        let mut kafka = settings::Kafka { bootstrap, auto_create: true, ..settings::Kafka::default() };
        // With the classic protocol this broker has a new group wait for 3 s, and that can't be set from here.
        kafka.consumer.insert("group.protocol".to_owned(), "consumer".to_owned());
        kafka
    }
}
