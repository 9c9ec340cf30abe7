//! A catalog in memory, for tests: several hosts may have it, and each may be made to die at any of its writes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use pelton_model::digest::digest;
use pelton_model::sync::lock;
use pelton_model::text::quoted;

use super::{Catalog, Entry, Error, Listener, Listing, PAST, Revision, form};
use crate::record::JobRecord;

/// What all who have it share.
#[derive(Default)]
struct Kept {
    last: Revision,
    /// As they would be written, by job.
    records: BTreeMap<String, Vec<u8>>,
    past: BTreeMap<String, Vec<u8>>,
    components: BTreeMap<String, (Vec<u8>, SystemTime)>,
    listeners: Vec<Arc<Listener>>,
}

/// Where a host's writes end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// With the write of this number, from 0, which is not done.
    Before(u64),
    /// With the write of this number, which is done, and nobody is told.
    After(u64),
}

/// A host's access to the catalog.
#[derive(Default)]
pub struct Memory {
    kept: Arc<Mutex<Kept>>,
    writes: Mutex<Writes>,
}

#[derive(Debug, Default)]
struct Writes {
    count: u64,
    death: Option<Death>,
    is_dead: bool,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("writes", &self.writes).finish_non_exhaustive()
    }
}

impl Memory {
    /// Another host's access to the same, or that of the next life of this one.
    pub fn beside(&self) -> Self {
        Self { kept: Arc::clone(&self.kept), writes: Mutex::default() }
    }

    /// Has the host die at a write to come: nothing that it asks for after that is answered.
    pub fn die(&self, death: Death) {
        lock(&self.writes).death = Some(death);
    }

    /// Has the host not die after all.
    pub fn live(&self) {
        lock(&self.writes).death = None;
    }

    /// Whether the host has died.
    pub fn is_dead(&self) -> bool {
        lock(&self.writes).is_dead
    }

    /// How many writes it has begun.
    pub fn writes(&self) -> u64 {
        lock(&self.writes).count
    }

    fn check_alive(&self) -> Result<(), Error> {
        if self.is_dead() { Err(Error::Failed("the host has died".to_owned())) } else { Ok(()) }
    }

    /// Does a write, unless the host dies before; tells of it, unless it dies after.
    fn write<T>(&self, job: Option<&str>, work: impl FnOnce(&mut Kept) -> Result<T, Error>) -> Result<T, Error> {
        self.check_alive()?;
        let mut writes = lock(&self.writes);
        let number = writes.count;
        writes.count += 1;
        let death = writes.death;
        writes.is_dead = matches!(death, Some(Death::Before(n) | Death::After(n)) if n == number);
        drop(writes);
        let died = || Err(Error::Failed("the host has died".to_owned()));
        if death == Some(Death::Before(number)) {
            return died();
        }
        let mut kept = lock(&self.kept);
        let done = work(&mut kept)?;
        let listeners = kept.listeners.clone();
        drop(kept);
        if death == Some(Death::After(number)) {
            return died();
        }
        if let Some(job) = job {
            listeners.iter().for_each(|listener| listener(Some(job)));
        }
        Ok(done)
    }
}

impl Kept {
    fn read(&self, job: &str) -> Result<Option<Entry>, Error> {
        self.records.get(job).map(|bytes| form::read(bytes, Some(job), job)).transpose()
    }

    fn check(&self, job: &str, expected: Option<Revision>) -> Result<(), Error> {
        let found = match self.read(job) {
            Err(error) if error.is_damaged() && expected.is_none() => None,
            found => found?.map(|entry| entry.revision),
        };
        if found == expected { Ok(()) } else { Err(Error::Conflict { job: job.to_owned(), found }) }
    }
}

impl Catalog for Memory {
    fn list(&self) -> Result<Listing, Error> {
        self.check_alive()?;
        let kept = lock(&self.kept);
        let mut listing = Listing::default();
        for job in kept.records.keys() {
            match kept.read(job) {
                Ok(entry) => listing.entries.extend(entry),
                Err(error) => listing.unreadable.push(error),
            }
        }
        Ok(listing)
    }

    fn get(&self, job: &str) -> Result<Option<Entry>, Error> {
        self.check_alive()?;
        lock(&self.kept).read(job)
    }

    fn put(&self, record: &JobRecord, expected: Option<Revision>) -> Result<Revision, Error> {
        self.write(Some(&record.name), |kept| {
            kept.check(&record.name, expected)?;
            kept.last.0 += 1;
            kept.records.insert(record.name.clone(), form::write(record, kept.last)?);
            Ok(kept.last)
        })
    }

    fn remove(&self, job: &str, expected: Revision) -> Result<(), Error> {
        self.write(Some(job), |kept| {
            kept.check(job, Some(expected))?;
            kept.past.extend(kept.records.remove_entry(job));
            Ok(())
        })
    }

    fn past(&self, job: &str) -> Result<Option<JobRecord>, Error> {
        self.check_alive()?;
        let read = |bytes: &Vec<u8>| form::read(bytes, Some(job), job).map(|entry| entry.record);
        lock(&self.kept).past.get(job).map(read).transpose()
    }

    fn forget(&self, job: &str) -> Result<bool, Error> {
        self.write(None, |kept| Ok(kept.past.remove(job).is_some()))
    }

    fn put_component(&self, wasm: &[u8]) -> Result<String, Error> {
        let digest = digest(wasm);
        self.write(None, |kept| {
            kept.components.insert(digest.clone(), (wasm.to_vec(), SystemTime::now()));
            Ok(())
        })?;
        Ok(digest)
    }

    fn component(&self, digest: &str) -> Result<Vec<u8>, Error> {
        self.check_alive()?;
        let kept = lock(&self.kept);
        let found = kept.components.get(digest).map(|(wasm, _)| wasm.clone());
        found.ok_or_else(|| Error::NoComponent(format!("there is no component {}", quoted(digest))))
    }

    fn sweep(&self, before: SystemTime) -> Result<usize, Error> {
        if let Some(error) = self.list()?.unreadable.into_iter().next() {
            return Err(error);
        }
        self.write(None, |kept| {
            let jobs: Vec<_> = kept.records.keys().cloned().collect();
            let mut used = Vec::new();
            for job in &jobs {
                used.extend(kept.read(job)?.iter().flat_map(|entry| entry.record.components()).map(str::to_owned));
            }
            for (job, bytes) in &kept.past {
                let past = form::read(bytes, Some(job), job)?.record;
                let components = past.was_changed_since(before, PAST).then(|| past.components().map(str::to_owned));
                used.extend(components.into_iter().flatten());
            }
            let count = kept.components.len();
            kept.components.retain(|digest, (_, put)| used.contains(digest) || *put >= before);
            Ok(count - kept.components.len())
        })
    }

    fn subscribe(&self, listener: Listener) {
        lock(&self.kept).listeners.push(Arc::new(listener));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelton_model::parallelism::Parallelism;

    #[test]
    fn a_host_dies_before_or_after_a_write() {
        let record = |number| {
            let parallelism = Parallelism::Of(number);
            JobRecord { name: "a".to_owned(), parallelism, ..JobRecord::default() }
        };
        let shared = Memory::default();
        let first = shared.put(&record(1), None).unwrap();
        for (death, left) in [(Death::Before(0), 1), (Death::After(0), 2)] {
            let host = shared.beside();
            host.die(death);
            assert!(host.put(&record(2), Some(first)).is_err() && host.is_dead());
            assert!(host.get("a").is_err() && host.list().is_err(), "the dead see nothing");
            assert_eq!(shared.get("a").unwrap().unwrap().record.parallelism, Parallelism::Of(left));
        }
    }
}
