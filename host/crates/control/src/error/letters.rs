//! What is told of dead letters that can't be had, and of redrives that were ended.

use pelton_connect::letters::LettersError;
use pelton_model::explanation::Explanation;
use pelton_pipeline::Error as PipelineError;
use pelton_pipeline::redrive::RedriveError;

pub(super) fn explain(error: &LettersError) -> Explanation {
    let cause = error.to_string();
    match error {
        LettersError::Unreachable(error) => {
            Explanation::new("unavailable", "the dead letters can't be reached", error.to_string())
        }
        LettersError::Folder { cause } => {
            Explanation::new("internal", "the dead letters in the data folder can't be used", cause.to_string())
        }
        LettersError::NoSuchLetter { job, why } => {
            Explanation::new("no-such-letter", format!("the job {job:?} has no such dead letter"), why)
                .fix(format!("`pelton dlq list {job}` shows them"))
        }
        LettersError::WhichPartition { log, partitions } => Explanation::new(
            "bad-request",
            "it is not clear which dead letter is meant",
            format!("{log} has {partitions} partitions"),
        )
        .fix("name it PARTITION/OFFSET"),
        LettersError::NoCursor { .. } => Explanation::new("bad-request", "the request makes no sense", cause),
        LettersError::NotDeleted(error) => Explanation::new("unavailable", "nothing was purged", error.to_string()),
        LettersError::NotOurs { .. } => Explanation::new("not-ours", "nothing was purged", cause)
            .fix("delete records of others with Kafka's own tools, such as kafka-delete-records.sh"),
    }
}

pub(super) fn explain_redrive(RedriveError { error, redriven }: &RedriveError) -> Explanation {
    let ended = |code| Explanation::new(code, "the redrive was ended", error.to_string());
    let mut told = match error {
        PipelineError::Letters(error) => explain(error),
        PipelineError::WhichLetters => Explanation::new("bad-request", "the request makes no sense", error.to_string()),
        PipelineError::NoInstance { .. } => ended("job-fails").fix("mend the job first"),
        PipelineError::SinkDown { .. } => {
            ended("unavailable").fix("redrive again when that is mended: what is done is skipped")
        }
        PipelineError::Stopping => ended("stopping").fix("redrive again when it is back: what is done is skipped"),
        PipelineError::Fenced => ended("busy").fix("see what it redrives; redrive what is left afterwards"),
        PipelineError::Connect(_) | PipelineError::Thread { .. } | PipelineError::NotMarked { .. } => {
            ended("unavailable")
        }
    };
    if *redriven > 0 {
        told.causes.push(format!("{redriven} letters were redriven before that, and are marked so"));
    }
    told
}
