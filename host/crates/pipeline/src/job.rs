//! A job as the parts of its flow know it.

use std::path::PathBuf;
use std::sync::Arc;

use pelton_connect::Connectors;
use pelton_model::metrics::JobMetrics;
use pelton_model::settings::Config;
use pelton_runtime::Host;

use crate::pace::Pace;
use crate::trace::JobTracer;

/// A submitted job, whatever its version. Cheap to clone.
#[derive(Clone)]
pub struct Job {
    /// The name that it is submitted under.
    pub name: Arc<str>,
    /// What the guest's imports reach.
    pub host: Arc<dyn Host>,
    /// Its counts.
    pub metrics: JobMetrics,
    /// Traces of its records, where tracing is on.
    pub tracer: Option<Arc<JobTracer>>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What all jobs of a host run in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct JobEnvironment {
    /// The host's settings.
    pub config: Arc<Config>,
    /// What is beside the host.
    pub connectors: Arc<Connectors>,
    /// Its time.
    pub pace: Pace,
}

impl JobEnvironment {
    /// The folder for dead letters that their topic does not take, of all jobs.
    pub fn letters(&self) -> PathBuf {
        self.config.data.join("dead-letters")
    }
}
