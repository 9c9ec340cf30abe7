//! What handlers reach.

use std::sync::Arc;

use pelton_connect::Connectors;
use pelton_control::Jobs;
use pelton_model::metrics::Metrics;

use crate::types::JobList;

/// What handlers reach.
#[derive(Debug, Clone)]
pub struct Context {
    /// The jobs.
    pub jobs: Arc<Jobs>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// For asking whether Kafka is there.
    pub connectors: Arc<Connectors>,
}

impl Context {
    pub(crate) fn list(&self) -> JobList {
        JobList { jobs: self.jobs.list(), available: self.jobs.available() }
    }
}
