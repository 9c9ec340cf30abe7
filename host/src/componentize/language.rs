//! In which language a project is written, told by its files, and how each is built. A project that is not Rust makes one
//! component, named after its folder; the tools that it needs are found, or said to be missing with the way to get them.

mod c;
mod go;
mod javascript;
mod python;
mod tools;

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context, Result, bail};

use tools::Tools;

/// A language that jobs are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Rust,
    JavaScript,
    Python,
    Go,
    C,
}

/// The file that tells each. A folder may hold several, such as a `package.json` for formatting Rust's documentation: the
/// first counts.
const MARKS: [(&str, Language); 5] = [
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
    pub(super) fn of(folder: &Path) -> Result<Self> {
        let found = MARKS.iter().find(|(mark, _)| folder.join(mark).is_file());
        match found {
            Some((_, language)) => Ok(*language),
            None => {
                bail!("{} holds no job: it has none of {}", folder.display(), MARKS.map(|(mark, _)| mark).join(", "))
            }
        }
    }
}

/// Builds a project that is not Rust: the name of its folder, and the component.
///
/// # Errors
/// A tool is missing or too old (says how to get it), or it fails; its own messages go to standard error.
pub(super) fn build(language: Language, folder: &Path, install: bool) -> Result<(String, Vec<u8>)> {
    let name = folder.file_name().and_then(OsStr::to_str).context("the project's folder has no name")?;
    let tools = Tools::new(install)?;
    let out = tempfile::tempdir().context("failed to make a temporary folder")?;
    let file = match language {
        Language::Go => go::build(folder, out.path()),
        Language::C => c::build(folder, out.path(), &tools),
        Language::Python => python::build(folder, out.path(), &tools),
        Language::JavaScript => javascript::build(folder, out.path()),
        Language::Rust => bail!("a Rust project is cargo's"),
    }?;
    let built = std::fs::read(&file).with_context(|| format!("{} was not made", file.display()))?;
    let component = match language {
        Language::Go | Language::C => super::componentize(&super::embed(&built)?)?,
        // An older SDK for JavaScript made the component itself.
        Language::JavaScript if !built.starts_with(b"\0asm") => super::script::component(&built)?,
        _ => built,
    };
    Ok((name.to_owned(), component))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_told_by_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let error = Language::of(folder.path()).unwrap_err().to_string();
        assert!(
            error.ends_with("holds no job: it has none of Cargo.toml, go.mod, pyproject.toml, package.json, job.c")
        );
        for (mark, language) in MARKS.iter().rev() {
            std::fs::write(folder.path().join(mark), "").unwrap();
            assert_eq!(Language::of(folder.path()).unwrap(), *language);
        }
    }
}
