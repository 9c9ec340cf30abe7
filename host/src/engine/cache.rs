//! Compiled components on disk, so that a known one starts without being compiled again.
//!
//! `<folder>/<engine>/<digest>.cwasm` is machine code, mapped into memory as it is, and `<digest>.json` what the component
//! declared. `<engine>` stands for wasmtime's version, its settings and the CPU: an entry of another host is never looked
//! at. Only this host writes here, mode 0700: machine code is never accepted from anybody. An entry may be deleted at any
//! time, by anybody; when all are larger than the limit, those used longest ago go.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use wasmtime::component::Component;

use crate::files::write_durably;
use crate::spec::Spec;

/// The compiled components of one engine.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    root: PathBuf,
    folder: PathBuf,
    limit: u64,
}

impl Cache {
    /// A cache below `root`, which is made where needed, of at most `limit` bytes.
    pub(super) fn open(root: &Path, engine: &wasmtime::Engine, limit: u64) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let folder = root.join(format!("{:016x}", hasher.finish()));
        let make = || -> std::io::Result<()> {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            // They may have been there before, with another mode.
            fs::set_permissions(root, fs::Permissions::from_mode(0o700))?;
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))
        };
        make().with_context(|| format!("failed to make the folder of compiled code {}", folder.display()))?;
        Ok(Self { root: root.to_owned(), folder, limit })
    }

    fn files(&self, digest: &str) -> (PathBuf, PathBuf) {
        (self.folder.join(format!("{digest}.cwasm")), self.folder.join(format!("{digest}.json")))
    }

    /// The component with this digest and what it declares, if both are here and whole.
    pub(super) fn get(&self, engine: &wasmtime::Engine, digest: &str) -> Option<(Component, Spec)> {
        let (code, spec) = self.files(digest);
        let declared = serde_json::from_slice(&fs::read(spec).ok()?).ok()?;
        if !code.is_file() {
            return None;
        }
        // SAFETY: the file was written whole by this module, from wasmtime's own output for an engine of the same version
        // and settings, into a folder that only this account can write to. Wasmtime checks version and settings again.
        #[expect(unsafe_code, reason = "mapping trusted machine code is what makes a start take milliseconds")]
        let component = unsafe { Component::deserialize_file(engine, &code) };
        match component {
            Ok(component) => {
                // Marks it as used; where that fails it only looks older than it is.
                let _ = fs::File::open(&code).and_then(|file| file.set_modified(SystemTime::now()));
                Some((component, declared))
            }
            Err(error) => {
                tracing::warn!("{} is not used, the component is compiled again: {error:#}", code.display());
                None
            }
        }
    }

    /// Keeps a component. Failing to is no reason not to run it: that is only told.
    pub(super) fn put(&self, digest: &str, component: &Component, declared: &Spec) {
        let (code, spec) = self.files(digest);
        let put = || -> Result<()> {
            write_durably(&code, &component.serialize()?)?;
            write_durably(&spec, &serde_json::to_vec(declared)?)?;
            self.trim(&code)
        };
        if let Err(error) = put() {
            tracing::warn!("compiled code is not kept, the next start compiles again: {error:#}");
        }
    }

    /// Deletes what was used longest ago, of this engine and others, until the rest is within the limit.
    fn trim(&self, keep: &Path) -> Result<()> {
        let mut entries = Vec::new();
        for folder in fs::read_dir(&self.root)?.filter_map(|entry| Some(entry.ok()?.path())) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let Ok(metadata) = entry.metadata() else { continue };
                entries.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        entries.sort();
        let mut total: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in entries {
            if total <= self.limit {
                break;
            }
            if path.extension().is_some_and(|extension| extension == "cwasm") && path != keep {
                // Another host of the same folder may have been faster.
                let _ = fs::remove_file(path.with_extension("json"));
                let _ = fs::remove_file(&path);
                total -= bytes;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
