//! Why a call of a guest failed: the verdict that whatever called it acts on.

use std::time::Duration;

/// Why a call of a guest failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It ran over its time.
    #[error("the job ran longer than {0:?} on one batch")]
    Timeout(Duration),
    /// It was refused memory and gave up.
    #[error("the job needed more than {0} MiB of memory")]
    Memory(usize),
    /// It trapped. What it said of errors in that call stands below: a panic's message, an exception and its stack.
    #[error("the job trapped: {0}")]
    Trap(String),
    /// It answered with an error.
    #[error("the job failed: {0}")]
    Error(String),
    /// It was not called: the contract has no form for the record. The fault is the record's, so the instance is as
    /// good as before and this counts against no version.
    #[error("the record can't be given to the job: {0}")]
    Unreadable(String),
    /// Its answer would make the host hold more than is allowed: so many MiB, and so many are.
    #[error(
        "the job's answer takes {0} MiB of the host's memory, of which it spends some on each message, row and reject \
         however small; {1} are allowed (limits.answer_mib)"
    )]
    TooMuch(usize, usize),
    /// It answered with something that breaks the contract.
    #[error("the job's answer breaks the contract: {0}")]
    Broken(String),
}
