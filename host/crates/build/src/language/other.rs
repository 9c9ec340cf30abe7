//! Any language, with a command of the project's own: `pelton.toml` says which, and what it leaves.
//!
//! What counts is what this run of the command has written. A file that was there before stays while the command runs, as
//! old as a file can be, so that a build tool takes it for out of date, and is as it was where the command fails: whatever
//! ends a build halfway, it is never gone.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use pelton_model::files::Stamp;
use pelton_model::regular::{self, COMPONENT_BYTES, TEXT_BYTES};
use pelton_runtime::component::componentize_any;
use pelton_runtime::is_core_module;
use serde::Deserialize;

use crate::whole::write_whole;

/// The file that says it.
pub(super) const FILE: &str = "pelton.toml";
/// What to write into it, for who has written something else.
const SHAPE: &str = "it says how the job is built, such as\n  [build]\n  command = [\"make\"]     # a program and its \
                     arguments; [\"sh\", \"-c\", \"…\"] for a shell\n  output = \"job.wasm\"   # what it writes, in this \
                     folder\nand nothing else";
/// With what a module and a component begin.
const MAGIC: &[u8] = b"\0asm";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    build: Recipe,
}

/// How a project is built.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipe {
    /// A program and its arguments, run in the project's folder.
    command: Vec<String>,
    /// The core module or component that it writes, from there.
    output: PathBuf,
}

/// The component of a project with a command of its own. The folder is an absolute path without links.
///
/// # Errors
/// `pelton.toml` says something else, the command isn't there or fails, or what it leaves is no component and no core
/// module of a job.
pub(super) fn build(folder: &Path) -> Result<Vec<u8>> {
    let recipe = Recipe::read(folder)?;
    let output = recipe.output.display();
    let built = recipe.run(folder)?;
    if is_core_module(&built) {
        return componentize_any(&built).with_context(|| output.to_string());
    }
    ensure!(
        built.starts_with(MAGIC),
        "{output} is no WebAssembly module: `output` in {FILE} names what `{}` writes, a core module or a component",
        recipe.program()
    );
    Ok(built)
}

/// What the command writes, where `pelton.toml` can be read.
pub(super) fn output(folder: &Path) -> Option<PathBuf> {
    Recipe::read(folder).ok().map(|recipe| folder.join(recipe.output))
}

impl Recipe {
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let text = regular::read_text(&path, TEXT_BYTES).with_context(|| format!("cannot read {}", path.display()))?;
        let Self { command, output } = toml::from_str::<Description>(&text)
            .map(|file| file.build)
            .map_err(|error| anyhow!("{}: {}\n{SHAPE}", path.display(), error.to_string().trim_end()))?;
        ensure!(
            command.first().is_some_and(|program| !program.is_empty()),
            "{}: `command` names no program\n{SHAPE}",
            path.display()
        );
        let is_plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        ensure!(
            output.file_name().is_some() && output.components().all(is_plain),
            "{}: `output` is {:?}, and must be a file in this folder; have the command write or copy it there",
            path.display(),
            output
        );
        Ok(Self { command, output })
    }

    fn program(&self) -> &str {
        self.command.first().map_or("", String::as_str)
    }

    /// Runs the command: what it has written.
    fn run(&self, folder: &Path) -> Result<Vec<u8>> {
        let output = folder.join(&self.output);
        self.stays_in(folder, output.parent().unwrap_or(folder))?;
        let before = Before::look(folder, &output)?;
        let built = self.start(folder).and_then(|()| self.written(folder, &output, before.as_ref()));
        if let (Err(error), Some(before)) = (&built, before) {
            before.restore().with_context(|| format!("{error:#}; and then"))?;
        }
        built
    }

    fn start(&self, folder: &Path) -> Result<()> {
        let program = self.program();
        // A path is the folder's, as the arguments are; a name is looked for.
        let started = if program.contains('/') { folder.join(program) } else { PathBuf::from(program) };
        let status = Command::new(&started)
            .args(self.command.iter().skip(1))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(std::io::stderr())
            .status()
            .map_err(|error| self.not_started(folder, &started, error))?;
        ensure!(
            status.success(),
            "`{program}`, the command of {FILE}, could not build {} ({status}); its messages are above",
            folder.display()
        );
        Ok(())
    }

    fn not_started(&self, folder: &Path, started: &Path, error: std::io::Error) -> Error {
        let program = self.program();
        let is_here = folder.join(program).is_file();
        let what = match error.kind() {
            ErrorKind::NotFound if program.contains('/') && is_here => {
                format!("the first line of {program} names a program that is not there; correct that line")
            }
            ErrorKind::NotFound if program.contains('/') => format!("there is no {}", started.display()),
            ErrorKind::NotFound if is_here => {
                format!("no `{program}` on the search path; the one in this folder is `./{program}`")
            }
            ErrorKind::NotFound => format!("no `{program}` on the search path; install it"),
            ErrorKind::PermissionDenied => format!("{program} is not executable; `chmod +x {program}`"),
            _ => return Error::new(error).context(format!("failed to start {program}, the command of {FILE}")),
        };
        anyhow!("{what}, or correct `command` in {}", folder.join(FILE).display())
    }

    fn written(&self, folder: &Path, output: &Path, before: Option<&Before>) -> Result<Vec<u8>> {
        let (program, name) = (self.program(), self.output.display());
        let missing = || {
            anyhow!(
                "`{program}` ended well and did not write {name}; one from before does not count. Have it write that file \
                 at every run, or correct `output` in {FILE}"
            )
        };
        match fs::metadata(output) {
            Ok(metadata) if metadata.is_file() => {
                ensure!(before.is_none_or(|before| before.stamp != Stamp::of(&metadata)), missing());
            }
            Ok(metadata) => bail!("{name} is no file, but a {}; correct `output` in {FILE}", kind(&metadata)),
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing()),
            Err(error) => return Err(error).with_context(|| format!("cannot read {name}")),
        }
        self.stays_in(folder, output)?;
        regular::read(output, COMPONENT_BYTES).with_context(|| format!("cannot read {name}"))
    }

    /// Fails where a path leads out of the folder, by a link.
    fn stays_in(&self, folder: &Path, path: &Path) -> Result<()> {
        match path.canonicalize() {
            Ok(real) => {
                ensure!(
                    real.starts_with(folder),
                    "`output` in {FILE}, {}, leads out of the folder, to {}; have the command copy the file into it",
                    self.output.display(),
                    real.display()
                );
                Ok(())
            }
            // The command may make its folder.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error).with_context(|| format!("cannot open {}", path.display())),
        }
    }
}

