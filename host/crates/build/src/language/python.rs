//! Python, with componentize-py, which brings CPython compiled to WebAssembly and runs the imports of a job at build
//! time.
//!
//! That compiles all of CPython each time, which takes a quarter of a minute and more. So it makes an [`engine`] once, and
//! a job is put into that by running it on: only the job's own imports are left to do.

mod engine;
mod snapshot;
mod wasi;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use pelton_model::settings::Limits;
use pelton_runtime::Engine;

use super::tools::{Tools, answer, run_long};
use engine::{CONTRACT, PythonEngine};

const VERSION: &str = "0.25.1";
/// Of the SDK: it imports the job and serves the contract.
const MODULE: &str = "pelton.component";
/// Says where packages are, as componentize-py asks it too.
const PACKAGES: &str = "import site; print(';'.join([site.getusersitepackages(), *site.getsitepackages()]))";

pub(super) fn build(folder: &Path, out: &Path, tools: &Tools) -> Result<Vec<u8>> {
    let program = find(folder, tools)?;
    let path: Vec<_> = python_path(folder)?.iter().map(|path| folder.join(path)).collect();
    let packages = packages(folder);
    let is_plain = path.iter().chain(&packages).all(|folder| is_plain(folder));
    let failed = || format!("componentize-py could not build {}", folder.display());
    if !is_plain {
        return componentize(folder, out, &program).with_context(failed);
    }
    let python = PythonEngine::get(&program, VERSION, tools)?;
    let engine = Engine::new(Limits::default(), Some(&engine::compiled()?))?;
    let numbered = path.into_iter().chain(packages).enumerate().map(|(number, path)| (number.to_string(), path));
    let folders: Vec<_> = python.folders().chain(numbered).collect();
    let named = |error: anyhow::Error| anyhow::anyhow!(with_folders(format!("{error:#}"), &folders));
    snapshot::advance(&engine, &python.component()?, &folders).map_err(named).with_context(failed)
}

/// A traceback with the files' names as they are here.
fn with_folders(text: String, folders: &[(String, PathBuf)]) -> String {
    folders.iter().fold(text, |text, (name, folder)| {
        let here = format!("File \"{}/", folder.components().collect::<PathBuf>().display());
        text.replace(&format!("File \"/{name}/"), &here)
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
fn packages(folder: &Path) -> Vec<PathBuf> {
    let environment = folder.join(".venv/lib");
    let found: Vec<_> = if environment.is_dir() {
        let versions = environment.read_dir().into_iter().flatten().flatten();
        versions.map(|version| version.path().join("site-packages")).collect()
    } else {
        let listed = answer(Command::new("python3").args(["-c", PACKAGES])).unwrap_or_default();
        listed.split(';').map(PathBuf::from).collect()
    };
    found.into_iter().filter(|path| path.is_dir()).collect()
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

/// `[tool.pelton] python-path`, else the project and its `sdk`.
fn python_path(folder: &Path) -> Result<Vec<String>> {
    let settings = std::fs::read_to_string(folder.join("pyproject.toml")).unwrap_or_default();
    let settings: Table = settings.parse().unwrap_or_default();
    let pelton = settings.get("tool").and_then(|tool| tool.get("pelton"));
    match pelton.and_then(|pelton| pelton.get("python-path")) {
        Some(folders) => {
            let folders = folders.as_array().and_then(|folders| folders.iter().map(text).collect());
            folders.context("tool.pelton.python-path in pyproject.toml is no list of folders")
        }
        None => Ok(vec![".".to_owned(), "sdk".to_owned()]),
    }
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
