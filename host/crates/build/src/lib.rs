//! Makes components of jobs in any language that has an SDK, or by a project's own command: `pelton build`. [`new`] makes
//! the projects that are built, and [`oci`] takes components to registries and back.
//!
//! The same sources and the same toolchain give the same bytes, whatever the folders of the checkout, of cargo and of
//! the toolchain are called. A component appears in the output folder whole or not at all, so a host that watches the
//! folder never sees half of one.

mod error;
mod language;
pub mod new;
pub mod oci;
mod script;
mod whole;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use pelton_model::cause::Because as _;
use pelton_model::error::Error as ModelError;
use pelton_model::files::cache_folder;
use pelton_model::regular::{self, COMPONENT_BYTES};
use pelton_model::settings::Limits;
use pelton_runtime::{Engine, component::componentize_any};

pub use error::Error;
pub use language::Language;
pub use whole::write_whole;

/// What to build, and where to.
#[derive(Debug)]
pub struct BuildOptions {
    /// The folder of a project. Of a crate or of a workspace of crates every `cdylib` becomes a component. Or a core
    /// module that a compiler made for the contract.
    pub source: PathBuf,
    /// Where the components go. Made if it is missing.
    pub output: PathBuf,
    /// Whether to install missing tools into the cache folder.
    pub install: bool,
}

/// A component that was built.
#[derive(Debug)]
pub struct BuiltComponent {
    /// The output folder, then the name of the crate or of the project's folder, then `.wasm`.
    pub path: PathBuf,
    /// Bytes.
    pub size: usize,
}

/// A project in a language that has an SDK, or with a build command of its own.
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
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let opened = folder.canonicalize().with_context(|| format!("cannot open {}", folder.display()));
        let folder = opened.because(Error::NoProject)?;
        let language = Language::of(&folder).because(Error::NoProject)?;
        Ok(Self { folder, language })
    }

    /// An absolute path.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file that its own build command writes, if it has one, as `pelton.toml` has it now.
    pub fn output(&self) -> Option<PathBuf> {
        self.language.output(&self.folder)
    }

    /// Runs the language's toolchain: each component with its name, in the order of names. Whether they are jobs is not
    /// looked at. With `install`, missing tools are installed into the cache folder; with `quiet`, cargo prints
    /// warnings and errors only. What runs already while it is built, the imports of a job in Python, has these limits.
    ///
    /// # Errors
    /// A toolchain is missing or too old (says what to install), it fails, or there is nothing to build.
    pub fn components(&self, install: bool, quiet: bool, limits: &Limits) -> Result<Vec<(String, Vec<u8>)>, Error> {
        self.language.build(&self.folder, install, quiet, limits).because(Error::Toolchain)
    }
}

/// Builds the project in a folder, and gives what was written, by name. Each component is one that a host of these
/// limits would take, it says what it declares; they are asked for only where that is looked at.
///
/// The messages of the language's own tools go to standard error as they come.
///
/// # Errors
/// The folder holds no project, a toolchain is missing or too old (says what to install), it fails, what it made is no
/// job, or the output folder can't be written.
pub fn build(
    options: &BuildOptions,
    limits: impl FnOnce() -> Result<Limits, ModelError>,
) -> Result<Vec<BuiltComponent>, Error> {
    if options.source.is_file() {
        let components = vec![module(&options.source)?];
        check(&components, limits()?)?;
        return keep(components, &options.output);
    }
    let project = Project::open(&options.source)?;
    // Fixtures of a workspace may be none that a host takes.
    if project.language == Language::Rust {
        return keep(project.components(options.install, false, &Limits::default())?, &options.output);
    }
    let limits = limits()?;
    let components = project.components(options.install, false, &limits)?;
    check(&components, limits)?;
    keep(components, &options.output)
}

/// The component of a core module, with the name of its file.
fn module(path: &Path) -> Result<(String, Vec<u8>), Error> {
    let read = regular::read(path, COMPONENT_BYTES).with_context(|| format!("cannot read {}", path.display()));
    let module = read.because(Error::NoProject)?;
    let not_one = |what: &str| anyhow::anyhow!("{} is {what}", path.display());
    if !pelton_runtime::is_core_module(&module) {
        return Err(not_one(match module.starts_with(b"\0asm") {
            true => "a component already: `pelton test` and `pelton submit` take it as it is",
            false => "no WebAssembly module: `pelton build` takes the folder of a project, or a core module",
        }))
        .because(Error::NoProject);
    }
    let component = componentize_any(&module).with_context(|| path.display().to_string()).because(Error::Toolchain)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok((name.into_owned(), component))
}

/// Writes components into a folder.
fn keep(components: Vec<(String, Vec<u8>)>, output: &Path) -> Result<Vec<BuiltComponent>, Error> {
    fs::create_dir_all(output).with_context(|| format!("cannot make {}", output.display())).because(Error::Write)?;
    let mut built = Vec::new();
    for (name, component) in components {
        let path = output.join(format!("{name}.wasm"));
        write_whole(&path, &component)?;
        tracing::info!(build.component = %path.display(), build.bytes = component.len(), "built");
        built.push(BuiltComponent { path, size: component.len() });
    }
    Ok(built)
}

/// Has the engine compile components and ask them what they declare. The compiled code is kept: `pelton test` starts at
/// once.
fn check(components: &[(String, Vec<u8>)], limits: Limits) -> Result<(), Error> {
    let engine = Engine::new(limits, Some(&cache_folder()?.join("compiled"))).map_err(Error::Engine)?;
    for (name, component) in components {
        let job = engine.load(component).map_err(|cause| Error::NotAJob { name: name.clone(), cause })?;
        tracing::info!(build.declares = job.spec().name, build.version = job.spec().version, "checked");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_guest_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (source, output) = (folder.path().to_path_buf(), folder.path().join("out"));
        let options = BuildOptions { source, output, install: false };
        let error = build(&options, || Ok(Limits::default())).unwrap_err();
        assert!(error.to_string().contains("holds no job: it has none of pelton.toml, Cargo.toml"), "{error}");
    }

    #[test]
    fn a_file_is_a_core_module_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |bytes: &[u8]| {
            let source = folder.path().join("job.wasm");
            fs::write(&source, bytes).unwrap();
            let options = BuildOptions { source, output: folder.path().join("out"), install: false };
            build(&options, || Ok(Limits::default())).unwrap_err().to_string()
        };
        let component = refused(b"\0asm\x0d\0\x01\0");
        let submit = "job.wasm is a component already: `pelton test` and `pelton submit` take it as it is";
        assert!(component.ends_with(submit), "{component}");
        let text = refused(b"hello");
        assert!(text.contains("job.wasm is no WebAssembly module: `pelton build` takes the folder"), "{text}");
        let other = refused(b"\0asm\x01\0\0\0");
        assert!(other.contains("job.wasm: ") && other.contains("pelton:job/task@0.1.0"), "{other}");
        assert!(!folder.path().join("out").exists());
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
