//! Python, with componentize-py, which brings CPython compiled to WebAssembly and runs the imports of a job at build
//! time.
//!
//! That compiles all of CPython each time, which takes a quarter of a minute and more. So it makes an [`engine`] once, and
//! a job is put into that by running it on: only the job's own imports are left to do.

mod bounds;
mod engine;
mod files;
mod interrupt;
mod snapshot;
mod wasi;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail, ensure};
use toml::{Table, Value};

use pelton_model::regular::{self, TEXT_BYTES};
use pelton_model::settings::Limits;
use pelton_runtime::Engine;

use super::tools::{Tools, answer, run_long};
use engine::{CONTRACT, PythonEngine};

const VERSION: &str = "0.25.1";
/// Of the SDK: it imports the job and serves the contract.
const MODULE: &str = "pelton.component";
/// What describes a project.
const PROJECT: &str = "pyproject.toml";
/// Says where packages are, as componentize-py asks it too.
const PACKAGES: &str = "import site; print(';'.join([site.getusersitepackages(), *site.getsitepackages()]))";

/// # Errors
/// componentize-py or a folder is missing, or the job's import fails: the traceback, and what explains it.
pub(super) fn build(folder: &Path, out: &Path, tools: &Tools, limits: &Limits) -> Result<Vec<u8>> {
    let program = find(folder, tools)?;
    let path = python_path(folder)?;
    let packages = packages(folder)?;
    let is_plain = path.iter().chain(&packages).all(|folder| is_plain(folder));
    let failed = || format!("componentize-py could not build {}", folder.display());
    if !is_plain {
        return componentize(folder, out, &program).with_context(failed);
    }
    let python = PythonEngine::get(&program, VERSION, tools)?;
    let engine = Engine::new(limits.clone(), Some(&engine::compiled()?))?;
    let numbered = path.into_iter().chain(packages).enumerate().map(|(number, path)| (number.to_string(), path));
    let folders: Vec<_> = python.folders().chain(numbered).collect();
    let named = |error: anyhow::Error| anyhow::anyhow!(with_folders(format!("{error:#}"), &folders));
    snapshot::advance(&engine, limits, &python.component()?, &folders).map_err(named).with_context(failed)
}

/// A traceback with the files' names as they are here.
fn with_folders(text: String, folders: &[(String, PathBuf)]) -> String {
    folders.iter().fold(text, |text, (name, folder)| {
        let here = folder.components().collect::<PathBuf>();
        ['"', '\'']
            .iter()
            .fold(text, |text, quote| text.replace(&format!("{quote}/{name}/"), &format!("{quote}{}/", here.display())))
    })
}

/// Has componentize-py do all of it: for packages that bring code or contracts of their own.
fn componentize(folder: &Path, out: &Path, program: &Path) -> Result<Vec<u8>> {
    let wit = out.join("job.wit");
    std::fs::write(&wit, CONTRACT).context("failed to write the contract")?;
    let component = out.join("component.wasm");
    let mut command = Command::new(program);
    command.args(["-q", "-d"]).arg(&wit).args(["-w", "job", "componentize", "--stub-wasi", MODULE]);
    for path in python_path(folder)? {
        command.arg("-p").arg(path);
    }
    // An environment of this very project gives its packages; any other would leak in.
    let environment = folder.join(".venv");
    if environment.is_dir() {
        command.env("VIRTUAL_ENV", environment);
    } else {
        command.env_remove("VIRTUAL_ENV");
    }
    run_long(command.arg("-o").arg(&component).current_dir(folder), "the component")?;
    std::fs::read(&component).with_context(|| format!("{} was not made", component.display()))
}

