//! The folder that users drop jobs into: what is in it, and what each file declares.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use crate::api::types::{Available, Problem};
use crate::engine::Engine;
use crate::pipeline::ack::lock;

/// When a file was last seen, and how large.
type Stamp = (Option<SystemTime>, u64);

/// The folder, with what was last found in it.
#[derive(Debug)]
pub struct AvailableJobs {
    folder: PathBuf,
    known: Mutex<HashMap<PathBuf, (Stamp, Available)>>,
}

impl AvailableJobs {
    /// A folder, which need not exist.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, known: Mutex::default() }
    }

    /// All `.wasm` files, by name. Those that have changed are compiled and asked anew.
    pub fn list(&self, engine: &Engine) -> Vec<Available> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) => {
                tracing::debug!("failed to read {}: {error}", self.folder.display());
                return Vec::new();
            }
        };
        let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "wasm") && path.is_file());
        paths.sort();
        let mut known = lock(&self.known);
        known.retain(|path, _| paths.contains(path));
        paths.into_iter().map(|path| self.look(&mut known, engine, path)).collect()
    }

    fn look(&self, known: &mut HashMap<PathBuf, (Stamp, Available)>, engine: &Engine, path: PathBuf) -> Available {
        let metadata = path.metadata().ok();
        let stamp = (metadata.as_ref().and_then(|m| m.modified().ok()), metadata.map_or(0, |m| m.len()));
        if let Some((_, available)) = known.get(&path).filter(|(seen, _)| *seen == stamp) {
            return available.clone();
        }
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let loaded = fs::read(&path).map_err(anyhow::Error::from).and_then(|wasm| engine.load(&wasm));
        let available = match loaded {
            Ok(job) => Available { file, spec: Some(job.spec().as_ref().clone()), error: None },
            Err(error) => Available { file, spec: None, error: Some(format!("{error:#}")) },
        };
        known.insert(path, (stamp, available.clone()));
        available
    }

    /// The bytes of a job, by its declared name or its file's name, with or without `.wasm`.
    pub fn read(&self, engine: &Engine, name: &str) -> Result<Vec<u8>, Problem> {
        let listed = self.list(engine);
        let is_file = |available: &&Available| {
            available.file == name || Path::new(&available.file).file_stem().is_some_and(|stem| stem == name)
        };
        let is_name = |available: &&Available| available.spec.as_ref().is_some_and(|spec| spec.name == name);
        let Some(found) = listed.iter().find(is_file).or_else(|| listed.iter().find(is_name)) else {
            let names: Vec<_> = listed.iter().map(|available| available.file.as_str()).collect();
            let has = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            let detail = format!("the host's folder {} has {has}", self.folder.display());
            return Err(Problem::new(404, "not-available", format!("no job {name:?} is available"), detail)
                .fix("drop its .wasm there, or submit the file itself"));
        };
        if let Some(error) = &found.error {
            return Err(Problem::new(422, "not-a-job", format!("{} is not a job", found.file), error));
        }
        let path = self.folder.join(&found.file);
        fs::read(&path).map_err(|error| {
            Problem::new(500, "internal", format!("failed to read {}", path.display()), error.to_string())
        })
    }
}
