//! What it takes to run a submitted job's present version once more, beside its instances: for a redrive.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::{Jobs, internal, supervise};
use crate::api::types::Problem;
use crate::config::Config;
use crate::engine::Host;
use crate::metrics::JobMetrics;
use crate::pipeline::trace::JobTracer;
use crate::pipeline::version::Version;

/// A submitted job as it is now, whether it is running or paused.
#[derive(Clone)]
pub struct Running {
    /// The name that it is submitted under.
    pub name: String,
    /// Its present version, compiled, with its parameters.
    pub version: Arc<Version>,
    /// What the guest's imports reach.
    pub host: Arc<dyn Host>,
    /// Its counts.
    pub metrics: JobMetrics,
    /// The host's settings.
    pub config: Arc<Config>,
    /// Where Postgres writers run.
    pub runtime: Handle,
    /// Traces of its records, where tracing is on.
    pub tracer: Option<Arc<JobTracer>>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Jobs {
    /// The present version of a submitted job. May compile its component: call it where blocking is allowed.
    pub fn running(&self, name: &str) -> Result<Running, Problem> {
        let supervised = self.find(name)?;
        let record = supervised.record();
        let job =
            self.load()(&record.digest).map_err(|error| internal("the job's component can't be loaded", &error))?;
        let version = supervise::version(&record, &job).map_err(|error| {
            Problem::new(422, "bad-parameters", "the job's parameters don't fit its version", format!("{error:#}"))
        })?;
        Ok(Running {
            tracer: supervised.tracer(),
            name: record.name,
            version: Arc::new(version),
            host: Arc::clone(&supervised.host),
            metrics: supervised.metrics.clone(),
            config: Arc::clone(&self.config),
            runtime: self.runtime.clone(),
        })
    }
}
