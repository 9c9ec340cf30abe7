//! What the control plane works with; each part may be another one in a test.

use std::sync::Arc;

use anyhow::Result;
use pelton_delivery::clock::Clock;
use pelton_model::error::Error as ModelError;
use pelton_model::metrics::Metrics;
use pelton_model::settings::Config;
use pelton_pipeline::trace::Tracer;
use pelton_pipeline::{JobEnvironment, Version};

use crate::catalog::Catalog;
use crate::checks::Checks;
use crate::components::{Component, Components};
use crate::error::{Error, MOST_INSTANCES};
use crate::record::JobRecord;
use crate::runner::JobRunners;

/// What the control plane works with.
#[derive(Debug)]
pub struct Services {
    /// Settings, what is beside the host, and time.
    pub environment: JobEnvironment,
    /// Where desired state is kept.
    pub catalog: Arc<dyn Catalog>,
    /// Where components are compiled.
    pub components: Arc<dyn Components>,
    /// What a job needs of others.
    pub checks: Arc<dyn Checks>,
    /// What moves records.
    pub runners: Arc<dyn JobRunners>,
    /// All counts.
    pub metrics: Arc<Metrics>,
    /// Traces of records, where tracing is on.
    pub tracer: Option<Arc<Tracer>>,
}

impl Services {
    pub(crate) fn config(&self) -> &Config {
        &self.environment.config
    }

    /// How many instances may be at work until automatic jobs get no more.
    pub(crate) fn auto_instances(&self) -> usize {
        self.config().limits.auto_instances().min(MOST_INSTANCES)
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.environment.pace.clock
    }

    /// A kept component, compiled now where it is not kept so.
    pub(crate) fn component(&self, digest: &str) -> Result<Component> {
        match self.components.cached(digest) {
            Some(component) => Ok(component),
            None => match self.components.load(&self.catalog.component(digest)?) {
                Ok(component) => Ok(component),
                // As it was told by whoever compiled.
                Err(Error::NotAJob { cause, .. } | Error::CompileTime(cause)) => Err(anyhow::Error::msg(cause)),
                Err(error) => Err(error.into()),
            },
        }
    }

    /// The version that a record asks for, with its parameters, topics and tables.
    pub(crate) fn version(&self, record: &JobRecord, component: &Component) -> Result<Version, ModelError> {
        let set: Vec<_> = record.parameters.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let parameters = component.spec().complete(&set)?;
        let spec = record.mapping.apply(component.spec())?;
        let is_declared = spec == **component.spec();
        let program =
            if is_declared { Arc::clone(&component.program) } else { component.program.mapped(Arc::new(spec)) };
        Ok(Version::new(record.version, program, parameters, &record.digest))
    }
}
