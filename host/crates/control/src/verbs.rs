//! What can be asked of the jobs of a host, one file for each kind. Each verb may be repeated: what is desired already
//! changes nothing.
//!
//! A change is prepared aside, then written as the job's desired state if that is still the one that was read, and read
//! and prepared again if it is not; whatever fails before leaves the job as it was, running, with the reason in its
//! log.

mod apply;
mod cancel;
mod difference;
mod files;
mod hold;
pub mod letters;
mod reload;
mod seek;
mod settings;
mod shadow;
mod submit;
pub mod topics;

use std::sync::Arc;

use crate::catalog::{Entry, Revision};
use crate::record::{DroppedFile, JobRecord, Note};

use crate::components::Component;
use crate::error::Error;
use crate::jobs::Jobs;
use crate::slot::Slot;
use crate::supervisor::Supervised;
use crate::types::Done;
use pelton_model::bounds;
use pelton_model::status::Part;
use pelton_pipeline::Version;

/// How often a change is prepared anew because others come before it.
const TRIES: usize = 100;

/// A change that is ready to be written.
struct Prepared {
    record: JobRecord,
    /// The record's version, opened, where it is another one.
    version: Option<Version>,
}

/// A job as a verb finds it, and what has become of it.
struct Found {
    slot: Arc<Slot>,
    supervised: Arc<Supervised>,
    /// Of the record that the verb wants, whether or not the verb has written it.
    revision: Revision,
    /// What the verb has changed; nothing where all was so already.
    changed: Option<String>,
}

impl Found {
    /// The answer, once that is carried out.
    fn done(self) -> Done {
        Done { job: self.supervised.view(), changed: self.changed, created: Vec::new(), notice: None }
    }
}

impl Jobs {
    /// Who changes a job, and why, now. Refuses words that are too long or not clean: they are kept in its history.
    fn note(&self, by: Option<&str>, why: &str) -> Result<Note, Error> {
        let by = by.unwrap_or("unknown");
        bounds::by(by)?;
        bounds::why(why)?;
        Ok(Note { by: by.to_owned(), why: why.to_owned(), at: self.services.clock().date() })
    }

    /// Changes a job as `prepare` says, which is asked again where others come before it, and waits until that is
    /// carried out. `None` says that the record is as it is to be.
    fn change(
        &self,
        job: &str,
        mut prepare: impl FnMut(&Entry, &Arc<Supervised>) -> Result<Option<Prepared>, Error>,
    ) -> Result<Found, Error> {
        for _ in 0..TRIES {
            let (slot, supervised) = self.reconciler.find(job).ok_or_else(|| Error::NoSuchJob(job.to_owned()))?;
            let entry = self.desired(job)?.ok_or_else(|| Error::NoSuchJob(job.to_owned()))?;
            if entry.record.cancelled {
                return Err(Error::Ending(job.to_owned()));
            }
            let (revision, changed) = match prepare(&entry, &supervised)? {
                Some(prepared) => {
                    let changed = difference::between(&entry.record, &prepared.record);
                    match self.write(&slot, prepared, entry.revision)? {
                        Some(revision) => (revision, changed),
                        None => continue,
                    }
                }
                None => (entry.revision, None),
            };
            self.reconciler.wait(&slot, revision)?;
            return Ok(Found { slot, supervised, revision, changed });
        }
        Err(Error::Contended(job.to_owned()))
    }

    /// What a job is to be.
    fn desired(&self, job: &str) -> Result<Option<Entry>, Error> {
        self.services.catalog.get(job).map_err(|error| Error::internal("the job's record can't be read", &error))
    }

    /// Writes a change, with its version at hand; `None` where the record is another one by now.
    fn write(&self, slot: &Slot, prepared: Prepared, expected: Revision) -> Result<Option<Revision>, Error> {
        let Prepared { record, version } = prepared;
        if let Some(version) = version {
            slot.prepare(&record, version);
        }
        self.services.catalog.put(&record, Some(expected)).map(Some).or_else(|error| {
            slot.take_prepared(&record);
            if error.is_conflict() {
                return Ok(None);
            }
            Err(Error::internal("failed to keep the change, the job goes on as it was", &error))
        })
    }

    /// The bytes of a component that a request names, and the file in `usr_jobs` that it is.
    fn component(
        &self,
        available: Option<&str>,
        digest: Option<&str>,
    ) -> Result<(Vec<u8>, Option<DroppedFile>), Error> {
        match (available, digest) {
            (Some(name), None) => self.available.read(name).map(|(wasm, file)| (wasm, Some(file))),
            (None, Some(digest)) => Ok((self.uploaded(digest)?, None)),
            _ => Err(Error::WhichComponent),
        }
    }

    fn uploaded(&self, digest: &str) -> Result<Vec<u8>, Error> {
        self.services.catalog.component(digest).map_err(|error| Error::NoSuchComponent(error.to_string()))
    }

    /// A kept component, compiled.
    fn kept(&self, digest: &str) -> Result<Component, Error> {
        let kept = self.services.component(digest);
        kept.map_err(|error| Error::internal("a kept component can't be loaded", &format!("{error:#}")))
    }

    /// Keeps a component, so that a record may refer to it.
    fn keep_component(&self, wasm: &[u8], what: &str) -> Result<String, Error> {
        self.services.catalog.put_component(wasm).map_err(|error| Error::internal(what, &error))
    }
}

/// Refuses to end the instances of a job that says that they remember something, unless that is meant. One that is held
/// has none.
fn may_forget(record: &JobRecord, force: bool) -> Result<(), Error> {
    match &record.spec.remembers {
        Some(what) if !force && !record.paused => {
            Err(Error::WouldForget { job: record.name.clone(), what: what.clone() })
        }
        _ => Ok(()),
    }
}

/// Tells in the job itself that a change of its version was refused: where its file asks for it, for as long as it does.
/// Of all others, who have the answer, a line of the log is enough.
fn tell_refused(supervised: &Supervised, part: &Part, error: &Error, by_a_file: bool) {
    let told = format!("{error}\nversion {} goes on", supervised.record().version);
    if by_a_file {
        supervised.notice(part, &told);
    } else {
        supervised.log_only(part, &told);
    }
}
