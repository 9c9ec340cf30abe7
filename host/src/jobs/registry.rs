//! What the host remembers across restarts: submitted jobs, one file each, and their components by digest.
//!
//! `<data>/jobs/<name>.json` and `<data>/components/<sha-256>.wasm`. Files are written whole or not at all. A damaged one
//! is told and left where it is; the others are served.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::files::{private_folder, write_durably};
use crate::spec::Spec;
use pelton_model::digest::digest;

/// A submitted job: the desired state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The name under which it runs.
    pub name: String,
    /// The number of the version that runs.
    pub version: u32,
    /// SHA-256 of its component, in hexadecimal.
    pub digest: String,
    /// What it declares.
    pub spec: Spec,
    /// The parameters as they were set; defaults are not among them.
    pub parameters: BTreeMap<String, String>,
    /// The consumer group.
    pub group: String,
    /// How many instances.
    pub parallelism: usize,
    /// When it was submitted.
    pub submitted: DateTime<Utc>,
    /// Whether it is held.
    pub paused: bool,
    /// The file in `usr_jobs` that it came from.
    pub file: Option<DroppedFile>,
    /// Every version that it had, by number, and what each was when it last ran.
    pub versions: Vec<JobVersion>,
    /// What was changed, the oldest first; the last entries of a long one.
    pub history: Vec<Change>,
}

/// A file in `usr_jobs`, as it was when the job was last made from it. Another content there is another version to load; the
/// same content is not, also when the job has been rolled back since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedFile {
    /// The file's name.
    pub name: String,
    /// SHA-256 of its content, in hexadecimal.
    pub digest: String,
}

/// A version of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobVersion {
    /// Its number, from 1.
    pub number: u32,
    /// SHA-256 of its component, in hexadecimal.
    pub digest: String,
    /// The version that it declares.
    pub declared: String,
    /// When it came.
    pub added: DateTime<Utc>,
    /// Who brought it.
    pub by: String,
    /// Why.
    pub why: String,
    /// The parameters that were set when it last ran; a rollback brings them back.
    pub parameters: BTreeMap<String, String>,
}

/// An entry of a job's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Change {
    /// The version that runs from then on.
    pub version: u32,
    /// When.
    pub at: DateTime<Utc>,
    /// Who changed it.
    pub by: String,
    /// What was changed, and why.
    pub why: String,
}

/// How many entries of a job's history are kept, and how many versions.
const KEPT: usize = 200;

impl Record {
    /// Adds to the history that `by` has changed the job, now.
    pub fn note(&mut self, by: &str, why: &str) {
        self.history.push(Change { version: self.version, at: Utc::now(), by: by.to_owned(), why: why.to_owned() });
        let surplus = self.history.len().saturating_sub(KEPT);
        self.history.drain(..surplus);
    }

    /// Makes a component the version that runs: a new one, or that which already has this digest.
    pub fn adopt(&mut self, digest: &str, spec: &Spec, parameters: BTreeMap<String, String>, by: &str, why: &str) {
        self.parameters = parameters;
        self.digest = digest.to_owned();
        self.spec = spec.clone();
        let known = self.versions.iter_mut().find(|version| version.digest == digest);
        self.version = match known {
            Some(version) => {
                version.parameters = self.parameters.clone();
                version.number
            }
            None => {
                let number = self.versions.last().map_or(0, |version| version.number) + 1;
                self.versions.push(JobVersion {
                    number,
                    digest: digest.to_owned(),
                    declared: spec.version.clone(),
                    added: Utc::now(),
                    by: by.to_owned(),
                    why: why.to_owned(),
                    parameters: self.parameters.clone(),
                });
                number
            }
        };
        let surplus = self.versions.len().saturating_sub(KEPT);
        self.versions.drain(..surplus);
        self.note(by, why);
    }

    /// The version to go back to: number `to`, or that before the one that runs.
    pub fn earlier(&self, to: Option<u32>) -> Option<&JobVersion> {
        match to {
            Some(number) => self.versions.iter().find(|version| version.number == number),
            None => self.versions.iter().rev().find(|version| version.number < self.version),
        }
    }
}

/// The files. No other process has them at the same time.
#[derive(Debug)]
pub struct Registry {
    folder: PathBuf,
    /// Locked for as long as it is open.
    _lock: File,
}

