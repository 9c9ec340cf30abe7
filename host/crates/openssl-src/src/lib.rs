//! What the build script of `openssl-sys` asks for an OpenSSL to link: the system's where its headers are installed, which
//! saves minutes of the first build and gets the system's updates, else one from source as before, so that a machine
//! without them builds all the same. Takes the place of the crate of this name (`[patch.crates-io]`), because a feature
//! can't depend on what is installed. `OPENSSL_NO_VENDOR=1` and `OPENSSL_STATIC=1` do what `openssl-sys` says;
//! `PELTON_OPENSSL=source` builds from source in any case.

use std::env;
use std::path::{Path, PathBuf};

/// The oldest that is linked: one that gets security updates, and has what librdkafka uses.
const OLDEST: &str = "3.0.0";
const CHOICE: &str = "PELTON_OPENSSL";

/// Finds or builds OpenSSL.
#[derive(Debug, Default)]
pub struct Build {
    openssl_dir: Option<PathBuf>,
}

/// Where it is.
#[derive(Debug)]
pub struct Artifacts {
    include: PathBuf,
    lib: PathBuf,
}

impl Build {
    /// A build with the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where one from source looks for its configuration.
    pub fn openssl_dir<P: AsRef<Path>>(&mut self, path: P) -> &mut Self {
        self.openssl_dir = Some(path.as_ref().to_owned());
        self
    }

    /// The system's, or else one from source.
    pub fn build(&mut self) -> Artifacts {
        println!("cargo:rerun-if-env-changed={CHOICE}");
        if let Some(found) = system() {
            return found;
        }
        let mut source = source::Build::new();
        if let Some(path) = &self.openssl_dir {
            source.openssl_dir(path);
        }
        let built = source.build();
        Artifacts { include: built.include_dir().to_owned(), lib: built.lib_dir().to_owned() }
    }
}

impl Artifacts {
    /// The folder with the folder `openssl` of headers.
    pub fn include_dir(&self) -> &Path {
        &self.include
    }

    /// The folder with the libraries.
    pub fn lib_dir(&self) -> &Path {
        &self.lib
    }
}

fn system() -> Option<Artifacts> {
    if env::var(CHOICE).is_ok_and(|choice| choice == "source") {
        return None;
    }
    // Nothing is linked by this, and for another target than this machine's it finds nothing.
    pkg_config::Config::new().cargo_metadata(false).atleast_version(OLDEST).probe("openssl").ok()?;
    let path = |variable| pkg_config::get_variable("openssl", variable).ok().map(PathBuf::from);
    let (include, lib) = (path("includedir")?, path("libdir")?);
    (include.join("openssl/ssl.h").is_file() && lib.is_dir()).then_some(Artifacts { include, lib })
}
