//! Python, with componentize-py, which brings CPython compiled to WebAssembly and runs the imports of a job at build
//! time.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use super::tools::{Tools, answer, run};

const VERSION: &str = "0.25.1";
/// Of the SDK: it imports the job and serves the contract.
const MODULE: &str = "pelton.component";

pub(super) fn build(folder: &Path, out: &Path, tools: &Tools) -> Result<PathBuf> {
    let wit = out.join("job.wit");
    std::fs::write(&wit, include_str!("../../../../../wit/job.wit")).context("failed to write the contract")?;
    let component = out.join("component.wasm");
    let mut command = Command::new(find(folder, tools)?);
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
    run(command.arg("-o").arg(&component).current_dir(folder))
        .with_context(|| format!("componentize-py could not build {}", folder.display()))?;
    Ok(component)
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
