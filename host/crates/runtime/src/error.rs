//! Why there is no job to run.

use pelton_model::cause::Cause;

use crate::compiles::TooLong;

/// Why a component can't be compiled, or be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The host's own part failed: wasmtime's set-up, a thread, the folder of compiled code. No fault of a component.
    #[error("{0}")]
    Engine(Cause),
    /// The bytes are no job: no component, one of another world, or one whose declaration makes no sense. Only other
    /// bytes help.
    #[error("{0}")]
    NotAJob(Cause),
    /// A compile takes too long.
    #[error(transparent)]
    CompileTime(TooLong),
    /// A module that a toolchain made can't become a component.
    #[error("{0}")]
    Module(Cause),
}

impl Error {
    pub(crate) fn engine(cause: impl Into<anyhow::Error>) -> Self {
        Self::Engine(cause.into().into())
    }

    pub(crate) fn not_a_job(cause: impl Into<anyhow::Error>) -> Self {
        Self::NotAJob(cause.into().into())
    }

    pub(crate) fn module(cause: impl Into<anyhow::Error>) -> Self {
        Self::Module(cause.into().into())
    }
}
