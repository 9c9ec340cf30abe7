//! Why the control plane does not start.

use pelton_model::cause::Cause;
use pelton_pipeline::Error as PipelineError;
use pelton_runtime::Error as RuntimeError;

use crate::catalog::Error as CatalogError;

/// What a host can't begin without.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder can't be made or locked: another host may use it.
    #[error("{0}")]
    DataFolder(Cause),
    /// The submitted jobs can't be listed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The engine can't be set up.
    #[error(transparent)]
    Engine(#[from] RuntimeError),
    /// Spans can't be exported.
    #[error(transparent)]
    Tracing(#[from] PipelineError),
    /// The system gives no thread.
    #[error("{0}")]
    Thread(Cause),
}
