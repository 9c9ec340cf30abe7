//! What it takes to run a submitted job's present version once more, beside its instances: for a redrive.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::guest_host::GuestHost;
use super::{Jobs, internal, no_such_job};
use crate::api::types::Problem;
use crate::config::Config;
use crate::engine::{Host, Program};
use crate::metrics::JobMetrics;
use crate::pipeline::ack::lock;

/// A submitted job as it is now, whether it is running or paused.
#[derive(Clone)]
pub struct Running {
    /// The name that it is submitted under.
    pub name: String,
    /// The compiled component of its present version.
    pub program: Arc<dyn Program>,
    /// Its parameters, completed.
    pub parameters: Arc<Vec<(String, String)>>,
    /// What the guest's imports reach.
    pub host: Arc<dyn Host>,
    /// Its counts.
    pub metrics: JobMetrics,
    /// The host's settings.
    pub config: Arc<Config>,
    /// Where Postgres writers run.
    pub runtime: Handle,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Jobs {
    /// The present version of a submitted job. May compile its component: call it where blocking is allowed.
    pub fn running(&self, name: &str) -> Result<Running, Problem> {
        let record = lock(&self.supervised).get(name).map(|supervised| supervised.record.clone());
        let record = record.ok_or_else(|| no_such_job(name))?;
        let load = || match self.engine.cached(&record.digest) {
            Some(job) => Ok(job),
            None => self.engine.load(&self.registry.component(&record.digest)?),
        };
        let job = load().map_err(|error| internal("the job's component can't be loaded", &error))?;
        let set: Vec<_> = record.parameters.into_iter().collect();
        let parameters = job.parameters(&set).map_err(|error| {
            Problem::new(422, "bad-parameters", "the job's parameters don't fit its version", format!("{error:#}"))
        })?;
        let metrics = self.metrics.job(name);
        Ok(Running {
            name: record.name,
            program: Arc::new(job),
            parameters: Arc::new(parameters),
            host: Arc::new(GuestHost::new(name, metrics.clone())),
            metrics,
            config: Arc::clone(&self.config),
            runtime: self.runtime.clone(),
        })
    }
}
