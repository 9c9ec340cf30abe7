//! Kafka as a connector.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use pelton_model::metrics::JobMetrics;
use pelton_model::partition::Moved;
use pelton_model::settings::{self, Config};
use pelton_model::start::StartFrom;
use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::BaseProducer;
use tokio::runtime::Handle;

use super::admin::{Admin, NO_SENSE};
use super::check::{check, make};
use super::client::{NAME, producer, refused};
use super::dead_letters::KafkaDeadLetters;
use super::feeds::Feeds;
use super::letter::LetterForm;
use super::letter_log::Topic;
use super::marker::TopicMarker;
use super::member::{Member, member_config};
use super::members::Members;
use super::producer::JobProducer;
use super::reach::Failures;
use super::sink::Topics;
use super::sleep::Sleep;
use super::static_member::HostId;
use super::topic_log;
use crate::connector::{Connector, Finding, Needs};
use crate::dead_letters::DeadLetters;
use crate::error::Error;
use crate::letters::store::Opened;
use crate::letters::{LetterLog, LetterStore, Marker};
use crate::messages::TopicLog;
use crate::sink::{Writers, WritersContext};
use crate::source::{JobSource, SourceConnector};

/// How long a broker may take to answer what nobody waits for.
const GLANCE: Duration = Duration::from_secs(3);

/// A cluster of brokers, as the settings name them, and what the jobs of a host share of it.
#[derive(Debug)]
pub struct Kafka {
    settings: settings::Kafka,
    runtime: Handle,
    /// For questions whether it is there.
    admin: Arc<Admin>,
    feeds: Feeds,
    sleep: Sleep,
    members: Arc<Members>,
    host: HostId,
}

impl Kafka {
    /// Does not connect yet.
    ///
    /// # Errors
    /// No client can be made with the settings.
    pub fn new(config: &Config, runtime: &Handle) -> Result<Self, Error> {
        try_settings(config).context(NO_SENSE).map_err(|error| Error::settings(NAME, error))?;
        Ok(Self {
            settings: config.kafka.clone(),
            runtime: runtime.clone(),
            admin: Arc::new(Admin::new(&config.kafka)?),
            feeds: Feeds::new(&config.kafka, &config.batch),
            sleep: Sleep::new(&config.kafka),
            members: Arc::default(),
            host: HostId::new(&config.kafka, &config.data),
        })
    }

    /// A client of its own: one that has lost all brokers is of no use for long.
    fn admin(&self) -> Result<Admin, Error> {
        Admin::new(&self.settings)
    }

    fn topics(&self, context: &WritersContext, counts: &JobMetrics) -> (Topics, KafkaDeadLetters) {
        let mut settings = producer(&self.settings, &context.client);
        if let Some(patience) = context.patience {
            settings.set("message.timeout.ms", patience.as_millis().to_string());
        }
        let report = &context.report;
        let form = Arc::new(LetterForm::new(&report.job, &context.folder, counts));
        let (status, fault) = (Arc::clone(&report.status), Arc::clone(&report.fault));
        let producer = Arc::new(JobProducer::new(settings, status, fault, Arc::clone(&form), context.hold_after));
        let letters = KafkaDeadLetters { form, producer: Arc::clone(&producer) };
        (Topics { producer, metrics: report.metrics.clone(), fault: Arc::clone(&report.fault) }, letters)
    }
}

/// Makes a client of each kind that jobs will have: what can't work is told at the start, not at the first submit. What
/// they find on the way is told by those who need it.
fn try_settings(config: &Config) -> anyhow::Result<()> {
    let name = "pelton-settings";
    let (member, _) = member_config(&config.kafka, "settings", name, &config.delivery, None);
    let _: BaseConsumer<Failures> = member.create_with_context(Failures::of(&member)).map_err(refused)?;
    let producer = producer(&config.kafka, name);
    let _: BaseProducer<Failures> = producer.create_with_context(Failures::of(&producer)).map_err(refused)?;
    Ok(())
}

impl Connector for Kafka {
    fn name(&self) -> &'static str {
        NAME
    }

    fn ping(&self, timeout: Duration) -> Result<(), Error> {
        self.admin.ping(timeout)
    }

    fn check(&self, needs: &Needs<'_>) -> Result<Vec<Finding>, Error> {
        check(&self.admin()?, &self.runtime, needs)
    }

    fn make(&self, needs: &Needs<'_>, made: &mut Vec<String>) -> Result<(), Error> {
        make(&self.admin()?, &self.runtime, needs, made)
    }

    /// What the broker refuses goes to the dead letters of its own: `letters` is not needed.
    fn open(&self, context: &WritersContext, _: &Arc<dyn DeadLetters>) -> Result<Arc<dyn Writers>, Error> {
        Ok(Arc::new(self.topics(context, &context.report.metrics).0))
    }
}

impl SourceConnector for Kafka {
    fn job(&self, name: &str) -> Arc<dyn JobSource> {
        Arc::new(Member {
            kafka: self.settings.clone(),
            job: name.to_owned(),
            admin: Arc::clone(&self.admin),
            runtime: self.runtime.clone(),
            feeds: self.feeds.clone(),
            sleeper: Arc::new(self.sleep.job()),
            members: Arc::clone(&self.members),
            member: Arc::new(self.host.job(name)),
        })
    }

    fn partitions(&self, topics: &[String]) -> Result<usize, Error> {
        let admin = self.admin()?;
        let count = |topic| Ok(admin.partitions_within(topic, GLANCE)?.unwrap_or_default());
        let counts = topics.iter().map(|topic| count(topic)).collect::<Result<Vec<i32>, Error>>()?;
        Ok(counts.into_iter().filter_map(|count| usize::try_from(count).ok()).sum())
    }

    fn check_start(&self, topics: &[String], from: &StartFrom) -> Result<(), Error> {
        self.admin()?.check_start(topics, from)
    }

    fn pin_start(&self, group: &str, topics: &[String], from: &StartFrom, anew: bool) -> Result<(), Error> {
        self.admin()?.pin_start(group, topics, from, anew, &self.members)
    }

    fn seek(&self, group: &str, topics: &[String], to: &StartFrom) -> Result<Vec<Moved>, Error> {
        self.admin()?.seek(group, topics, to)
    }

    fn topic(&self, name: &str) -> Result<Option<Box<dyn TopicLog>>, Error> {
        Ok(topic_log::Topic::open(&self.settings, &self.admin()?, name)?.map(|topic| Box::new(topic) as _))
    }
}

impl LetterStore for Kafka {
    fn open_with_letters(&self, context: &WritersContext, counts: &JobMetrics) -> Result<Opened, Error> {
        let (topics, letters) = self.topics(context, counts);
        Ok((Arc::new(topics), Arc::new(letters)))
    }

    fn log(&self, job: &str) -> Result<Option<Box<dyn LetterLog>>, Error> {
        let topic = Topic::open(&self.settings, &self.runtime, job).map_err(|error| Error::unavailable(NAME, error))?;
        Ok(topic.map(|topic| Box::new(topic) as _))
    }

    fn begin_redrive(&self, job: &str) -> Result<Box<dyn Marker>, Error> {
        Ok(Box::new(TopicMarker::begin(&self.settings, job).map_err(|error| Error::unavailable(NAME, error))?))
    }
}
