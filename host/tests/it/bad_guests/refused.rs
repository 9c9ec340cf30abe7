//! Components that no submit takes: each with a message that says what is wrong with it, and exit code 1.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use crate::eventually::eventually;
use crate::stage::{RUN, guest, require_stage};

/// Submits a file to a host, and checks that it is refused in these words.
#[track_caller]
fn refused(file: &Path, words: &str) {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    host.start();
    let said = host.cli(&[OsStr::new("submit"), file.as_os_str()]);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""));
    assert!(said.stderr.contains(words), "{}", said.stderr);
    let (_, list) = host.get("/api/v1/jobs");
    assert_eq!(list["jobs"], serde_json::json!([]), "nothing was submitted");

    // The same file in `usr_jobs` is listed with the same words, and can't be started either.
    host.drop_job("dropped", &fs::read(file).unwrap());
    eventually(RUN, "the file is listed", || {
        let listed = host.cli(&["list", "--json"]);
        let list: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
        (list["available"][0]["file"] == "dropped.wasm").then_some(())
    });
    let said = host.cli(&["submit", "dropped"]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains(words), "{}", said.stderr);
}

#[test]
fn truncated() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("truncated.wasm");
    let whole = fs::read(guest("identity")).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    refused(&file, "is not a job: not a valid WebAssembly component: ");
}

#[test]
fn core_module() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("core.wasm");
    fs::write(&file, b"\0asm\x01\0\0\0").unwrap();
    let words = "this is a core WebAssembly module that holds no component's bindings; use an SDK of Pelton or \
                 wit-bindgen, or make a component of it with `pelton build FILE.wasm`, or put the contract's type into \
                 it with `wasm-tools component embed wit/job.wit --world job`";
    refused(&file, words);
}

#[test]
fn not_wasm_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text.wasm");
    fs::write(&file, "#!/usr/bin/env python3\n").unwrap();
    refused(&file, "is not a job: not a valid WebAssembly component: ");
}

#[test]
pub(super) fn wrong_world() {
    let words = "the component is not a job: it does not export pelton:job/task@0.1 (it exports no interface)";
    refused(&guest("wrong_world"), words);
}

#[test]
pub(super) fn foreign_import() {
    let words = "the component imports \"open-the-vault\", which Pelton does not offer; a job may import pelton:job/log \
                 and pelton:job/metrics, and of WASI 0.2 the clocks, random numbers and what a program starts with";
    refused(&guest("foreign_import"), words);
}

#[test]
pub(super) fn configure_fails() {
    refused(&guest("configure_fails"), "the job refuses its parameters: ");
}
