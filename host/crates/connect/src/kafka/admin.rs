//! Topics as the broker tells of them, and where jobs start.

mod starts;

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use pelton_model::settings;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::client::{BeginAgain, NAME, PROBE, REQUEST_TIMEOUT, client, find_broker, refused, uses_consumer_protocol};
use super::reach::{Failures, listen};
use super::topic_id::{self, TopicIds};
use crate::error::Error;

/// What is said of settings of which no client can be made.
pub(super) const NO_SENSE: &str = "the Kafka settings make no sense";

fn unavailable(error: anyhow::Error) -> Error {
    Error::unavailable(NAME, error)
}

/// A client for questions and topics, apart from any job.
pub struct Admin {
    kafka: settings::Kafka,
    consumer: BaseConsumer<Failures>,
    again: BeginAgain,
    /// Why a broker can't be reached.
    failures: Failures,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").field("bootstrap", &self.kafka.bootstrap).finish_non_exhaustive()
    }
}

impl Admin {
    /// A client; does not connect yet.
    ///
    /// # Errors
    /// No client can be made with the settings.
    pub fn new(kafka: &settings::Kafka) -> Result<Self, Error> {
        let config = client(kafka, "pelton-admin");
        let failures = Failures::of(&config);
        let consumer = config.create_with_context(failures.clone());
        let consumer = consumer.map_err(refused).context(NO_SENSE).map_err(|error| Error::settings(NAME, error))?;
        Ok(Self { kafka: kafka.clone(), consumer, again: BeginAgain::new(&kafka.bootstrap), failures })
    }

    /// Whether a broker answers.
    pub fn ping(&self, timeout: Duration) -> Result<(), Error> {
        let found = find_broker(self.consumer.client(), timeout);
        // It keeps what it has to tell until then.
        listen(&self.consumer);
        if found.is_err() {
            self.again.finds_none(self.consumer.client());
        }
        let explained = found.map_err(|error| match error.downcast::<KafkaError>() {
            Ok(error) => self.failures.explain(error, &self.kafka.bootstrap),
            Err(error) => error,
        });
        explained.with_context(|| format!("Kafka at {} does not answer", self.kafka.bootstrap)).map_err(unavailable)
    }

    /// The same error, with the reason why no broker can be reached where that is behind it.
    fn reason(&self, error: KafkaError) -> anyhow::Error {
        listen(&self.consumer);
        self.failures.explain(error, &self.kafka.bootstrap)
    }

    /// The number of partitions of a topic; `None` where it does not exist.
    pub fn partitions(&self, topic: &str) -> Result<Option<i32>, Error> {
        self.partitions_within(topic, REQUEST_TIMEOUT)
    }

    /// The same, for a broker that is to answer within a time.
    pub(super) fn partitions_within(&self, topic: &str, timeout: Duration) -> Result<Option<i32>, Error> {
        let metadata = self
            .consumer
            .fetch_metadata(Some(topic), timeout)
            .map_err(|error| self.reason(error))
            .with_context(|| format!("failed to ask Kafka at {} for topic {topic:?}", self.kafka.bootstrap))
            .map_err(unavailable)?;
        let Some(found) = metadata.topics().iter().find(|t| t.name() == topic) else { return Ok(None) };
        match found.error().map(RDKafkaErrorCode::from) {
            None => Ok((!found.partitions().is_empty()).then_some(found.partitions().len() as i32)),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
            Some(error) => Err(unavailable(anyhow!("topic {topic:?}: {error}"))),
        }
    }

    /// How far a reader of committed records can come in a partition: up to the first record of a transaction that is
    /// still open; nothing where that is not told in time. It is asked here and not by the job's own consumer: a
    /// connection whose fetches a quota holds back answers nothing else either, and librdkafka gives it up then with
    /// all that is on its way.
    pub(super) fn readable(&self, topic: &str, partition: i32, timeout: Duration) -> Option<i64> {
        self.consumer.fetch_watermarks(topic, partition, timeout).map(|(_, end)| end).ok()
    }

    /// The ids of topics, as far as brokers tell; asked here for the same reason.
    pub(super) fn ids(&self, topics: &[&str], timeout: Duration) -> Result<TopicIds, Error> {
        topic_id::ids(self.consumer.client(), topics, timeout).map_err(unavailable)
    }

    /// Creates a topic, with the broker's default of replicas. One that is there already is left as it is.
    pub async fn create_topic(&self, topic: &str, partitions: i32, config: &[(&str, &str)]) -> Result<(), Error> {
        self.create(topic, partitions, config).await.map_err(unavailable)
    }

    async fn create(&self, topic: &str, partitions: i32, config: &[(&str, &str)]) -> Result<()> {
        if self.kafka.auto_create {
            return self.ask_for_topic(topic);
        }
        match self.request_topic(topic, partitions, config, false).await? {
            None | Some(RDKafkaErrorCode::TopicAlreadyExists) => Ok(()),
            Some(error) => Err(anyhow!("failed to create topic {topic:?}: {error}")),
        }
    }

