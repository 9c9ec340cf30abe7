//! Pause and resume.

use super::{Found, Prepared, may_forget};
use crate::completion::{Completion, Until};
use crate::error::Error;
use crate::jobs::Jobs;
use crate::types::{Done, Hold};

impl Jobs {
    /// Holds a job: what is in flight is delivered and committed, and it leaves its group, so that it costs nothing.
    /// Who waits for the completion sees it held.
    pub fn pause(&self, job: &str, request: &Hold) -> Result<Completion, Error> {
        let Found { slot, supervised, revision, changed } = self.set_paused(job, request, true)?;
        let reconciler = self.reconciler.clone();
        Ok(Completion { reconciler, slot, supervised, revision, until: Until::Held, changed })
    }

    /// Lets a held job go on from its offsets.
    pub fn resume(&self, job: &str, request: &Hold) -> Result<Done, Error> {
        self.set_paused(job, request, false).map(Found::done)
    }

    fn set_paused(&self, job: &str, request: &Hold, paused: bool) -> Result<Found, Error> {
        let note = self.note(request.by.as_deref(), if paused { "pause" } else { "resume" })?;
        self.change(job, |entry, _| {
            if entry.record.paused == paused {
                return Ok(None);
            }
            may_forget(&entry.record, request.force)?;
            let mut record = entry.record.clone();
            record.paused = paused;
            record.note(&note);
            Ok(Some(Prepared { record, version: None }))
        })
        .inspect(|_| tracing::info!(job.name = job, "{} of {job} by {}", note.why, note.by))
    }
}
