//! Why something of this process could not be had on this machine.

use pelton_model::cause::Cause;

/// What failed; each names the program, the file or the process, and ends with its words.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A server's process can't be started, signalled or waited for, or did not end.
    #[error("{0}")]
    Process(Cause),
    /// A folder or a file in it can't be made or removed.
    #[error("{0}")]
    Folder(Cause),
    /// Postgres is not installed and can't be fetched, or did not start.
    #[error("{0}")]
    Postgres(Cause),
}
