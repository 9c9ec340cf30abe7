//! Compiled components on disk, so that a known one starts without being compiled again.
//!
//! `<folder>/<engine>/<digest>.cwasm` is machine code, mapped into memory as it is, and `<digest>.json` what the
//! component declared and which runtimes it needs. Those are `runtime-<digest>.cwasm`, each there once, however many
//! components need it. `<engine>` stands for wasmtime's version, its settings and the CPU: an entry of another host is
//! never looked at. Only this host writes here, mode 0700: machine code is never accepted from anybody. An entry may be
//! deleted at any time, by anybody; when all are larger than the limit, those used longest ago go.
//!
//! What is not here is taken from the cache of this account's client commands (`pelton build`, `pelton test`, `pelton
//! dev`), which is of the same kind, if nobody else can reach that.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use wasmtime::Module;
use wasmtime::component::Component;

use super::compiled::{Compiled, Runtime};
use pelton_model::files::write_durably;
use pelton_model::spec::Spec;

/// The compiled components of one engine.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    root: PathBuf,
    folder: PathBuf,
    limit: u64,
    /// The root of the client commands' cache.
    commands: Option<PathBuf>,
}

/// What is kept of a component beside its code.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// `None` where it was not asked yet.
    spec: Option<Spec>,
    /// Name and digest of each runtime that it imports.
    runtimes: Vec<(String, String)>,
}

impl Cache {
    /// The folder that all is below.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// A cache below `root`, which is made where needed, of at most `limit` bytes; what it lacks is taken from the
    /// cache below `commands`.
    pub(super) fn open(root: &Path, engine: &wasmtime::Engine, limit: u64, commands: Option<PathBuf>) -> Result<Self> {
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
        Ok(Self { root: root.to_owned(), folder, limit, commands })
    }

    fn files(&self, digest: &str) -> (PathBuf, PathBuf) {
        (self.folder.join(format!("{digest}.cwasm")), self.folder.join(format!("{digest}.json")))
    }

    fn runtime_file(&self, digest: &str) -> PathBuf {
        self.folder.join(format!("runtime-{digest}.cwasm"))
    }

    /// The component with this digest and what it declares, where that is known, if both are here, or where client
    /// commands keep theirs, and whole, with all that it needs.
    pub(super) fn get(&self, engine: &wasmtime::Engine, digest: &str) -> Option<(Compiled, Option<Spec>)> {
        let (code, kept) = self.files(digest);
        if !code.is_file() {
            self.adopt(&code, &[&code, &kept]);
        }
        let kept: Kept = serde_json::from_slice(&fs::read(kept).ok()?).ok()?;
        let mut runtimes = Vec::new();
        for (name, digest) in kept.runtimes {
            let module = self.runtime(engine, &digest)?;
            runtimes.push(Runtime { name, digest, module });
        }
        // SAFETY: see `open`.
        #[expect(unsafe_code, reason = "mapping trusted machine code is what makes a start take milliseconds")]
        let component = open(&code, |code| unsafe { Component::deserialize_file(engine, code) })?;
        Some((Compiled { component, runtimes }, kept.spec))
    }

    /// The runtime whose code has this digest, if it is here, or where client commands keep theirs, and whole.
    pub(super) fn runtime(&self, engine: &wasmtime::Engine, digest: &str) -> Option<Module> {
        let code = self.runtime_file(digest);
        if !code.is_file() {
            self.adopt(&code, &[&code]);
        }
        // SAFETY: see `open`.
        #[expect(unsafe_code, reason = "mapping trusted machine code is what makes a start take milliseconds")]
        open(&code, |code| unsafe { Module::deserialize_file(engine, code) })
    }

    /// Copies files to where they are to be, from the cache of client commands, if all are there.
    fn adopt(&self, code: &Path, files: &[&Path]) {
        let found: Option<Vec<_>> = files.iter().map(|file| self.of_commands(file)).collect();
        if let Some(found) = found {
            self.keep(code, || {
                Ok(files.iter().zip(&found).try_for_each(|(file, bytes)| write_durably(file, bytes))?)
            });
        }
    }

    /// The content of the same file there, where every folder on the way and it itself are only this account's.
    fn of_commands(&self, file: &Path) -> Option<Vec<u8>> {
        let root = self.commands.as_ref()?;
        let file = root.join(file.strip_prefix(&self.root).ok()?);
        let is_ours = |path: &Path| {
            fs::symlink_metadata(path).is_ok_and(|found| {
                found.uid() == nix::unistd::geteuid().as_raw() && found.mode() & 0o077 == 0 && !found.is_symlink()
            })
        };
        let ours = is_ours(root) && is_ours(file.parent()?) && is_ours(&file);
        ours.then(|| fs::read(&file).ok()).flatten()
    }

    /// Keeps a component. Failing to is no reason not to run it: that is only told.
    pub(super) fn put(&self, digest: &str, compiled: &Compiled, declared: &Spec) {
        let (code, _) = self.files(digest);
        self.keep(&code, || self.write_all(digest, compiled, Some(declared)));
    }

    /// Keeps a component of which it is not known yet what it declares.
    pub(super) fn put_code(&self, digest: &str, compiled: &Compiled) -> Result<()> {
        self.write_all(digest, compiled, None)?;
        let (code, _) = self.files(digest);
        self.trim(&code)
    }

    /// Keeps what a component declares whose code is here.
    pub(super) fn put_declared(&self, digest: &str, compiled: &Compiled, declared: &Spec) {
        let (code, _) = self.files(digest);
        self.keep(&code, || self.write_kept(digest, compiled, Some(declared)));
    }

    fn write_all(&self, digest: &str, compiled: &Compiled, declared: Option<&Spec>) -> Result<()> {
        let (code, _) = self.files(digest);
        write_durably(&code, &compiled.component.serialize()?)?;
        self.write_kept(digest, compiled, declared)
    }

    fn write_kept(&self, digest: &str, compiled: &Compiled, declared: Option<&Spec>) -> Result<()> {
        let (_, kept) = self.files(digest);
        let runtimes = compiled.runtimes.iter().map(|runtime| (runtime.name.clone(), runtime.digest.clone())).collect();
        Ok(write_durably(&kept, &serde_json::to_vec(&Kept { spec: declared.cloned(), runtimes })?)?)
    }

    /// Keeps a runtime, in the same way.
    pub(super) fn put_runtime(&self, digest: &str, module: &Module) {
        let code = self.runtime_file(digest);
        self.keep(&code, || Ok(write_durably(&code, &module.serialize()?)?));
    }

    fn keep(&self, code: &Path, write: impl FnOnce() -> Result<()>) {
        if let Err(error) = write().and_then(|()| self.trim(code)) {
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

/// Maps machine code, and marks it as used.
///
/// That is safe because the file was written whole by this module, from wasmtime's own output for an engine of the same
/// version and settings, into a folder that only this account can write to. Wasmtime checks version and settings again.
fn open<T>(code: &Path, map: impl FnOnce(&Path) -> wasmtime::Result<T>) -> Option<T> {
    if !code.is_file() {
        return None;
    }
    match map(code) {
        Ok(mapped) => {
            // Where that fails it only looks older than it is.
            let _ = fs::File::open(code).and_then(|file| file.set_modified(SystemTime::now()));
            Some(mapped)
        }
        Err(error) => {
            tracing::warn!("{} is not used, it is compiled again: {error:#}", code.display());
            None
        }
    }
}

#[cfg(test)]
mod tests;
