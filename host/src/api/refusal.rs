//! What the data plane refuses, as problems.

use pelton_connect::letters::LettersError;
use pelton_pipeline::Error;
use pelton_pipeline::redrive::RedriveError;

use super::problem::Problem;

impl From<LettersError> for Problem {
    fn from(error: LettersError) -> Self {
        match error {
            LettersError::Unreachable(error) => {
                Self::new(503, "unavailable", "the dead letters can't be reached", error.to_string())
            }
            LettersError::Folder { cause } => {
                Self::new(500, "internal", "the dead letters in the data folder can't be used", cause.to_string())
            }
            LettersError::NoSuchLetter { job, why } => {
                Self::new(404, "no-such-letter", format!("the job {job:?} has no such dead letter"), why)
                    .fix(format!("`pelton dlq list {job}` shows them"))
            }
            LettersError::WhichPartition { log, partitions } => Self::new(
                400,
                "bad-request",
                "it is not clear which dead letter is meant",
                format!("{log} has {partitions} partitions"),
            )
            .fix("name it PARTITION/OFFSET"),
            LettersError::NoCursor { .. } => {
                Self::new(400, "bad-request", "the request makes no sense", error.to_string())
            }
            LettersError::NotDeleted(error) => Self::new(503, "unavailable", "nothing was purged", error.to_string()),
            LettersError::NotOurs { .. } => Self::new(409, "not-ours", "nothing was purged", error.to_string())
                .fix("delete records of others with Kafka's own tools, such as kafka-delete-records.sh"),
        }
    }
}

impl From<RedriveError> for Problem {
    fn from(RedriveError { error, redriven }: RedriveError) -> Self {
        let ended = |status, code, error: &Error| Self::new(status, code, "the redrive was ended", error.to_string());
        let mut problem = match error {
            Error::Letters(error) => error.into(),
            Error::WhichLetters => Self::new(400, "bad-request", "the request makes no sense", error.to_string()),
            Error::NoInstance { .. } => ended(409, "job-fails", &error).fix("mend the job first"),
            Error::SinkDown { .. } => {
                ended(503, "unavailable", &error).fix("redrive again when that is mended: what is done is skipped")
            }
            Error::Stopping => {
                ended(503, "stopping", &error).fix("redrive again when it is back: what is done is skipped")
            }
            Error::Fenced => ended(409, "busy", &error).fix("see what it redrives; redrive what is left afterwards"),
            Error::Connect(_) | Error::Thread { .. } | Error::NotMarked { .. } => ended(503, "unavailable", &error),
        };
        if redriven > 0 {
            problem.causes.push(format!("{redriven} letters were redriven before that, and are marked so"));
        }
        problem
    }
}
