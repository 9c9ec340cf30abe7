//! The page in a real Chromium, on a host with real Kafka and Postgres, while readings come.
//!
//! The tests themselves are `tests/browser/*.test.mjs`, run by node's own runner in a temporary copy of that folder. What
//! the lock file names is fetched from the npm registry, Chromium is the machine's own.
//!
//! `BROWSER_SHOTS=<folder>` keeps pictures of what was seen there.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use pelton::demo::leash::{self, Leash};

use crate::kafka::Record;
use crate::pelton::{Host, example};
use crate::skip::{skip, test_name};
use crate::stage::{Servers, guest, require_stage};

/// For all the browser tests together, and for fetching what they need.
const PATIENCE: Duration = Duration::from_secs(900);
/// Under any of these names.
const CHROMIUM: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
/// Records that are no readings. What they say would be trouble for a page that took it for markup.
const NO_READINGS: [&str; 3] =
    [r#"{"message_id": "<img src=x onerror=alert(1)>"}"#, "no JSON at all", r#"{"message_id": "cut off"#];

#[test]
fn the_page_in_a_browser() {
    let found = |names: &[&str]| names.iter().find_map(|name| on_path(name));
    let (Some(chromium), Some(node), Some(npm)) = (found(&CHROMIUM), found(&["node"]), found(&["npm"])) else {
        return skip(test_name!(), "chromium, node or npm is not installed");
    };
    let servers = require_stage!();
    servers.set(2);
    servers.kafka.produce("sensors", &NO_READINGS.map(Record::new));
    let folder = tempfile::Builder::new().prefix("pelton-browser-").tempdir().unwrap();
    let _readings = simulate(&servers, folder.path());
    // Samples are off by default.
    let mut host = servers.host().env("PELTON_SAMPLES__ON", "true");
    host.start();
    host.wait_until_ready();

    let tests = folder.path().join("tests");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser"), &tests);
    let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    succeed(&tests, "npm ci", &npm, &install, &[]);
    let settings = settings(&host, &chromium);
    // One file after the other: they share the host.
    let said = succeed(&tests, "node --test", &node, &["--test", "--test-concurrency=1"], &settings);
    let told = said.lines().filter_map(|line| line.split_once("first paint")).next();
    let (_, painted) = told.expect("the time of the first paint is told");
    // Where libtest doesn't swallow it: it is measured, and not asserted.
    std::io::stderr().write_all(format!("the page: first paint{painted}\n").as_bytes()).unwrap();
}

/// Readings as `pelton simulate` sends them, until this is dropped.
fn simulate(servers: &Servers, folder: &Path) -> Leash {
    let work = folder.join("simulate");
    fs::create_dir(&work).unwrap();
    let mut command = leash::command(Signal::SIGKILL, &work, &folder.join("simulate.log")).unwrap();
    // Settings of the tests' own environment are none of its business.
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.arg(env!("CARGO_BIN_EXE_pelton")).args(["simulate", "--rate", "80", "--kafka"]);
    Leash::spawn(command.arg(servers.kafka.bootstrap())).unwrap()
}

/// What the tests are told, by environment.
fn settings(host: &Host, chromium: &Path) -> Vec<(&'static str, OsString)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page");
    let mut settings = vec![
        ("PELTON_URL", host.url().into()),
        ("PELTON_CHROMIUM", chromium.into()),
        ("PELTON_PAGE", page.into()),
        ("PELTON_JOB", example("sensor_alerts").into()),
        ("PELTON_WIDER", example("sensor_pipeline").into()),
        ("PELTON_BROKEN", guest("always_trap").into()),
    ];
    settings.extend(std::env::var_os("BROWSER_SHOTS").map(|folder| ("BROWSER_SHOTS", folder)));
    settings
}

/// Runs a program in a folder until it ends well, and returns what it said. It does not outlive this process.
#[track_caller]
fn succeed(folder: &Path, what: &str, program: &Path, arguments: &[&str], settings: &[(&str, OsString)]) -> String {
    let log = folder.join("log");
    drop(File::create(&log).unwrap());
    let mut command = leash::command(Signal::SIGTERM, folder, &log).unwrap();
    command.arg(program).args(arguments).current_dir(folder);
    command.envs(settings.iter().map(|(name, value)| (*name, value)));
    let ended = Leash::spawn(&mut command).unwrap().wait(PATIENCE).unwrap();
    let said = fs::read_to_string(&log).unwrap();
    assert!(ended.is_some_and(|status| status.success()), "{what} ended with {ended:?}:\n{said}");
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