impl Registry {
    /// The registry below a data folder, which is made where needed.
    ///
    /// # Errors
    /// The folder can't be made, or another host uses it.
    pub fn open(data: PathBuf) -> Result<Self> {
        for folder in ["jobs", "components", "dead-letters"] {
            let folder = data.join(folder);
            private_folder(&folder).with_context(|| format!("failed to make the data folder {}", folder.display()))?;
        }
        let path = data.join("lock");
        let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let lock = lock.with_context(|| format!("failed to open {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder: data, _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!(
                "another Pelton uses the data folder {}: stop it, or give this one a folder of its own with --data",
                data.display()
            ),
            // Some network file systems know no locks.
            Err(TryLockError::Error(error)) => {
                tracing::warn!(
                    "failed to lock {}: {error}; see to it that no other Pelton uses the folder",
                    path.display()
                );
                Ok(Self { folder: data, _lock: lock })
            }
        }
    }

    fn job_file(&self, name: &str) -> PathBuf {
        self.folder.join("jobs").join(format!("{name}.json"))
    }

    fn component_file(&self, digest: &str) -> PathBuf {
        self.folder.join("components").join(format!("{digest}.wasm"))
    }

    /// All records, or why one could not be read.
    pub fn load(&self) -> Result<Vec<Result<Record>>> {
        let folder = self.folder.join("jobs");
        let entries = fs::read_dir(&folder).with_context(|| format!("failed to read {}", folder.display()))?;
        let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        paths.sort();
        let read = |path: &PathBuf| -> Result<Record> {
            let record: Record = serde_json::from_slice(&fs::read(path)?)?;
            ensure!(self.job_file(&record.name) == *path, "it is of another job, {:?}", record.name);
            Ok(record)
        };
        let read = |path| read(&path).with_context(|| format!("failed to read the job file {}", path.display()));
        Ok(paths.into_iter().map(read).collect())
    }

    /// Keeps a record.
    pub fn save(&self, record: &Record) -> Result<()> {
        write_durably(&self.job_file(&record.name), &serde_json::to_vec_pretty(record)?)
    }

    /// Forgets a record. Its component stays until it is [swept](Self::sweep).
    pub fn remove(&self, name: &str) -> Result<()> {
        let path = self.job_file(name);
        fs::remove_file(&path).with_context(|| format!("failed to remove {}", path.display()))
    }

    /// Keeps a component; returns its digest. One that is there already counts as new.
    pub fn put_component(&self, wasm: &[u8]) -> Result<String> {
        let digest = digest(wasm);
        let path = self.component_file(&digest);
        let touched = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        if touched.is_err() {
            write_durably(&path, wasm)?;
        }
        Ok(digest)
    }

    /// Deletes components that no version of a job refers to and that were last put before a time; returns how many. While
    /// a job's file can't be read, nothing is deleted: it may refer to any of them.
    pub fn sweep(&self, before: SystemTime) -> Result<usize> {
        let mut used = BTreeSet::new();
        for record in self.load()? {
            let record = record?;
            used.extend(record.versions.into_iter().map(|version| version.digest).chain([record.digest]));
        }
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
    }

    /// The component with a digest; refuses bytes that do not have it.
    pub fn component(&self, digest: &str) -> Result<Vec<u8>> {
        ensure!(
            digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()),
            "{digest:?} is not the digest of a component"
        );
        let path = self.component_file(digest);
        let wasm = fs::read(&path).with_context(|| format!("failed to read the component {}", path.display()))?;
        ensure!(
            pelton_model::digest::digest(&wasm) == digest,
            "the component {} is damaged: its digest is another",
            path.display()
        );
        Ok(wasm)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn record(name: &str) -> Record {
        Record {
            name: name.to_owned(),
            digest: digest(b"wasm"),
            spec: Spec::default(),
            parameters: BTreeMap::new(),
            group: format!("pelton-{name}"),
            parallelism: 1,
            submitted: DateTime::UNIX_EPOCH,
            version: 0,
            paused: false,
            file: None,
            versions: Vec::new(),
            history: Vec::new(),
        }
    }

