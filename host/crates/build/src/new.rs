//! `pelton new`: a project in one of the languages that have an SDK, which builds and passes its tests as it is.
//!
//! It carries a copy of the SDK, so it needs nothing of ours from anywhere. Templates and SDKs are part of this binary.
//! The folder appears whole or not at all, and nothing that exists is touched.
//!
//! A project is put together of what its template is in all languages, what every template is in its language, and what
//! is left, which is the job. Of a file that comes twice the later one counts.

mod template;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use pelton_model::cause::Because as _;
use pelton_model::name::check_name;

use crate::{Error, Language};
pub use template::Template;

/// Names that are taken in some language: a crate or a package of that name would hide another.
const TAKEN: [&str; 8] = ["alloc", "core", "job", "pelton", "pelton_job", "sdk", "std", "test"];

include!(concat!(env!("OUT_DIR"), "/new.rs"));

/// Makes the folder of a new project, and gives its path.
///
/// # Errors
/// The name is none for a job, is a path, or is taken; something of that name is there; the folder can't be written.
pub fn create(parent: &Path, name: &str, language: Language, template: Template) -> Result<PathBuf, Error> {
    refuse(name).map_err(|error| Error::Name(error.to_string()))?;
    write(parent, name, language, template).because(Error::Write)
}

fn write(parent: &Path, name: &str, language: Language, template: Template) -> Result<PathBuf> {
    let folder = parent.join(name);
    // Of a link that leads nowhere there is something too.
    ensure!(fs::symlink_metadata(&folder).is_err(), "{} is there already; nothing was changed", folder.display());
    let files = files(language, template);
    ensure!(!files.is_empty(), "this pelton was built without the template for {}", language.folder());

    let draft = tempfile::Builder::new().prefix(".new-").tempdir_in(parent);
    let draft = draft.with_context(|| format!("failed to make a folder in {}", parent.display()))?;
    for (path, bytes) in files {
        let filled = (!path.starts_with("sdk/")).then(|| str::from_utf8(bytes).ok()).flatten();
        let filled = filled.map(|text| template.fill(text, name));
        // Under its own name it would hide files of this repository from git.
        let path = draft.path().join(if path == "gitignore" { ".gitignore" } else { path });
        let write = || {
            fs::create_dir_all(path.parent().unwrap_or(draft.path()))?;
            fs::write(&path, filled.as_ref().map_or(bytes, String::as_bytes))
        };
        write().with_context(|| format!("failed to write {}", path.display()))?;
    }
    // Temporary folders are their owner's alone.
    fs::set_permissions(draft.path(), fs::Permissions::from_mode(0o755))
        .and_then(|()| fs::rename(draft.path(), &folder))
        .with_context(|| format!("failed to make {}", folder.display()))?;
    Ok(folder)
}

/// The files of a project, by their paths in it.
fn files(language: Language, template: Template) -> BTreeMap<&'static str, &'static [u8]> {
    let kind = template.folder();
    // A project with a command of its own begins as one in C.
    let of = if language == Language::Other { Language::C } else { language };
    let own = format!("{}/", of.folder());
    let layers = [
        format!("kinds/{kind}/"),
        format!("{own}common/"),
        format!("{own}{kind}/"),
        format!("{}/common/", language.folder()),
    ];
    let mut files = BTreeMap::new();
    for layer in layers {
        files.extend(FILES.iter().filter_map(|(path, bytes)| Some((path.strip_prefix(&*layer)?, *bytes))));
    }
    let sdk = |path: &'static str| path.strip_prefix(&*own).filter(|path| path.starts_with("sdk/"));
    files.extend(FILES.iter().filter_map(|(path, bytes)| Some((sdk(path)?, *bytes))));
    if language == Language::Other {
        // For the generators of languages that have one.
        let contract = |(path, bytes): &(&str, &'static [u8])| (*path == "rust/sdk/wit/job.wit").then_some(*bytes);
        files.extend(FILES.iter().find_map(contract).map(|bytes| ("sdk/wit/job.wit", bytes)));
    }
    files
}

fn refuse(name: &str) -> Result<()> {
    if name.contains(['/', '\\']) || name.starts_with('.') {
        bail!("{name:?} is a path, not a name; run `pelton new` in the folder that the project is to lie in");
    }
    // A crate, a module of Go and a file have this name too.
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    ensure!(
        is_plain && check_name(name).is_ok(),
        "{name:?} is no name for a new job: use lower-case letters, digits and `_`, a letter first, at most 100"
    );
    ensure!(!TAKEN.contains(&name), "{name:?} is the name of a package that jobs use; choose another");
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn a_project_is_the_template_with_the_name_and_the_sdk() {
        let parent = tempfile::tempdir().unwrap();
        let folder = create(parent.path(), "my_words2", Language::Rust, Template::Words).unwrap();
        assert_eq!(folder, parent.path().join("my_words2"));
        let read = |path: &str| fs::read_to_string(folder.join(path)).unwrap();
        assert!(read("Cargo.toml").contains("name = \"my_words2\"\n"));
        assert!(read("src/lib.rs").contains("Spec::new(\"my_words2\""));
        assert!(read("sdk/src/lib.rs").contains("pub trait Job"));
        assert!(read("sdk/wit/job.wit").contains("package pelton:job@"));
        assert!(folder.join(".gitignore").is_file() && !folder.join("sdk/tests").exists());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_there_stays() {
        let parent = tempfile::tempdir().unwrap();
        fs::create_dir(parent.path().join("words")).unwrap();
        std::os::unix::fs::symlink("nowhere", parent.path().join("link")).unwrap();
        for name in ["words", "link"] {
            let error = create(parent.path(), name, Language::Rust, Template::Words).unwrap_err().to_string();
            assert!(error.ends_with("is there already; nothing was changed"), "{error}");
        }
        assert_eq!(fs::read_dir(parent.path().join("words")).unwrap().count(), 0);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 2);
    }

    #[test]
    fn odd_names_are_refused() {
        let parent = tempfile::tempdir().unwrap();
        let long = "x".repeat(101);
        let refusal =
            |name: &str| create(parent.path(), name, Language::Rust, Template::Words).unwrap_err().to_string();
        for name in ["../x", "a/b", "/tmp/x", "a\\b", ".", "..", ".hidden"] {
            assert!(refusal(name).contains("is a path, not a name"), "{name}");
        }
        for name in ["", "1st", "_x", "Words", "my-words", "a b", "a.b", "é", "a\n", "{{name}}", &long] {
            assert!(refusal(name).contains("is no name for a new job"), "{name}");
        }
        assert!(refusal("core").ends_with("is the name of a package that jobs use; choose another"));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn every_template_is_whole_in_every_language() {
        for language in Language::value_variants() {
            for template in Template::value_variants() {
                let files = files(*language, *template);
                for path in ["README.md", "records.jsonl", "golden.jsonl"] {
                    assert!(files.contains_key(path), "{language:?} {template:?} lacks {path}");
                }
                assert!(files.keys().any(|path| path.starts_with("sdk/")), "{language:?}");
                assert_eq!(files.contains_key("sites.json"), *template == Template::Lookup);
                for (path, bytes) in files.iter().filter(|(path, _)| !path.starts_with("sdk/")) {
                    let filled = template.fill(str::from_utf8(bytes).unwrap(), "my_job");
                    assert!(!filled.contains("{{name}}") && !filled.contains("}}."), "{path}: {filled}");
                    let long = filled.lines().find(|line| line.chars().count() > 140 && !path.ends_with(".jsonl"));
                    assert_eq!(long, None, "{language:?} {template:?} {path}");
                }
            }
        }
    }
}
