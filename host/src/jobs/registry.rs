//! What the host remembers across restarts: submitted jobs, one file each, and their components by digest.
//!
//! `<data>/jobs/<name>.json` and `<data>/components/<sha-256>.wasm`. Files are written whole or not at all. A damaged one
//! is told and left where it is; the others are served.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::engine::digest;
use crate::files::{private_folder, write_durably};
use crate::spec::Spec;

/// A submitted job: the desired state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The name under which it runs.
    pub name: String,
    /// SHA-256 of its component, in hexadecimal.
    pub digest: String,
    /// What it declared at submit.
    pub spec: Spec,
    /// The parameters as they were set; defaults are not among them.
    pub parameters: BTreeMap<String, String>,
    /// The consumer group.
    pub group: String,
    /// How many instances.
    pub parallelism: usize,
    /// When it was submitted.
    pub submitted: DateTime<Utc>,
}

/// The files.
#[derive(Debug)]
pub struct Registry {
    folder: PathBuf,
}

impl Registry {
    /// The registry below a data folder, which is made where needed.
    pub fn open(data: PathBuf) -> Result<Self> {
        for folder in ["jobs", "components", "dead-letters"] {
            let folder = data.join(folder);
            private_folder(&folder).with_context(|| format!("failed to make the data folder {}", folder.display()))?;
        }
        Ok(Self { folder: data })
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

    /// Forgets a record. Its component stays: others may use it.
    pub fn remove(&self, name: &str) -> Result<()> {
        let path = self.job_file(name);
        fs::remove_file(&path).with_context(|| format!("failed to remove {}", path.display()))
    }

    /// Keeps a component; returns its digest.
    pub fn put_component(&self, wasm: &[u8]) -> Result<String> {
        let digest = digest(wasm);
        let path = self.component_file(&digest);
        if !path.exists() {
            write_durably(&path, wasm)?;
        }
        Ok(digest)
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
            crate::engine::digest(&wasm) == digest,
            "the component {} is damaged: its digest is another",
            path.display()
        );
        Ok(wasm)
    }
}

#[cfg(test)]
mod tests {
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
        }
    }

    #[test]
    fn records_survive_and_a_damaged_one_harms_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(folder.path().to_owned()).unwrap();
        registry.save(&record("b")).unwrap();
        registry.save(&record("a")).unwrap();
        fs::write(folder.path().join("jobs/c.json"), "{").unwrap();
        fs::copy(folder.path().join("jobs/a.json"), folder.path().join("jobs/d.json")).unwrap();
        let loaded = Registry::open(folder.path().to_owned()).unwrap().load().unwrap();
        let names: Vec<_> = loaded.iter().map(|r| r.as_ref().ok().map(|r| r.name.as_str())).collect();
        assert_eq!(names, [Some("a"), Some("b"), None, None]);
        let damaged = format!("{:#}", loaded[2].as_ref().unwrap_err());
        assert!(damaged.contains("c.json"), "{damaged}");
        registry.remove("a").unwrap();
        assert_eq!(registry.load().unwrap().len(), 3);
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
