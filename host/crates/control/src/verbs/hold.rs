//! Pause and resume.

use super::{Found, Prepared};
use crate::completion::{Completion, Until};
use crate::error::Error;
use crate::jobs::Jobs;
use crate::types::Done;

impl Jobs {
    /// Holds a job: what is in flight is delivered and committed, and it leaves its group, so that it costs nothing.
    /// Who waits for the completion sees it held.
    pub fn pause(&self, job: &str, by: Option<&str>) -> Result<Completion, Error> {
        let Found { slot, supervised, revision, changed } = self.set_paused(job, by, true)?;
        let reconciler = self.reconciler.clone();
        Ok(Completion { reconciler, slot, supervised, revision, until: Until::Held, changed })
    }

    /// Lets a held job go on from its offsets.
    pub fn resume(&self, job: &str, by: Option<&str>) -> Result<Done, Error> {
        self.set_paused(job, by, false).map(Found::done)
    }

    fn set_paused(&self, job: &str, by: Option<&str>, paused: bool) -> Result<Found, Error> {
        let note = self.note(by, if paused { "pause" } else { "resume" })?;
        self.change(job, |entry, _| {
            if entry.record.paused == paused {
                return Ok(None);
            }
            let mut record = entry.record.clone();
            record.paused = paused;
            record.note(&note);
            Ok(Some(Prepared { record, version: None }))
        })
        .inspect(|_| tracing::info!(job.name = job, "{} of {job} by {}", note.why, note.by))
    }
}