    /// Why a topic could not be created, if brokers say so; asked without creating it.
    pub(super) async fn refusal(&self, topic: &str, partitions: i32) -> Option<String> {
        if self.kafka.auto_create {
            return None;
        }
        match self.request_topic(topic, partitions, &[], true).await {
            Ok(None | Some(RDKafkaErrorCode::TopicAlreadyExists)) => None,
            Ok(Some(error)) => Some(error.to_string()),
            Err(error) => Some(format!("{error:#}")),
        }
    }

    /// What brokers say to a request for a topic: nothing where they do it, or, where it is only asked, would do it.
    async fn request_topic(
        &self,
        topic: &str,
        partitions: i32,
        config: &[(&str, &str)],
        only_ask: bool,
    ) -> Result<Option<RDKafkaErrorCode>> {
        let admin: AdminClient<Failures> =
            client(&self.kafka, "pelton-admin").create_with_context(self.failures.clone()).map_err(refused)?;
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
        for (key, value) in config {
            new = new.set(key, value);
        }
        let options = AdminOptions::new()
            .operation_timeout(Some(REQUEST_TIMEOUT))
            .request_timeout(Some(REQUEST_TIMEOUT))
            .validate_only(only_ask);
        let results = admin.create_topics([&new], &options).await;
        let results = results.map_err(|error| self.reason(error)).context("failed to create topics")?;
        Ok(results.into_iter().find_map(|result| result.err().map(|(_, error)| error)))
    }

    /// The names of all topics, as far as brokers tell.
    pub fn topics(&self) -> Vec<String> {
        let metadata = self.consumer.fetch_metadata(None, REQUEST_TIMEOUT);
        let topics = metadata.iter().flat_map(|metadata| metadata.topics());
        topics.map(|topic| topic.name().to_owned()).collect()
    }

    /// Has a broker create a topic that creates those that are asked for.
    fn ask_for_topic(&self, topic: &str) -> Result<()> {
        let mut config = client(&self.kafka, "pelton-admin");
        let asking: BaseConsumer = config.set("allow.auto.create.topics", "true").create().map_err(refused)?;
        asking
            .fetch_metadata(Some(topic), REQUEST_TIMEOUT)
            .map(drop)
            .with_context(|| format!("failed to ask for topic {topic:?}"))
    }

    /// One setting of a topic, if the broker tells.
    pub async fn topic_setting(&self, topic: &str, key: &str) -> Option<String> {
        if self.kafka.auto_create {
            return None;
        }
        self.describe(&ResourceSpecifier::Topic(topic)).await?.get(key)?.value.clone()
    }

    /// The settings of a topic or broker, if it tells.
    async fn describe(&self, what: &ResourceSpecifier<'_>) -> Option<ConfigResource> {
        let admin: AdminClient<DefaultClientContext> = client(&self.kafka, "pelton-admin").create().ok()?;
        let options = AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT));
        admin.describe_configs([what], &options).await.ok()?.into_iter().next()?.ok()
    }

    /// Refuses the protocol of KIP-848 where it is set and the brokers don't take it: a consumer would wait for ever, and
    /// librdkafka tells nothing. Brokers that don't tell are left to show it.
    ///
    /// Tells how long those keep the place of a member that they don't hear of.
    ///
    /// # Errors
    /// What to set instead.
    pub(super) async fn check_protocol(&self) -> Result<Option<Duration>, Error> {
        /// The setting of brokers, since Kafka 3.7.
        const PROTOCOLS: &str = "group.coordinator.rebalance.protocols";
        /// The setting of brokers for the session of a member, milliseconds.
        const SESSION: &str = "group.consumer.session.timeout.ms";
        if !uses_consumer_protocol(&self.kafka) {
            return Ok(None);
        }
        let takes_it = |settings: &ConfigResource| {
            let protocols = settings.get(PROTOCOLS).and_then(|protocols| protocols.value.as_deref());
            protocols.is_some_and(|protocols| protocols.contains("consumer"))
        };
        match self.broker().await {
            Some(settings) if !takes_it(&settings) => {
                let told = format!(
                    "Kafka at {} does not take the setting group.protocol = \"consumer\", as brokers do since Kafka 4.0, or \
                     with \"consumer\" in their {PROTOCOLS}; leave it at \"classic\"",
                    self.kafka.bootstrap
                );
                Err(Error::settings(NAME, told))
            }
            Some(settings) => {
                let session = settings.get(SESSION).and_then(|session| session.value.as_deref()?.parse().ok());
                Ok(session.map(Duration::from_millis))
            }
            None => Ok(None),
        }
    }

    /// The settings of any broker, if it tells.
    async fn broker(&self) -> Option<ConfigResource> {
        let metadata = self.consumer.fetch_metadata(Some(PROBE), REQUEST_TIMEOUT).ok()?;
        self.describe(&ResourceSpecifier::Broker(metadata.brokers().first()?.id())).await
    }
}
