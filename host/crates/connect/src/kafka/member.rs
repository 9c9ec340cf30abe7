//! What one job reads with, over its attempts.

use std::sync::Arc;
use std::time::Duration;

use pelton_delivery::wake::Wake;
use pelton_model::partition::PartitionView;
use pelton_model::settings::{self, DeliverySettings};
use rdkafka::ClientConfig;
use tokio::runtime::Handle;

use super::admin::Admin;
use super::client::{CONSUMER_NAME, NAME, consumer, uses_consumer_protocol};
use super::context::Context;
use super::feeds::Feeds;
use super::members::Members;
use super::sleep::Sleeper;
use super::source::KafkaSource;
use super::static_member::StaticMember;
use super::waits::Session;
use crate::error::Error;
use crate::source::{JobSource, Source, SourceContext};

/// How long a broker may take to answer at all, until it is told why it doesn't.
const ANSWER: Duration = Duration::from_secs(5);
/// What a session is longer than a drain, and the shortest.
const BEYOND_DRAIN: Duration = Duration::from_secs(5);
const SHORTEST_SESSION: Duration = Duration::from_secs(10);
/// The default of brokers.
const BROKERS_SESSION: Duration = Duration::from_secs(45);
const SESSION: &str = "session.timeout.ms";
const INSTANCE: &str = "group.instance.id";

/// A job's part in what the jobs of a host share.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) kafka: settings::Kafka,
    pub(super) job: String,
    pub(super) admin: Arc<Admin>,
    pub(super) runtime: Handle,
    pub(super) feeds: Feeds,
    pub(super) sleeper: Arc<Sleeper>,
    pub(super) members: Arc<Members>,
    pub(super) member: Arc<StaticMember>,
}

/// What librdkafka is told of the session of a member, where the settings don't say it.
fn session(drain: Duration) -> Duration {
    (drain + BEYOND_DRAIN).max(SHORTEST_SESSION)
}

/// The settings of a job's member of its group, and how long its session is, where it has a say in that.
pub(super) fn member_config(
    kafka: &settings::Kafka,
    job: &str,
    group: &str,
    delivery: &DeliverySettings,
    instance: Option<&str>,
) -> (ClientConfig, Option<Duration>) {
    let mut config = consumer(kafka, job, group, delivery.commit_interval);
    if uses_consumer_protocol(kafka) {
        return (config, None);
    }
    if config.get(SESSION).is_none() {
        config.set(SESSION, session(delivery.drain_timeout).as_millis().to_string());
    }
    if let Some(instance) = instance
        && config.get(INSTANCE).is_none()
    {
        config.set(INSTANCE, instance);
    }
    let timeout = config.get(SESSION).and_then(|timeout| timeout.parse().ok()).unwrap_or_default();
    (config, Some(Duration::from_millis(timeout)))
}

impl JobSource for Member {
    fn client(&self) -> &'static str {
        CONSUMER_NAME
    }

    fn open(&self, context: SourceContext) -> Result<Box<dyn Source>, Error> {
        let admin = Admin::new(&self.kafka)?;
        for topic in &context.topics {
            let partitions = admin.partitions_within(topic, ANSWER)?;
            if partitions.is_none() {
                return Err(Error::NoTopic { topic: topic.clone() });
            }
        }
        let brokers_session = self.runtime.block_on(admin.check_protocol())?;
        let instance = self.member.instance();
        let (config, timeout) = member_config(&self.kafka, &self.job, &context.group, &context.delivery, instance);
        let session = match timeout {
            Some(timeout) => Session { timeout, setting: SESSION, tells_of_none: true },
            None => {
                let timeout = brokers_session.unwrap_or(BROKERS_SESSION);
                Session { timeout, setting: "group.consumer.session.timeout.ms of the brokers", tells_of_none: false }
            }
        };
        let source = KafkaSource::new(
            &config,
            Context {
                job: context,
                admin: Arc::clone(&self.admin),
                feeds: self.feeds.clone(),
                sleeper: Arc::clone(&self.sleeper),
                members: Arc::clone(&self.members),
                member: Arc::clone(&self.member),
                session,
            },
        );
        Ok(Box::new(source.map_err(|error| Error::settings(NAME, error))?))
    }

    fn rest(&self) {
        self.sleeper.rest();
    }

    fn look(&self, group: &str, topics: &[String]) -> Result<Vec<PartitionView>, Error> {
        self.admin.offsets(group, topics)
    }

    fn sleep(&self, partitions: Vec<PartitionView>, wake: &Arc<Wake>, over: &dyn Fn() -> bool) {
        self.sleeper.sleep(partitions, wake, over);
    }
}
