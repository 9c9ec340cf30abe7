//! The engine of jobs in Python: a component of componentize-py that has CPython started and no job in it yet, and the
//! files that CPython imports from. It is the same for every job, made once for a machine, and kept in the cache folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use pelton_model::digest::digest;
use pelton_model::files::cache_folder;

use super::super::tools::{Tools, run_long};

/// The module that componentize-py is given: it takes the job in later.
const SOURCE: &str = include_str!("pelton_engine.py");
const MODULE: &str = "pelton_engine";
/// The contract that components are made for.
pub(super) const CONTRACT: &str = include_str!("../../../../../../wit/job.wit");
/// What the engine leaves in its folder while it is made, and finds when a job is put in.
const FOLDERS: [&str; 3] = ["python", "world", "bundled"];

/// An engine that is there.
pub(super) struct PythonEngine {
    folder: PathBuf,
}

impl PythonEngine {
    /// The engine, made where it is missing, with the program of this version.
    ///
    /// # Errors
    /// The program fails, or the folder can't be written.
    pub(super) fn get(program: &Path, version: &str, tools: &Tools) -> Result<Self> {
        let made_of = [version, SOURCE, CONTRACT].join("\0");
        let name = format!("python-engine-{version}-{}", digest(made_of.as_bytes()).get(..16).unwrap_or_default());
        let folder = tools.folder().join(name);
        if !folder.join("engine.wasm").is_file() {
            make(program, &folder).context("failed to make the engine of Python jobs")?;
        }
        Ok(Self { folder })
    }

    pub(super) fn component(&self) -> Result<Vec<u8>> {
        let path = self.folder.join("engine.wasm");
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// The folders that CPython imports from, by the names that it knows.
    pub(super) fn folders(&self) -> impl Iterator<Item = (String, PathBuf)> {
        FOLDERS.into_iter().map(|name| (name.to_owned(), self.folder.join("keep").join(name)))
    }
}

fn make(program: &Path, folder: &Path) -> Result<()> {
    tracing::info!("making the engine of Python jobs, once for this machine");
    let above = folder.parent().context("the cache has no folder")?;
    fs::create_dir_all(above).with_context(|| format!("cannot make {}", above.display()))?;
    let made = tempfile::Builder::new().prefix(".python-engine-").tempdir_in(above)?;
    let path = made.path();
    // componentize-py takes the packages of whatever Python it finds, unless it is told of others.
    let none = path.join("none");
    for folder in [path.join("keep"), none.join("lib/site-packages")] {
        fs::create_dir_all(folder)?;
    }
    fs::write(path.join(MODULE).with_extension("py"), SOURCE)?;
    fs::write(path.join("job.wit"), CONTRACT)?;
    let mut command = Command::new(program);
    command.args(["-q", "-d", "job.wit", "-w", "job", "componentize", "--stub-wasi", MODULE, "-p", "."]);
    command.args(["-o", "engine.wasm"]).env("VIRTUAL_ENV", &none).current_dir(path);
    run_long(&mut command, "the engine of Python jobs")?;
    // Another build may have been faster.
    if let Err(error) = fs::rename(path, folder)
        && !folder.join("engine.wasm").is_file()
    {
        return Err(error).with_context(|| format!("cannot make {}", folder.display()));
    }
    Ok(())
}

/// Where compiled code is kept, for this and for who runs what was built.
pub(super) fn compiled() -> Result<PathBuf> {
    Ok(cache_folder()?.join("compiled"))
}