    #[test]
    fn versions_are_known_by_their_digest() {
        let mut record = record("a");
        let set = |v: &str| BTreeMap::from([("t".to_owned(), v.to_owned())]);
        for (digest, value) in [("d1", "1"), ("d2", "2"), ("d1", "3")] {
            record.adopt(digest, &Spec::default(), set(value), "ana", "because");
        }
        assert_eq!((record.version, record.versions.len(), record.history.len()), (1, 2, 3));
        assert_eq!(record.versions[0].parameters, set("3"));
        assert_eq!(record.earlier(None), None);
        assert_eq!(record.earlier(Some(2)).unwrap().digest, "d2");
        for i in 0..KEPT * 2 {
            record.adopt(&format!("x{i}"), &Spec::default(), set("1"), "ana", "because");
        }
        assert_eq!((record.versions.len(), record.history.len()), (KEPT, KEPT));
        assert_eq!(record.earlier(None).unwrap().number, record.version - 1);
    }

    #[test]
    fn a_folder_belongs_to_one_host_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = Registry::open(folder.path().to_owned()).unwrap();
        let refusal = Registry::open(folder.path().to_owned()).unwrap_err().to_string();
        assert!(refusal.starts_with("another Pelton uses the data folder "), "{refusal}");
        drop(first);
        Registry::open(folder.path().to_owned()).unwrap();
    }

    #[test]
    fn records_survive_and_a_damaged_one_harms_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path().to_owned()).unwrap();
        registry.save(&record("b")).unwrap();
        registry.save(&record("a")).unwrap();
        fs::write(folder.path().join("jobs/c.json"), "{").unwrap();
        fs::copy(folder.path().join("jobs/a.json"), folder.path().join("jobs/d.json")).unwrap();
        drop(registry);
        let registry = Registry::open(folder.path().to_owned()).unwrap();
        let loaded = registry.load().unwrap();
        let names: Vec<_> = loaded.iter().map(|r| r.as_ref().ok().map(|r| r.name.as_str())).collect();
        assert_eq!(names, [Some("a"), Some("b"), None, None]);
        let damaged = format!("{:#}", loaded[2].as_ref().unwrap_err());
        assert!(damaged.contains("c.json"), "{damaged}");
        registry.remove("a").unwrap();
        assert_eq!(registry.load().unwrap().len(), 3);
    }

    #[test]
    fn only_old_components_that_no_version_refers_to_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path().to_owned()).unwrap();
        let [first, second, unused, fresh] =
            [b"first", b"secnd", b"unusd", b"fresh"].map(|wasm| registry.put_component(wasm).unwrap());
        let mut job = record("a");
        job.digest.clone_from(&second);
        for digest in [&first, &second] {
            job.adopt(digest, &Spec::default(), BTreeMap::new(), "ana", "because");
        }
        registry.save(&job).unwrap();
        let (now, hour) = (SystemTime::now(), Duration::from_secs(3600));
        let cut_off = folder.path().join("components/.tmpcut");
        fs::write(&cut_off, "").unwrap();
        for path in [&registry.component_file(&first), &registry.component_file(&unused), &cut_off] {
            File::open(path).unwrap().set_modified(now - 2 * hour).unwrap();
        }
        fs::write(folder.path().join("jobs/damaged.json"), "{").unwrap();
        assert!(format!("{:#}", registry.sweep(now - hour).unwrap_err()).contains("damaged.json"));
        fs::remove_file(folder.path().join("jobs/damaged.json")).unwrap();

        assert_eq!(registry.sweep(now - hour).unwrap(), 2);
        assert_eq!(registry.sweep(now - hour).unwrap(), 0);
        let left = [&first, &second, &unused, &fresh].map(|digest| registry.component(digest).is_ok());
        assert_eq!((left, cut_off.exists()), ([true, true, false, true], false));

        // What is put once more is new again.
        File::open(registry.component_file(&fresh)).unwrap().set_modified(now - 2 * hour).unwrap();
        assert_eq!(registry.put_component(b"fresh").unwrap(), fresh);
        assert_eq!(registry.sweep(now - hour).unwrap(), 0);
    }

    #[test]
    fn a_component_that_is_not_what_its_name_says_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path().to_owned()).unwrap();
        let digest = registry.put_component(b"wasm").unwrap();
        assert_eq!(registry.component(&digest).unwrap(), b"wasm");
        fs::write(registry.component_file(&digest), b"masm").unwrap();
        assert!(registry.component(&digest).unwrap_err().to_string().contains("damaged"));
        assert!(registry.component("../../etc/passwd").is_err());
    }
}