/// Where the project's packages are: in its own environment, else in that of the Python on the search path.
fn packages(folder: &Path) -> Result<Vec<PathBuf>> {
    let environment = folder.join(".venv");
    let found: Vec<_> = if environment.join("lib").is_dir() {
        let real = environment.canonicalize().with_context(|| format!("cannot open {}", environment.display()))?;
        ensure!(
            real.starts_with(folder) || real.join("pyvenv.cfg").is_file(),
            "{} is a link to {}, which is no virtual environment: it has no pyvenv.cfg",
            environment.display(),
            real.display()
        );
        let versions = real.join("lib").read_dir().into_iter().flatten().flatten();
        let folders = versions.map(|version| version.path().join("site-packages"));
        // A link out of the environment leads to anything.
        folders.filter(|packages| packages.canonicalize().is_ok_and(|found| found.starts_with(&real))).collect()
    } else {
        let listed = answer(Command::new("python3").args(["-c", PACKAGES])).unwrap_or_default();
        listed.split(';').map(PathBuf::from).collect()
    };
    Ok(found.into_iter().filter(|path| path.is_dir()).collect())
}

/// Whether a folder holds nothing that componentize-py itself must see: extensions compiled to WebAssembly, and packages
/// with a contract of their own.
fn is_plain(folder: &Path) -> bool {
    folder.read_dir().into_iter().flatten().flatten().all(|entry| {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => name.starts_with('.') || name == "node_modules" || is_plain(&path),
            _ => name != "componentize-py.toml" && !name.ends_with("wasm32-wasi.so"),
        }
    })
}

/// `[tool.pelton] python-path`, else the project and its `sdk`: absolute, without links. What lies there can
/// be read by the job, so a folder outside of the project is to be a project itself.
fn python_path(folder: &Path) -> Result<Vec<PathBuf>> {
    let file = folder.join(PROJECT);
    let shown = file.display();
    let settings = match regular::read_text(&file, TEXT_BYTES) {
        Ok(settings) => settings,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
    };
    let settings: Table =
        settings.parse().map_err(|error: toml::de::Error| anyhow!("{shown}: {}", error.to_string().trim_end()))?;
    let pelton = settings.get("tool").and_then(|tool| tool.get("pelton"));
    let named: Vec<String> = match pelton.and_then(|pelton| pelton.get("python-path")) {
        Some(folders) => {
            let folders = folders.as_array().and_then(|folders| folders.iter().map(text).collect());
            folders.with_context(|| format!("{shown}: tool.pelton.python-path is no list of folders"))?
        }
        None => [".", "sdk"].into_iter().filter(|name| folder.join(name).is_dir()).map(str::to_owned).collect(),
    };
    let mut found = Vec::new();
    for name in named {
        ensure!(
            Path::new(&name).is_relative(),
            "{shown}: tool.pelton.python-path names {name}; a folder is given as seen from the project's"
        );
        let path = folder.join(&name);
        let cannot = || format!("cannot open {}, which tool.pelton.python-path of {shown} names", path.display());
        let real = path.canonicalize().with_context(cannot)?;
        ensure!(real.is_dir(), "{shown}: {name}, in tool.pelton.python-path, is no folder");
        ensure!(
            real.starts_with(folder) || real.join(PROJECT).is_file(),
            "{name}, in tool.pelton.python-path of {shown}, leads out of the project, to {}, and that is no project of \
             Python's (it has no {PROJECT}): the job could read all that is there. Copy what it imports into the project",
            real.display()
        );
        found.push(real);
    }
    Ok(found)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn find(folder: &Path, tools: &Tools) -> Result<PathBuf> {
    const PROGRAM: &str = "componentize-py";
    let mut other = None;
    for program in [folder.join(".venv/bin").join(PROGRAM), PathBuf::from(PROGRAM)] {
        match answer(Command::new(&program).arg("--version")) {
            Some(version) if version.ends_with(VERSION) => return Ok(program),
            found => other = other.or(found),
        }
    }
    if let Some(programs) = tools.pypi(PROGRAM, VERSION)? {
        return Ok(programs.join(PROGRAM));
    }
    let state = other.map_or_else(
        || format!("componentize-py {VERSION} is not installed"),
        |other| format!("componentize-py {VERSION} is needed, found {other}"),
    );
    bail!("{state}; run `pelton build --install`, or `pip install componentize-py=={VERSION}` in a virtual environment")
}

#[cfg(test)]
mod tests;
