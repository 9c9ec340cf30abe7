//! What goes wrong in a job's flow.

use std::io;

use pelton_connect::Error as ConnectError;
use pelton_connect::letters::LettersError;
use pelton_model::cause::Cause;

/// Why an attempt, a redrive or a shadow run has ended or can't begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What it reads or writes can't be used, or a part of it has failed. Another attempt goes on from what is
    /// committed.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The system gives no thread. Passes with the load.
    #[error("failed to start a thread for {of}: {cause}")]
    Thread {
        /// What for.
        of: &'static str,
        /// Why not.
        cause: io::Error,
    },
    /// The dead letters can't be found or read.
    #[error(transparent)]
    Letters(#[from] LettersError),
    /// A redrive was asked for neither by letters nor for all, or for both.
    #[error("give either `letters`, or `all` with or without filters")]
    WhichLetters,
    /// The job can't run at all. Mend it first.
    #[error("an instance could not be made: {reason}")]
    NoInstance {
        /// The guest's words.
        reason: String,
    },
    /// A sink is down. Redrive again when that is mended: what is done is skipped.
    #[error("{reason}")]
    SinkDown {
        /// Which, and why.
        reason: String,
    },
    /// The host is stopping. Redrive again when it is back: what is done is skipped.
    #[error("the host is stopping")]
    Stopping,
    /// Another redrive of the job has begun, on another host. See what it redrives; redrive what is left afterwards.
    #[error("another redrive of the job has begun on another host")]
    Fenced,
    /// Letters were redriven, and could not be marked.
    #[error("{cause}; up to {letters} letters may have been redriven without a mark")]
    NotMarked {
        /// Why.
        cause: Cause,
        /// How many.
        letters: usize,
    },
}
