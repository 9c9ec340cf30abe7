//! Cancel: a job drains, commits, leaves its group and is gone. Its offsets and its dead letters stay in Kafka, and its
//! versions and history with its name.

use super::Prepared;
use crate::catalog::Entry;
use crate::completion::{Completion, Until};
use crate::error::Error;
use crate::jobs::Jobs;

impl Jobs {
    /// Says that a job is to end for good, also during its start; who waits for the completion sees it gone. Whoever
    /// repeats this meanwhile waits for the same end.
    pub fn cancel(&self, job: &str, by: Option<&str>) -> Result<Completion, Error> {
        let note = self.note(by, "cancel")?;
        loop {
            let gone = || Error::NoSuchJob(job.to_owned());
            let (slot, supervised) = self.reconciler.find(job).ok_or_else(gone)?;
            let Entry { revision, mut record } = self.desired(job)?.ok_or_else(gone)?;
            let group = record.group.clone();
            let revision = if record.cancelled {
                revision
            } else {
                record.cancel(&note);
                match self.write(&slot, Prepared { record, version: None }, revision) {
                    Ok(Some(revision)) => revision,
                    Ok(None) => continue,
                    Err(Error::Internal { cause, .. }) => {
                        return Err(Error::Internal { what: "failed to forget the job".to_owned(), cause });
                    }
                    Err(error) => return Err(error),
                }
            };
            let reconciler = self.reconciler.clone();
            let changed = Some(format!(
                "cancelled; the offsets of group {group:?} and its dead letters are kept, its versions and history until \
                 they are purged"
            ));
            return Ok(Completion { reconciler, slot, supervised, revision, until: Until::Gone, changed });
        }
    }

    /// Forgets the versions and the history of a job that is gone. A job of that name begins anew.
    pub fn forget(&self, job: &str) -> Result<(), Error> {
        if self.reconciler.find(job).is_some() || self.desired(job)?.is_some() {
            return Err(Error::StillSubmitted(job.to_owned()));
        }
        match self.services.catalog.forget(job) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::NoSuchJob(job.to_owned())),
            Err(error) => Err(Error::internal("the history is not purged", &error)),
        }
    }
}
