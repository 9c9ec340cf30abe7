//! Why dead letters can't be found, shown, purged or redriven.

use pelton_model::cause::Cause;
use pelton_model::text::quoted;

use crate::error::Error;

/// A letter that is a file can't be used: which, and why.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct FileError {
    cause: Cause,
}

impl From<anyhow::Error> for FileError {
    fn from(error: anyhow::Error) -> Self {
        Self { cause: error.into() }
    }
}

/// What stands in the way. Each says what was not done, why, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum LettersError {
    /// The log can't be read.
    #[error("the dead letters can't be reached: {0}")]
    Unreachable(Error),
    /// The folder of letters that are files can't be used.
    #[error("the dead letters in the data folder can't be used: {cause}")]
    Folder {
        /// Which file, and why.
        cause: FileError,
    },
    /// There is no such letter.
    #[error("the job {job:?} has no such dead letter: {why}")]
    NoSuchLetter {
        /// The job.
        job: String,
        /// What there is instead.
        why: String,
    },
    /// A letter was named by its offset alone, and there are several partitions. Name it `PARTITION/OFFSET`.
    #[error("it is not clear which dead letter is meant: {log} has {partitions} partitions")]
    WhichPartition {
        /// The log.
        log: String,
        /// How many partitions it has.
        partitions: usize,
    },
    /// The place to go on from is none that a list gave.
    #[error("`before` is {}, which no list gave as its `next`", quoted(before))]
    NoCursor {
        /// What was given.
        before: String,
    },
    /// The log did not delete its records; nothing was purged.
    #[error("{0}")]
    NotDeleted(Error),
    /// The log has records that are not Pelton's, so nothing was purged. Delete them with the log's own tools.
    #[error("{log} has a record at {place} that is not a dead letter of this job")]
    NotOurs {
        /// The log.
        log: String,
        /// The partition and offset of the first.
        place: String,
    },
}
