//! What one job reads with, over its attempts.

use std::sync::Arc;
use std::time::Duration;

use pelton_delivery::wake::Wake;
use pelton_model::partition::PartitionView;
use pelton_model::settings;
use tokio::runtime::Handle;

use super::admin::Admin;
use super::client::{CONSUMER_NAME, NAME, consumer};
use super::context::Context;
use super::feeds::Feeds;
use super::sleep::Sleeper;
use super::source::KafkaSource;
use crate::error::Error;
use crate::source::{JobSource, Source, SourceContext};

/// How long a broker may take to answer at all, until it is told why it doesn't.
const ANSWER: Duration = Duration::from_secs(5);

/// A job's part in what the jobs of a host share.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) kafka: settings::Kafka,
    pub(super) job: String,
    pub(super) admin: Arc<Admin>,
    pub(super) runtime: Handle,
    pub(super) feeds: Feeds,
    pub(super) sleeper: Arc<Sleeper>,
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
        self.runtime.block_on(admin.check_protocol())?;
        let config = consumer(&self.kafka, &self.job, &context.group, context.delivery.commit_interval);
        let (admin, feeds, sleeper) = (Arc::clone(&self.admin), self.feeds.clone(), Arc::clone(&self.sleeper));
        let source = KafkaSource::new(&config, Context { job: context, admin, feeds, sleeper });
        Ok(Box::new(source.map_err(|error| Error::settings(NAME, error))?))
    }

    fn rest(&self) {
        self.sleeper.rest();
    }

    fn sleep(&self, partitions: Vec<PartitionView>, wake: &Arc<Wake>, over: &dyn Fn() -> bool) {
        self.sleeper.sleep(partitions, wake, over);
    }
}
