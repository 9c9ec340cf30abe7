//! A host's own data folder as its catalog: `<data>/jobs/<name>.json`, `<name>.past` of one that is gone, and
//! `<data>/components/<sha-256>.wasm`.
//!
//! Files are written whole or not at all. A damaged record is told and left where it is until its job is submitted
//! anew, which moves it aside; the others are served. One host has the folder at a time.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, RwLock};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use pelton_model::cause::Because as _;
use pelton_model::digest::digest;
use pelton_model::files::{private_folder, write_durably};
use pelton_model::sync::lock;
use pelton_model::text::quoted;

use super::{Catalog, Entry, Error, Listener, Listing, PAST, Revision, form};
use crate::record::JobRecord;
use crate::start_error::StartError;

/// The folder. No other process has it at the same time.
pub struct Files {
    folder: PathBuf,
    /// The revision of the last write, of any record. Held while one is compared and written.
    last: Mutex<Revision>,
    listeners: RwLock<Vec<Listener>>,
    /// Locked for as long as it is open.
    _lock: File,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Makes the folders below a data folder, and takes its lock.
fn claim(data: &Path) -> Result<File> {
    for folder in ["jobs", "components", "dead-letters"] {
        let folder = data.join(folder);
        private_folder(&folder).with_context(|| format!("failed to make the data folder {}", folder.display()))?;
    }
    let path = data.join("lock");
    let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    let lock = lock.with_context(|| format!("failed to open {}", path.display()))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => bail!(
            "another Pelton uses the data folder {}: stop it, or give this one a folder of its own with --data",
            data.display()
        ),
        // Some network file systems know no locks.
        Err(TryLockError::Error(error)) => {
            tracing::warn!("failed to lock {}: {error}; see to it that no other Pelton uses the folder", path.display())
        }
    }
    Ok(lock)
}

impl Files {
    /// The catalog below a data folder, which is made where needed.
    ///
    /// # Errors
    /// The folder can't be made, or another host uses it.
    pub fn open(data: PathBuf) -> Result<Self, StartError> {
        let claimed = claim(&data).because(StartError::DataFolder)?;
        let files = Self { folder: data, last: Mutex::default(), listeners: RwLock::default(), _lock: claimed };
        let last = files.list()?.entries.into_iter().map(|entry| entry.revision).max().unwrap_or_default();
        *lock(&files.last) = last;
        Ok(files)
    }

    fn job_file(&self, name: &str) -> PathBuf {
        self.folder.join("jobs").join(format!("{name}.json"))
    }

    fn past_file(&self, name: &str) -> PathBuf {
        self.folder.join("jobs").join(format!("{name}.past"))
    }

    /// The files of records with this extension, sorted.
    fn files(&self, extension: &str) -> Result<Vec<PathBuf>, Error> {
        let folder = self.folder.join("jobs");
        let entries = fs::read_dir(&folder).with_context(|| format!("failed to read {}", folder.display()));
        let entries = entries.map_err(|error| Error::failed(&error))?;
        let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.retain(|path| path.extension().is_some_and(|found| found == extension));
        paths.sort();
        Ok(paths)
    }

    fn component_file(&self, digest: &str) -> PathBuf {
        self.folder.join("components").join(format!("{digest}.wasm"))
    }

    /// The record of a job; looks at what is there at this moment.
    fn read(&self, path: &Path) -> Result<Option<Entry>, Error> {
        let place = path.display().to_string();
        match fs::read(path) {
            Ok(bytes) => form::read(&bytes, path.file_stem().and_then(OsStr::to_str), &place).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::Damaged { place, cause: error.to_string() }),
        }
    }

    /// Refuses where the record is of another revision.
    fn check(&self, job: &str, expected: Option<Revision>) -> Result<(), Error> {
        let path = self.job_file(job);
        let found = match self.read(&path) {
            Err(error) if error.is_damaged() && expected.is_none() => {
                let aside = path.with_extension("json.damaged");
                tracing::warn!("{error}; it is moved to {}", aside.display());
                fs::rename(&path, aside).map_err(|error| Error::Failed(error.to_string()))?;
                None
            }
            found => found?.map(|entry| entry.revision),
        };
        if found == expected { Ok(()) } else { Err(Error::Conflict { job: job.to_owned(), found }) }
    }

    fn changed(&self, job: &str) {
        let listeners = self.listeners.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        listeners.iter().for_each(|listener| listener(Some(job)));
    }
}

