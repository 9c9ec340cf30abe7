//! A real OCI registry on loopback: Debian's `docker-registry`, with a data folder of its own.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use pelton_local::leash::{self, Leash};
use tempfile::TempDir;

use crate::eventually::eventually;

/// For it to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The user that a registry with a login knows, her password, and the line of its file of passwords.
pub(crate) const USER: &str = "ana";
pub(crate) const PASSWORD: &str = "s3cret-word";
const HTPASSWD: &str = "ana:$2b$05$abcdefghijklmnopqrstuuEpHRRKIlpAGo.iP7Bpa.htQEJMAAnRe\n";

/// A registry; it ends with the test.
#[derive(Debug)]
pub(crate) struct Registry {
    // Fields drop in this order: the process goes before its folder.
    _process: Leash,
    folder: TempDir,
    port: u16,
}

/// Starts a registry, or returns from a test that has to be skipped.
macro_rules! require_registry {
    ($with_login:expr) => {
        match $crate::registry::Registry::start($with_login) {
            Ok(registry) => registry,
            Err(reason) => return $crate::skip::skip($crate::skip::test_name!(), &reason),
        }
    };
}
pub(crate) use require_registry;

impl Registry {
    /// Starts one, that asks for a login if so asked for.
    pub(crate) fn start(with_login: bool) -> Result<Self, String> {
        let installed = Command::new("docker-registry").arg("--version").output();
        installed.map_err(|error| format!("docker-registry can't be started: {error}"))?;
        let folder = tempfile::Builder::new().prefix("pelton-registry-").tempdir().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("htpasswd"), HTPASSWD).unwrap();
        let login = format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", path("htpasswd").display());
        let settings = format!(
            "version: 0.1\nlog:\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  \
             addr: 127.0.0.1:{port}\n{}",
            path("data").display(),
            if with_login { &login } else { "" }
        );
        fs::write(path("config.yml"), settings).unwrap();
        let mut command = leash::command(Signal::SIGTERM, folder.path(), &path("log")).unwrap();
        command.args(["docker-registry", "serve"]).arg(path("config.yml"));
        let mut registry = Self { _process: Leash::spawn(&mut command).unwrap(), folder, port };
        eventually(PATIENCE, "the registry answers", || {
            assert_eq!(
                registry._process.exited().unwrap(),
                None,
                "{}",
                fs::read_to_string(registry.path("log")).unwrap()
            );
            ureq::get(format!("{}/v2/", registry.url())).config().http_status_as_error(false).build().call().ok()
        });
        Ok(registry)
    }

    /// A reference to what it has.
    pub(crate) fn reference(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The file in which it keeps the bytes of a digest.
    pub(crate) fn blob(&self, digest: &str) -> PathBuf {
        let digits = digest.strip_prefix("sha256:").unwrap();
        self.path("data/docker/registry/v2/blobs/sha256").join(&digits[..2]).join(digits).join("data")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
