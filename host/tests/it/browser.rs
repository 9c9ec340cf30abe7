//! The page in a real Chromium, on a host with real Kafka and Postgres, while readings come.
//!
//! The tests themselves are `tests/browser/*.test.mjs`, run by node's own runner.
//!
//! `BROWSER_SHOTS=<folder>` keeps pictures of what was seen there.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use pelton_local::leash::{self, Leash};

use crate::kafka::Record;
use crate::pelton::example;
use crate::skip::{skip, test_name};
use crate::stage::{Servers, guest, require_stage};
use pelton_testkit::browser::Scripts;

/// Records that are no readings. What they say would be trouble for a page that took it for markup.
const NO_READINGS: [&str; 3] =
    [r#"{"message_id": "<img src=x onerror=alert(1)>"}"#, "no JSON at all", r#"{"message_id": "cut off"#];

#[test]
fn the_page_in_a_browser() {
    let folder = tempfile::Builder::new().prefix("pelton-browser-").tempdir().unwrap();
    let Some(scripts) = Scripts::install(folder.path()) else {
        return skip(test_name!(), "chromium, node or npm is not installed");
    };
    let servers = require_stage!();
    servers.set(2);
    servers.kafka.produce("sensors", &NO_READINGS.map(Record::new));
    let _readings = simulate(&servers, folder.path());
    // Samples are off by default.
    let mut host = servers.host().env("PELTON_SAMPLES__ON", "true");
    host.start();
    host.wait_until_ready();

    // One file after the other: they share the host. What failed is told last, where nothing is cut from a log.
    scripts.run(&host.url(), &["--test", "--test-concurrency=1", "--test-reporter=spec"], &settings());
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
fn settings() -> Vec<(&'static str, OsString)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/api/src/assets");
    let mut settings = vec![
        ("PELTON_PAGE", page.into()),
        ("PELTON_JOB", example("sensor_alerts").into()),
        ("PELTON_WIDER", example("sensor_pipeline").into()),
        ("PELTON_BROKEN", guest("always_trap").into()),
    ];
    settings.extend(std::env::var_os("BROWSER_SHOTS").map(|folder| ("BROWSER_SHOTS", folder)));
    settings
}