impl Catalog for Files {
    fn list(&self) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        for path in self.files("json")? {
            match self.read(&path) {
                Ok(entry) => listing.entries.extend(entry),
                Err(error) => listing.unreadable.push(error),
            }
        }
        Ok(listing)
    }

    fn get(&self, job: &str) -> Result<Option<Entry>, Error> {
        self.read(&self.job_file(job))
    }

    fn put(&self, record: &JobRecord, expected: Option<Revision>) -> Result<Revision, Error> {
        let mut last = lock(&self.last);
        self.check(&record.name, expected)?;
        let next = Revision(last.0 + 1);
        let bytes = form::write(record, next)?;
        *last = next;
        write_durably(&self.job_file(&record.name), &bytes).map_err(|error| Error::failed(&error.into()))?;
        drop(last);
        self.changed(&record.name);
        Ok(next)
    }

    fn remove(&self, job: &str, expected: Revision) -> Result<(), Error> {
        let last = lock(&self.last);
        self.check(job, Some(expected))?;
        let path = self.job_file(job);
        let removed = fs::rename(&path, self.past_file(job));
        let removed = removed.with_context(|| format!("failed to move {} out of the way", path.display()));
        removed.map_err(|error| Error::failed(&error))?;
        drop(last);
        self.changed(job);
        Ok(())
    }

    fn past(&self, job: &str) -> Result<Option<JobRecord>, Error> {
        Ok(self.read(&self.past_file(job))?.map(|entry| entry.record))
    }

    fn forget(&self, job: &str) -> Result<bool, Error> {
        let path = self.past_file(job);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::Failed(format!("failed to remove {}: {error}", path.display()))),
        }
    }

    fn put_component(&self, wasm: &[u8]) -> Result<String, Error> {
        let digest = digest(wasm);
        let path = self.component_file(&digest);
        let touched = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        if touched.is_err() {
            write_durably(&path, wasm).map_err(|error| Error::failed(&error.into()))?;
        }
        Ok(digest)
    }

    fn component(&self, digest: &str) -> Result<Vec<u8>, Error> {
        if digest.len() != 64 || !digest.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Error::NoComponent(format!("{} is not the digest of a component", quoted(digest))));
        }
        let path = self.component_file(digest);
        let wasm = fs::read(&path)
            .map_err(|error| Error::NoComponent(format!("failed to read the component {}: {error}", path.display())))?;
        if pelton_model::digest::digest(&wasm) != digest {
            let reason = format!("the component {} is damaged: its digest is another", path.display());
            return Err(Error::NoComponent(reason));
        }
        Ok(wasm)
    }

    fn sweep(&self, before: SystemTime) -> Result<usize, Error> {
        // So that no record comes meanwhile that refers to what goes.
        let _last = lock(&self.last);
        let Listing { entries, unreadable } = self.list()?;
        if let Some(error) = unreadable.into_iter().next() {
            return Err(error);
        }
        let past = self.files("past")?.into_iter().filter_map(|path| self.read(&path).ok()?);
        let past: Vec<_> = past.filter(|entry| entry.record.was_changed_since(before, PAST)).collect();
        let used: BTreeSet<_> = entries.iter().chain(&past).flat_map(|entry| entry.record.components()).collect();
        let sweep = || -> Result<usize> {
            let folder = self.folder.join("components");
            let mut deleted = 0;
            for entry in fs::read_dir(&folder).with_context(|| format!("failed to read {}", folder.display()))? {
                let path = entry?.path();
                let is_used = path.file_stem().and_then(OsStr::to_str).is_some_and(|stem| used.contains(stem));
                // What a write that was cut off has left is deleted as well.
                if !is_used && fs::metadata(&path)?.modified()? < before {
                    fs::remove_file(&path).with_context(|| format!("failed to delete {}", path.display()))?;
                    deleted += 1;
                }
            }
            Ok(deleted)
        };
        sweep().map_err(|error| Error::failed(&error))
    }

    fn subscribe(&self, listener: Listener) {
        self.listeners.write().unwrap_or_else(std::sync::PoisonError::into_inner).push(listener);
    }
}

#[cfg(test)]
mod tests;