/// The output of an earlier run. Of what it holds the process has a copy, so that no file has to be found again.
struct Before {
    path: PathBuf,
    bytes: Vec<u8>,
    modified: SystemTime,
    /// As the command finds it.
    stamp: Stamp,
}

impl Before {
    /// Only what may be one: where `output` names a source by mistake, that isn't touched, nor is a file to which a link
    /// leads out of the folder.
    fn look(folder: &Path, output: &Path) -> Result<Option<Self>> {
        let name = output.display();
        match fs::metadata(output) {
            Ok(metadata) if metadata.is_file() || metadata.is_dir() => {}
            // Who opens it would wait.
            Ok(metadata) => {
                bail!("{name} is a {}, not a file; remove it, or correct `output` in {FILE}", kind(&metadata))
            }
            Err(_) => return Ok(None),
        }
        let Ok(path) = output.canonicalize() else { return Ok(None) };
        // One that is too large is none that could be kept.
        let bytes = regular::read(&path, COMPONENT_BYTES).unwrap_or_default();
        if !bytes.starts_with(MAGIC) || !path.starts_with(folder) {
            return Ok(None);
        }
        let take = || {
            let metadata = fs::metadata(&path)?;
            // What a tool keeps elsewhere under another name, as cargo does, stays as new as it is.
            if metadata.nlink() > 1 {
                write_whole(&path, &bytes)?;
            }
            // Of a file of another account the time can't be set: it is recognised all the same.
            let _ = set_modified(&path, SystemTime::UNIX_EPOCH);
            let stamp = Stamp::of(&fs::metadata(&path)?);
            Ok::<_, Error>((metadata.modified()?, stamp))
        };
        let (modified, stamp) = take().with_context(|| format!("cannot keep {name}, which was there before"))?;
        Ok(Some(Self { path, bytes, modified, stamp }))
    }

    /// Has it be as it was.
    fn restore(self) -> Result<()> {
        let is_there = fs::metadata(&self.path).is_ok_and(|metadata| Stamp::of(&metadata) == self.stamp);
        let restore = || {
            if !is_there {
                write_whole(&self.path, &self.bytes)?;
            }
            // Of a file of another account it never was another.
            let _ = set_modified(&self.path, self.modified);
            Ok::<_, Error>(())
        };
        restore().with_context(|| format!("cannot bring {} back", self.path.display()))
    }
}

fn set_modified(path: &Path, time: SystemTime) -> std::io::Result<()> {
    File::options().append(true).open(path)?.set_modified(time)
}

fn kind(metadata: &fs::Metadata) -> &'static str {
    regular::kind(metadata).unwrap_or("file")
}

#[cfg(test)]
mod tests;
