//! Seek: a job that is held goes on elsewhere.

use super::Prepared;
use crate::error::Error;
use crate::jobs::Jobs;
use crate::supervisor::Phase;
use crate::types::{Seek, Sought};
use pelton_model::text::cut;

/// Longest list of offsets in a job's history.
const SHOWN_BYTES: usize = 1_000;

impl Jobs {
    /// Moves the committed offsets of a job that is held; one that still delivers what is in flight is waited for.
    /// Refused, with nothing moved, where the job is not held, its group has members on other hosts, or its topics
    /// don't have what it is to go on at.
    pub fn seek(&self, job: &str, request: &Seek) -> Result<Sought, Error> {
        let why = format!("seek {}", cut(&request.from.to_string(), SHOWN_BYTES));
        let note = self.note(request.by.as_deref(), &why)?;
        let mut moved = None;
        let found = self.change(job, |entry, _| {
            let mut record = entry.record.clone();
            // Once: who changes the record meanwhile moves nothing back.
            let moved = match &moved {
                Some(moved) => moved,
                None => {
                    if !record.paused {
                        return Err(Error::NotPaused(job.to_owned()));
                    }
                    self.wait_until_held(job)?;
                    moved.insert(self.services.checks.seek(&record, &request.from)?)
                }
            };
            if moved.iter().all(|partition| partition.before == Some(partition.after)) {
                return Ok(None);
            }
            record.note(&note);
            Ok(Some(Prepared { record, version: None }))
        })?;
        tracing::info!(job.name = job, "{} of {job} by {}", note.why, note.by);
        found.supervised.look();
        Ok(Sought { partitions: moved.unwrap_or_default() })
    }

    /// Waits until a job that was told to rest does.
    fn wait_until_held(&self, job: &str) -> Result<(), Error> {
        let (slot, supervised) = self.reconciler.find(job).ok_or_else(|| Error::NoSuchJob(job.to_owned()))?;
        let duty = &supervised.duty;
        let is_over = || duty.does() != Phase::Running || duty.told() == Phase::Running || self.reconciler.is_closed();
        slot.changes.wait(&**self.services.clock(), is_over);
        match duty.does() {
            Phase::Paused => Ok(()),
            _ if self.reconciler.is_closed() => Err(Error::Stopping(job.to_owned())),
            _ => Err(Error::NotPaused(job.to_owned())),
        }
    }
}
