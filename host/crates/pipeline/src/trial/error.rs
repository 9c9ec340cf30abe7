//! Why a trial ended before its input did, or can't begin.

use std::io;
use std::path::PathBuf;

use pelton_model::cause::Cause;
use pelton_model::error::Error as ModelError;
use pelton_runtime::{Error as RuntimeError, Failure};

/// Why there is no outcome to show, or only a part of it.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The component is no job.
    #[error(transparent)]
    Component(#[from] RuntimeError),
    /// The job doesn't take the parameters.
    #[error(transparent)]
    Parameters(#[from] ModelError),
    /// The job can't run at all.
    #[error("an instance could not be made: {0}")]
    NoInstance(Failure),
    /// A line of the input can't be read, or is not as the format says: which, and why.
    #[error("{0}")]
    Input(Cause),
    /// The job fails on one record after the other.
    #[error("the job fails on every record; the host would hold it here")]
    Held,
    /// The lines can't be printed.
    #[error("failed to print: {0}")]
    Print(#[from] io::Error),
    /// There are no lines to compare with.
    #[error("failed to read {}: {cause}", path.display())]
    Golden {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}
