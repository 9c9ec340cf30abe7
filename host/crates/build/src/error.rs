//! Why there is no component, or none that a registry takes.

use pelton_model::cause::Cause;
use pelton_model::error::Error as ModelError;
use pelton_runtime::Error as RuntimeError;

/// What can't be made, fetched or sent. Each says where, why, and what to install or to write instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder can't be opened, or holds no project.
    #[error("{0}")]
    NoProject(Cause),
    /// A toolchain is missing or too old, or refuses the sources.
    #[error("{0}")]
    Toolchain(Cause),
    /// What was built is no job.
    #[error("{name} is not a job: {cause}")]
    NotAJob {
        /// The component.
        name: String,
        /// Why.
        cause: RuntimeError,
    },
    /// The engine that looks at what was built can't be had.
    #[error(transparent)]
    Engine(RuntimeError),
    /// The settings, which tell how large a job may be, or the cache folder can't be had.
    #[error(transparent)]
    Settings(#[from] ModelError),
    /// A file or folder can't be written; what was there is there still.
    #[error("{0}")]
    Write(Cause),
    /// No project can have that name.
    #[error("{0}")]
    Name(String),
    /// The text is no reference to a registry.
    #[error("{0}")]
    Reference(Cause),
    /// The registry can't be reached, refuses, or has no such component.
    #[error("{0}")]
    Registry(Cause),
}
