//! A compiled component that declares itself as a job.

use std::sync::Arc;

use pelton_model::error::Error;
use pelton_model::settings::Limits;
use pelton_model::spec::Spec;

use crate::bindings::v0_1;
use crate::guest::Guest;

/// A compiled component that is a job, ready to be instantiated any number of times. Cheap to clone.
#[derive(Clone)]
pub struct CompiledJob {
    pub(crate) pre: v0_1::JobPre<Guest>,
    pub(crate) digest: Arc<str>,
    pub(crate) spec: Arc<Spec>,
    pub(crate) limits: Limits,
}

impl std::fmt::Debug for CompiledJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl CompiledJob {
    /// SHA-256 of the component, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What the job declares.
    pub fn spec(&self) -> &Arc<Spec> {
        &self.spec
    }

    /// Completes the parameters with the declared defaults. Refuses unknown ones and missing ones by name.
    pub fn parameters(&self, set: &[(String, String)]) -> Result<Vec<(String, String)>, Error> {
        self.spec.complete(set)
    }
}
