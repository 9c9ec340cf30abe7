//! Compiled components, by their digest.

use std::fmt::{self, Debug};
use std::sync::Arc;

use crate::error::Error;
use crate::trim::give_back;
use pelton_model::spec::Spec;
use pelton_model::text::cut;
use pelton_runtime::{Engine, Error as EngineError, Program};

/// Longest reason why a component is no job.
const CAUSE_BYTES: usize = 4096;

/// A component that is a job, compiled. Cheap to clone.
#[derive(Clone)]
pub struct Component {
    /// SHA-256 of its bytes, in hexadecimal.
    pub digest: Arc<str>,
    /// What makes instances of it.
    pub program: Arc<dyn Program>,
}

impl Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component").field("digest", &self.digest).finish_non_exhaustive()
    }
}

impl Component {
    /// What it declares.
    pub fn spec(&self) -> &Arc<Spec> {
        self.program.spec()
    }
}

/// Where components are compiled. Calls may take seconds.
pub trait Components: Send + Sync + Debug {
    /// Compiles a component, or says why it is not a job.
    fn load(&self, wasm: &[u8]) -> Result<Component, Error>;

    /// One that has been compiled before and is kept so: ready within milliseconds.
    fn cached(&self, digest: &str) -> Option<Component>;
}

impl Components for Engine {
    fn load(&self, wasm: &[u8]) -> Result<Component, Error> {
        Engine::load(self, wasm).map(Component::from).inspect_err(|_| give_back()).map_err(|error| match error {
            EngineError::CompileTime(error) => Error::CompileTime(error.to_string()),
            // It quotes names of the component's own, and is kept with its file.
            error @ (EngineError::NotAJob(_) | EngineError::Module(_)) => {
                Error::NotAJob { file: None, cause: cut(&error.to_string(), CAUSE_BYTES).into_owned() }
            }
            EngineError::Engine(cause) => Error::internal("the component is not compiled", &cause),
        })
    }

    fn cached(&self, digest: &str) -> Option<Component> {
        Engine::cached(self, digest).map(Component::from)
    }
}

impl From<pelton_runtime::CompiledJob> for Component {
    fn from(job: pelton_runtime::CompiledJob) -> Self {
        Self { digest: job.digest().into(), program: Arc::new(job) }
    }
}
