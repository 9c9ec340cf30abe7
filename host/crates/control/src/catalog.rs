//! Where desired state is kept: the record of each job, and components by their digest.
//!
//! A record is written with the revision at which it was read, and only if it is still that one: of two that change a
//! job at the same time, one reads again. What a write leaves after a crash is the record before or the record after.
//!
//! [`Files`](files::Files) is a host's own data folder; [`Memory`](memory::Memory) is for tests. Calls may block.

#[cfg(test)]
mod contract;
pub mod files;
pub mod memory;

use std::fmt::{self, Debug, Display};
use std::time::{Duration, SystemTime};

use crate::record::JobRecord;

/// The newest form of records that this version reads and writes. It is raised where an older version must not touch
/// what a newer one has written; a field that is merely new has a default and is left alone by those who don't know it.
/// 0.1.0 wrote none.
pub const FORMAT: u32 = 1;

/// How long components of jobs that are gone are kept.
pub const PAST: Duration = Duration::from_secs(30 * 24 * 3600);

/// Which write of a record it was. Grows with each write of any record of the catalog.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub u64);

/// A record, and when it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Of this very record.
    pub revision: Revision,
    /// What the job is to be.
    pub record: JobRecord,
}

/// All that a catalog has.
#[derive(Debug, Default)]
pub struct Listing {
    /// The records, by name.
    pub entries: Vec<Entry>,
    /// Why others can't be read.
    pub unreadable: Vec<Error>,
}

/// Called after a record has changed, with its job's name; without one, where any may have.
pub type Listener = Box<dyn Fn(Option<&str>) + Send + Sync>;

/// Where desired state is kept.
pub trait Catalog: Send + Sync + Debug {
    /// All records.
    ///
    /// # Errors
    /// Where the catalog can't be reached. A record that can't be read is none.
    fn list(&self) -> Result<Listing, Error>;

    /// The record of a job, if there is one.
    fn get(&self, job: &str) -> Result<Option<Entry>, Error>;

    /// Keeps a record if its job's is still of the expected revision; without one, if there is none or one that is
    /// [damaged](Error::is_damaged). Returns its revision.
    ///
    /// # Errors
    /// [`Error::Conflict`] where it is not; then nothing has changed. After any other error the record may be either
    /// one.
    fn put(&self, record: &JobRecord, expected: Option<Revision>) -> Result<Revision, Error>;

    /// Has a job be gone if its record is still of the expected revision, which is the [past](Self::past) of its name
    /// from then on.
    ///
    /// # Errors
    /// As with `put`.
    fn remove(&self, job: &str, expected: Revision) -> Result<(), Error>;

    /// The record of the last job of a name that is gone.
    ///
    /// # Errors
    /// It can't be read.
    fn past(&self, job: &str) -> Result<Option<JobRecord>, Error>;

    /// Forgets that; says whether there was one.
    ///
    /// # Errors
    /// The catalog can't be reached.
    fn forget(&self, job: &str) -> Result<bool, Error>;

    /// Keeps a component; returns its digest. One that is there already counts as new.
    fn put_component(&self, wasm: &[u8]) -> Result<String, Error>;

    /// The component with a digest; refuses bytes that do not have it.
    fn component(&self, digest: &str) -> Result<Vec<u8>, Error>;

    /// Deletes components that no version of a job refers to, nor one of a job that has been gone for less than
    /// [`PAST`], and that were last put before a time; returns how many.
    /// While a record can't be read, nothing is deleted: it may refer to any of them.
    fn sweep(&self, before: SystemTime) -> Result<usize, Error>;

    /// Has a listener called from now on.
    fn subscribe(&self, listener: Listener);
}

/// Why a catalog did not do what it was asked for.
#[derive(Debug)]
pub enum Error {
    /// The record is another one than was read.
    Conflict {
        /// The job.
        job: String,
        /// Its record's revision, if it has one.
        found: Option<Revision>,
    },
    /// A record can't be read.
    Damaged {
        /// Where it is.
        place: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A record, or more of them, are of a newer version of Pelton.
    Newer {
        /// Where it is.
        place: String,
        /// The form that it has.
        format: u64,
    },
    /// What is asked for is no component's digest, or there is none of it that is whole.
    NoComponent(String),
    /// The disk or the server failed.
    Failed(String),
}

impl Error {
    /// Whether the record is another one, so that it is to be read again.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }

    /// Whether a record is there that nobody can read.
    pub fn is_damaged(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    /// What the host failed at.
    fn failed(error: &anyhow::Error) -> Self {
        Self::Failed(format!("{error:#}"))
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { job, found: Some(Revision(found)) } => {
                write!(f, "the record of {job} has been changed meanwhile (it is at revision {found})")
            }
            Self::Conflict { job, found: None } => write!(f, "the record of {job} is gone"),
            Self::Damaged { place, cause } => write!(f, "failed to read the job file {place}: {cause}"),
            Self::Newer { place, format } => write!(
                f,
                "{place} is of a newer Pelton: it has the format {format}, and this one knows those up to {FORMAT}; run the \
                 newer one again, or move it away. It is left as it is"
            ),
            Self::NoComponent(reason) | Self::Failed(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Error {}

/// A record as it is written, in whatever catalog.
pub(crate) mod form {
    use serde::{Deserialize, Serialize};

    use super::{Entry, Error, FORMAT, Revision};
    use crate::record::JobRecord;

    #[derive(Serialize, Deserialize)]
    struct Written {
        #[serde(default)]
        format: u32,
        #[serde(default)]
        revision: u64,
        #[serde(flatten)]
        record: JobRecord,
    }

    #[derive(Deserialize)]
    struct Head {
        #[serde(default)]
        format: u64,
    }

    /// Writes a record.
    pub(crate) fn write(record: &JobRecord, revision: Revision) -> Result<Vec<u8>, Error> {
        // What it was read with may have been of another form.
        let mut record = record.clone();
        record.other.retain(|key, _| key != "format" && key != "revision");
        let written = Written { format: FORMAT, revision: revision.0, record };
        serde_json::to_vec_pretty(&written).map_err(|error| Error::Failed(error.to_string()))
    }

    /// Reads a record, which is to be of this job. `place` is for people.
    pub(crate) fn read(bytes: &[u8], job: Option<&str>, place: &str) -> Result<Entry, Error> {
        let damaged = |cause: String| Error::Damaged { place: place.to_owned(), cause };
        // First, since a newer one may look like anything.
        if let Ok(Head { format }) = serde_json::from_slice(bytes)
            && format > u64::from(FORMAT)
        {
            return Err(Error::Newer { place: place.to_owned(), format });
        }
        let written: Written = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        let Written { revision, mut record, .. } = written;
        if job.is_some_and(|job| job != record.name) {
            return Err(damaged(format!("it is of another job, {:?}", record.name)));
        }
        if record.group.is_empty() {
            record.group = format!("pelton-{}", record.name);
        }
        Ok(Entry { revision: Revision(revision), record })
    }
}
