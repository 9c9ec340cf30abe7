//! What handlers reach.

use std::sync::Arc;

use pelton_connect::Connectors;
use pelton_control::Jobs;
use pelton_model::metrics::Metrics;

use crate::feed::Feed;
use crate::pulse::Pulse;
use crate::recent::Recent;
use crate::types::JobList;

/// What handlers reach.
#[derive(Debug, Clone)]
pub struct Context {
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) metrics: Arc<Metrics>,
    /// For asking whether Kafka is there.
    pub(crate) pulse: Arc<Pulse>,
    /// For streams of events.
    pub(crate) feed: Arc<Feed>,
    /// The last two minutes.
    pub(crate) recent: Arc<Recent>,
}

impl Context {
    /// With the jobs, the metrics, and what Kafka is asked with whether it is there.
    pub fn new(jobs: Arc<Jobs>, metrics: Arc<Metrics>, connectors: Arc<Connectors>) -> Self {
        let (feed, pulse) = (Arc::new(Feed::new(Arc::clone(&jobs))), Arc::new(Pulse::new(connectors)));
        Self { jobs, metrics, pulse, feed, recent: Arc::default() }
    }

    pub(crate) fn list(&self) -> JobList {
        JobList { jobs: self.jobs.list(), available: self.jobs.available() }
    }
}
