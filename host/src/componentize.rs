//! Makes components of jobs in any language that has an SDK: `pelton build`.
//!
//! The same sources and the same toolchain give the same bytes, whatever the folders of the checkout, of cargo and of
//! the toolchain are called. A component appears in the output folder whole or not at all, so a host that watches the
//! folder never sees half of one.

mod language;
mod script;
mod toolchain;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use pelton_runtime::component::componentize;
pub use pelton_runtime::component::embed;

use crate::config::Config;
use crate::engine::Engine;
use crate::files::cache_folder;
use language::Language;
use toolchain::Toolchain;

/// What to build, and where to.
pub struct BuildOptions {
    /// The folder of a project. Of a crate or of a workspace of crates every `cdylib` becomes a component.
    pub source: PathBuf,
    /// Where the components go. Made if it is missing.
    pub output: PathBuf,
    /// Whether to install missing tools into the cache folder.
    pub install: bool,
}

/// A component that was built.
#[derive(Debug)]
pub struct BuiltComponent {
    /// The name of the crate or of the project's folder, and of the file without `.wasm`.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: usize,
}

/// A project in a language that has an SDK.
#[derive(Debug)]
pub struct Project {
    folder: PathBuf,
    language: Language,
}

impl Project {
    /// The project in a folder.
    ///
    /// # Errors
    /// The folder can't be opened, or holds no project.
    pub fn open(folder: &Path) -> Result<Self> {
        let folder = folder.canonicalize().with_context(|| format!("cannot open {}", folder.display()))?;
        let language = Language::of(&folder)?;
        Ok(Self { folder, language })
    }

    /// Its folder, as an absolute path.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs the language's toolchain: each component with its name, in the order of names. Whether they are jobs is not
    /// looked at. With `install`, missing tools are installed into the cache folder; with `quiet`, cargo prints warnings and
    /// errors only.
    ///
    /// # Errors
    /// A toolchain is missing or too old (says what to install), it fails, or there is nothing to build.
    pub fn components(&self, install: bool, quiet: bool) -> Result<Vec<(String, Vec<u8>)>> {
        match self.language {
            Language::Rust => rust(&self.folder, quiet),
            language => Ok(vec![language::build(language, &self.folder, install)?]),
        }
    }
}

/// Builds the project in a folder, and gives what was written, by name. Each component is one that a host would take: it says
/// what it declares.
///
/// The messages of the language's own tools go to standard error as they come.
///
/// # Errors
/// The folder holds no project, a toolchain is missing or too old (says what to install), it fails, what it made is no job, or
/// the output folder can't be written.
pub fn build(options: &BuildOptions) -> Result<Vec<BuiltComponent>> {
    let project = Project::open(&options.source)?;
    let components = project.components(options.install, false)?;
    // Fixtures of a workspace may be none that a host takes.
    if project.language != Language::Rust {
        components.iter().try_for_each(|(name, component)| check(name, component))?;
    }
    fs::create_dir_all(&options.output).with_context(|| format!("cannot make {}", options.output.display()))?;
    let mut built = Vec::new();
    for (name, component) in components {
        let path = options.output.join(format!("{name}.wasm"));
        write_whole(&path, &component).with_context(|| format!("cannot write {}", path.display()))?;
        tracing::info!(build.component = %path.display(), build.bytes = component.len(), "built");
        built.push(BuiltComponent { name, path, size: component.len() });
    }
    Ok(built)
}

/// Has the engine compile a component and ask it what it declares. The compiled code is kept: `pelton test` starts at once.
fn check(name: &str, component: &[u8]) -> Result<()> {
    let engine = Engine::new(Config::load(None, &[])?.limits, Some(&cache_folder()?.join("compiled")))?;
    let job = engine.load(component).with_context(|| format!("{name} is not a job"))?;
    tracing::info!(build.declares = job.spec().name, build.version = job.spec().version, "checked");
    Ok(())
}

/// The components of a crate or a workspace.
fn rust(source: &Path, quiet: bool) -> Result<Vec<(String, Vec<u8>)>> {
    let toolchain = Toolchain::find(source)?;
    tracing::info!(build.toolchain = %toolchain, build.source = %source.display(), "building guests");
    let modules = compile(&toolchain, source, quiet)?;
    ensure!(
        !modules.is_empty(),
        "{} has no crate of type cdylib: a job needs `crate-type = [\"cdylib\"]` under `[lib]`",
        source.display()
    );
    let component = |(name, module): (String, PathBuf)| {
        let module = fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
        let component = componentize(&module).with_context(|| format!("{name} is not a job's module"))?;
        Ok((name, component))
    };
    modules.into_iter().map(component).collect()
}

/// Runs cargo, and gives the module of each `cdylib` it made, by name.
fn compile(toolchain: &Toolchain, source: &Path, quiet: bool) -> Result<BTreeMap<String, PathBuf>> {
    let output = toolchain.cargo_build(source, quiet)?.output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cargo could not build {} ({}); its messages are above", source.display(), output.status);
    }
    let mut modules = BTreeMap::new();
    for line in output.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let message: Message = serde_json::from_slice(line).context("cannot read cargo's messages")?;
        if let Message::CompilerArtifact { target, filenames } = message
            && target.crate_types.iter().any(|kind| kind == "cdylib")
        {
            let module = filenames.into_iter().find(|file| file.extension().is_some_and(|end| end == "wasm"));
            modules.extend(module.map(|module| (target.name, module)));
        }
    }
    Ok(modules)
}

/// The one of cargo's messages that matters here.
#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Message {
    CompilerArtifact {
        target: Target,
        filenames: Vec<PathBuf>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    crate_types: Vec<String>,
}

/// Writes a file under another name, then renames it. The path must have a folder.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().context("the file has no folder")?;
    // Not ending in `.wasm`, so that who watches the folder doesn't take it for a job.
    let mut file = tempfile::Builder::new().prefix(".build-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    readable_by_all(file.as_file())?;
    file.persist(path)?;
    Ok(())
}

/// Temporary files are their owner's alone; a component is for whichever user the host runs as.
#[cfg(unix)]
fn readable_by_all(file: &fs::File) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.set_permissions(fs::Permissions::from_mode(0o644))?)
}

#[cfg(not(unix))]
fn readable_by_all(_: &fs::File) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_guest_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (source, output) = (folder.path().to_path_buf(), folder.path().join("out"));
        let error = build(&BuildOptions { source, output, install: false }).unwrap_err();
        assert!(error.to_string().contains("holds no job: it has none of Cargo.toml"), "{error}");
    }

    #[test]
    fn files_appear_whole_under_their_own_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("job.wasm");
        write_whole(&path, b"old").unwrap();
        write_whole(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
