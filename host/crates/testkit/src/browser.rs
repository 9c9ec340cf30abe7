//! Node, npm and Chromium, and the scripts of `tests/browser` that they run.
//!
//! What the lock file names is fetched from the npm registry, into a temporary copy of that folder; Chromium is the
//! machine's own.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use pelton_local::leash::{self, Leash};

use crate::files::repository;

/// For all scripts together, and for fetching what they need.
const PATIENCE: Duration = Duration::from_secs(900);
/// Under any of these names.
const CHROMIUM: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/// The scripts, with what they need beside them.
#[derive(Debug)]
pub struct Scripts {
    folder: PathBuf,
    node: PathBuf,
    chromium: PathBuf,
}

impl Scripts {
    /// Copies the scripts into a folder and fetches what they need; `None` where the machine lacks a program.
    #[track_caller]
    pub fn install(into: &Path) -> Option<Self> {
        let found = |names: &[&str]| names.iter().find_map(|name| on_path(name));
        let (chromium, node, npm) = (found(&CHROMIUM)?, found(&["node"])?, found(&["npm"])?);
        let folder = into.join("tests");
        copy(&repository().join("host/tests/browser"), &folder);
        succeed(&folder, &npm, &["ci", "--ignore-scripts", "--no-audit", "--no-fund"], &[]);
        Some(Self { folder, node, chromium })
    }

    /// Runs node on a host's page until it ends well, and returns what it said.
    #[track_caller]
    pub fn run(&self, host: &str, arguments: &[&str], settings: &[(&str, OsString)]) -> String {
        let own = [("PELTON_URL", host.into()), ("PELTON_CHROMIUM", OsString::from(&self.chromium))];
        succeed(&self.folder, &self.node, arguments, &[&own, settings].concat())
    }
}

/// Runs a program in a folder until it ends well, and returns what it said. It does not outlive this process.
#[track_caller]
fn succeed(folder: &Path, program: &Path, arguments: &[&str], settings: &[(&str, OsString)]) -> String {
    let log = folder.join("log");
    drop(File::create(&log).unwrap());
    let mut command = leash::command(Signal::SIGTERM, folder, &log).unwrap();
    command.arg(program).args(arguments).current_dir(folder);
    command.envs(settings.iter().map(|(name, value)| (*name, value)));
    let ended = Leash::spawn(&mut command).unwrap().wait(PATIENCE).unwrap();
    let said = fs::read_to_string(&log).unwrap();
    assert!(
        ended.is_some_and(|status| status.success()),
        "{} {arguments:?} ended with {ended:?}:\n{said}",
        program.display()
    );
    said
}

/// Copies the files of a folder, without folders in it: `node_modules` may be left of somebody's own run.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Where a program is.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
