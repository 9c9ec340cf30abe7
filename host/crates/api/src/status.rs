//! The HTTP status of each refusal of the jobs, and of those for want of a place.

use std::time::Duration;

use pelton_connect::letters::LettersError;
use pelton_control::Error;
use pelton_pipeline::Error as PipelineError;

use crate::places::Full;
use crate::problem::Problem;

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let told = error.explain();
        let (code, title, causes, fix) = (told.code.to_owned(), told.title, told.causes, told.fix);
        Self { status: status(&error), code, title, causes, fix, retry_after: None }
    }
}

fn status(error: &Error) -> u16 {
    match error {
        Error::WhichComponent | Error::NoFile(_) | Error::BadText(_) => 400,
        Error::NoSuchJob(_)
        | Error::NoSuchComponent(_)
        | Error::NotAvailable { .. }
        | Error::NoSuchTopic(_)
        | Error::NoShadow(_) => 404,
        Error::Ending(_)
        | Error::Contended(_)
        | Error::AlreadySubmitted(_)
        | Error::GroupTaken { .. }
        | Error::OtherGroup { .. }
        | Error::WouldDrop { .. }
        | Error::WouldForget { .. }
        | Error::NoEarlierVersion { .. }
        | Error::NotRunning(_)
        | Error::NotPaused(_)
        | Error::GroupInUse { .. }
        | Error::Busy(_)
        | Error::StillSubmitted(_)
        | Error::NothingToRedriveThrough(_) => 409,
        Error::NotAJob { .. }
        | Error::CompileTime(_)
        | Error::NoExactlyOnce
        | Error::BadName(_)
        | Error::BadParallelism(_)
        | Error::BadParameters(_)
        | Error::UnfitParameters(_)
        | Error::Missing { .. }
        | Error::NoSuchOffset { .. }
        | Error::OwnLetters { .. }
        | Error::OwnSource { .. }
        | Error::BadShadowTime(_) => 422,
        Error::Internal { .. } => 500,
        Error::TooManyLooks(_) | Error::Unsettled { .. } | Error::Away { .. } | Error::Stopping(_) => 503,
        Error::Letters(error) => of_letters(error),
        Error::Redrive(ended) => of_redrive(&ended.error),
    }
}

fn of_letters(error: &LettersError) -> u16 {
    match error {
        LettersError::WhichPartition { .. } | LettersError::NoCursor { .. } => 400,
        LettersError::NoSuchLetter { .. } => 404,
        LettersError::NotOurs { .. } => 409,
        LettersError::Folder { .. } => 500,
        LettersError::Unreachable(_) | LettersError::NotDeleted(_) => 503,
    }
}

fn of_redrive(error: &PipelineError) -> u16 {
    match error {
        PipelineError::Letters(error) => of_letters(error),
        PipelineError::WhichLetters => 400,
        PipelineError::NoInstance { .. } | PipelineError::Fenced => 409,
        PipelineError::SinkDown { .. }
        | PipelineError::Stopping
        | PipelineError::Connect(_)
        | PipelineError::Thread { .. }
        | PipelineError::NotMarked { .. } => 503,
    }
}

/// When to try again for a place.
const AGAIN: Duration = Duration::from_secs(1);

impl From<Full> for Problem {
    fn from(full: Full) -> Self {
        let problem = |code, title, cause: String| Self::new(503, code, title, cause).retry_after(AGAIN);
        let request = |cause| problem("too-many-requests", "the request is not taken", cause);
        match full {
            Full::Requests(most) => request(format!("{most} others are under way")).fix("try again in a second"),
            Full::Share(most) => {
                request(format!("{most} others of the same address are under way")).fix("try again in a second")
            }
            Full::Streams(most) => {
                let cause = format!("{most} others are open");
                problem("too-many-streams", "the stream of events is not opened", cause)
                    .fix("close pages and `pelton logs --follow` that nobody looks at")
            }
            Full::Unread(bytes) => {
                let cause = format!("{} MiB of other answers are not read yet", bytes >> 20);
                problem("too-much-unread", "the answer is not sent", cause).fix("try again in a second")
            }
        }
    }
}
