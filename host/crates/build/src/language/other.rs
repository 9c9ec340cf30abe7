//! Any language, with a command of the project's own: `pelton.toml` says which, and what it leaves.
//!
//! What counts is what this run of the command has written: a file that was there before is set aside, and comes back
//! where the command fails.

use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use pelton_runtime::component::componentize_any;
use pelton_runtime::is_core_module;
use serde::Deserialize;
use tempfile::TempDir;

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
struct File {
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
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let Self { command, output } = toml::from_str::<File>(&text)
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
        let before = Before::take(&output)?;
        let built = self.start(folder).and_then(|()| self.written(folder, &output));
        if let Err(error) = &built {
            before.put_back(&output).with_context(|| format!("{error:#}; and then"))?;
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

    fn written(&self, folder: &Path, output: &Path) -> Result<Vec<u8>> {
        let (program, name) = (self.program(), self.output.display());
        match fs::metadata(output) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => bail!("{name} is no file; correct `output` in {FILE}"),
            Err(error) if error.kind() == ErrorKind::NotFound => bail!(
                "`{program}` ended well and did not write {name}; one from before does not count. Have it write that \
                 file at every run, or correct `output` in {FILE}"
            ),
            Err(error) => return Err(error).with_context(|| format!("cannot read {name}")),
        }
        self.stays_in(folder, output)?;
        fs::read(output).with_context(|| format!("cannot read {name}"))
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

/// The output of an earlier run, out of the way.
struct Before(Option<TempDir>);

impl Before {
    /// Only what may be one: where `output` names a source by mistake, that stays.
    fn take(output: &Path) -> Result<Self> {
        let is_output = fs::read(output).is_ok_and(|bytes| bytes.starts_with(MAGIC));
        let Some(parent) = output.parent().filter(|_| is_output) else { return Ok(Self(None)) };
        let take = || {
            let aside = tempfile::Builder::new().prefix(".pelton-").tempdir_in(parent)?;
            fs::rename(output, aside.path().join("output"))?;
            Ok::<_, std::io::Error>(Self(Some(aside)))
        };
        take().with_context(|| format!("cannot move {} aside", output.display()))
    }

    fn put_back(self, output: &Path) -> Result<()> {
        let Some(aside) = self.0 else { return Ok(()) };
        fs::rename(aside.path().join("output"), output)
            .with_context(|| format!("cannot bring {} back", output.display()))
    }
}

#[cfg(test)]
mod tests;
