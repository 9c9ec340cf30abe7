//! The languages that jobs are written in: in which one a project is, told by its files, and how it is built. A project
//! that is not Rust makes one component, named after its folder; the tools that it needs are found, or said to be
//! missing with the way to get them. A language that is not known here is built by a command of the project's own.

mod c;
mod go;
mod javascript;
mod other;
mod python;
mod rust;
mod tools;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use pelton_model::settings::Limits;
use pelton_runtime::component::{componentize, embed};

use crate::script;
use tools::Tools;

/// A language that has an SDK, or any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Rust
    Rust,
    /// JavaScript, with TypeScript's types
    #[value(name = "js", alias = "javascript")]
    JavaScript,
    /// Python
    Python,
    /// Go
    Go,
    /// C
    C,
    /// Any other, with a build command of your own: C and a Makefile to begin with
    Other,
}

/// The file that tells each. A folder may hold several, such as a `package.json` for formatting Rust's documentation:
/// the first counts, and a command of one's own before all that is known here.
const MARKS: [(&str, Language); 6] = [
    (other::FILE, Language::Other),
    ("Cargo.toml", Language::Rust),
    ("go.mod", Language::Go),
    ("pyproject.toml", Language::Python),
    ("package.json", Language::JavaScript),
    ("job.c", Language::C),
];

impl Language {
    /// The language of a project.
    ///
    /// # Errors
    /// The folder holds none of the files that tell.
    pub(crate) fn of(folder: &Path) -> Result<Self> {
        let found = MARKS.iter().find(|(mark, _)| folder.join(mark).is_file());
        match found {
            Some((_, language)) => Ok(*language),
            None => {
                bail!("{} holds no job: it has none of {}", folder.display(), MARKS.map(|(mark, _)| mark).join(", "))
            }
        }
    }

    /// The folder of its template and of its SDK.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::JavaScript => "js",
            Self::Python => "python",
            Self::Go => "go",
            Self::C => "c",
            Self::Other => "other",
        }
    }

    /// The file that the tools of a project write beside its sources, where it is known.
    pub(crate) fn output(self, folder: &Path) -> Option<PathBuf> {
        if self == Self::Other { other::output(folder) } else { None }
    }

    /// What runs a project's own tests.
    pub fn test_command(self) -> &'static str {
        match self {
            Self::Rust => "cargo test",
            Self::JavaScript => "npm install && npm test",
            Self::Python => "pytest",
            Self::Go => "go test .",
            Self::C | Self::Other => "sh test.sh",
        }
    }

    /// Builds a project of this language: each component with its name, in the order of names. `quiet` is for Rust: the
    /// others' tools say little. `limits` are for Python, whose imports run at once.
    ///
    /// # Errors
    /// A tool is missing or too old (says how to get it), or it fails; its own messages go to standard error.
    pub(crate) fn build(
        self,
        folder: &Path,
        install: bool,
        quiet: bool,
        limits: &Limits,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        if self == Self::Rust {
            return rust::build(folder, quiet);
        }
        let name = folder.file_name().and_then(OsStr::to_str).context("the project's folder has no name")?;
        let tools = Tools::new(install)?;
        let out = tempfile::tempdir().context("failed to make a temporary folder")?;
        let component = match self {
            Self::Rust => bail!("a Rust project is cargo's"),
            Self::Go => componentize(&embed(&read(&go::build(folder, out.path())?)?)?)?,
            Self::C => componentize(&embed(&read(&c::build(folder, out.path(), &tools)?)?)?)?,
            Self::Other => other::build(folder)?,
            Self::Python => python::build(folder, out.path(), &tools, limits)?,
            Self::JavaScript => {
                let built = read(&javascript::build(folder, out.path())?)?;
                // An older SDK made the component itself.
                if built.starts_with(b"\0asm") { built } else { script::component(&built)? }
            }
        };
        Ok(vec![(name.to_owned(), component)])
    }
}

fn read(built: &Path) -> Result<Vec<u8>> {
    std::fs::read(built).with_context(|| format!("{} was not made", built.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_told_by_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let error = Language::of(folder.path()).unwrap_err().to_string();
        let told = "holds no job: it has none of pelton.toml, Cargo.toml, go.mod, pyproject.toml, package.json, job.c";
        assert!(error.ends_with(told), "{error}");
        for (mark, language) in MARKS.iter().rev() {
            std::fs::write(folder.path().join(mark), "").unwrap();
            assert_eq!(Language::of(folder.path()).unwrap(), *language);
        }
    }
}
