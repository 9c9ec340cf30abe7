//! One input, one outcome: every port of the example jobs is held to the golden files by `pelton test`, as
//! `guest-jobs/golden` says. The components of Rust and C are kept in the repository; those of the other languages, up
//! to 25 MB each, are built.

use std::fs;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::new::MISSING;
use crate::skip::{skip, test_name};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files() -> PathBuf {
    repository().join("guest-jobs/golden")
}

/// `pelton test` of a component, on files of a folder.
fn pelton_test(component: &Path, folder: &Path, input: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pelton"))
        .arg("test")
        .arg(component)
        .arg("--envelope")
        // An engine of 12 MB is compiled in seconds, but not where every core has much else to do.
        .env("PELTON_LIMITS__COMPILE_TIME", "10m")
        .args(arguments)
        .stdin(File::open(folder.join(input)).unwrap())
        .current_dir(folder)
        .output()
        .unwrap()
}

#[track_caller]
fn is_silent(component: &Path, output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}:\n{text}{}", component.display(), String::from_utf8_lossy(&output.stderr));
    assert_eq!(text, "");
}

/// Runs an example job in batches of one size, and holds it to its golden file.
fn hold(component: &Path, job: &str, batch: &str) {
    let arguments = ["--golden", &format!("{job}.golden.jsonl"), "--batch", batch];
    is_silent(component, &pelton_test(component, &files(), "sensors.jsonl", &arguments));
}

/// Runs a conformance job over the records in a folder, and holds it to the golden file there.
pub(crate) fn hold_conformance(component: &Path, folder: &Path) {
    let arguments = ["--golden", "conformance.golden.jsonl", "--set", "prefix=> "];
    is_silent(component, &pelton_test(component, folder, "conformance.jsonl", &arguments));
}

#[test]
fn rusts_jobs_are_golden() {
    for batch in ["1", "7", "1000"] {
        hold(&repository().join("usr_jobs/sensor_alerts.wasm"), "sensor_alerts", batch);
        hold(&repository().join("usr_jobs/sensor_pipeline.wasm"), "sensor_pipeline", batch);
    }
}

#[test]
pub(crate) fn conformance() {
    hold_conformance(&repository().join("host/tests/guests/conformance.wasm"), &files());
}

#[test]
fn cs_jobs_are_golden() {
    let guests = repository().join("host/tests/guests/c");
    for batch in ["1", "7", "1000"] {
        hold(&guests.join("sensor_alerts.wasm"), "sensor_alerts", batch);
        hold(&guests.join("sensor_pipeline.wasm"), "sensor_pipeline", batch);
    }
    hold_conformance(&guests.join("conformance.wasm"), &files());
}

/// Builds a job of a language; nothing where a tool is missing, which skips the test.
fn build(test: &str, language: &str, job: &str, out: &Path) -> Option<PathBuf> {
    let built = Command::new(env!("CARGO_BIN_EXE_pelton"))
        .args(["build", job, "--out"])
        .arg(out)
        .current_dir(repository().join("guest-jobs").join(language))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&built.stderr);
    if !built.status.success() && MISSING.iter().any(|missing| said.contains(missing)) {
        skip(test, said.lines().last().unwrap_or_default());
        return None;
    }
    assert!(built.status.success(), "{said}");
    Some(out.join(job).with_extension("wasm"))
}

/// Builds the three jobs of a language and holds them.
fn built_jobs_are_golden(test: &str, language: &str) {
    let out = tempfile::tempdir().unwrap();
    for job in ["sensor_alerts", "sensor_pipeline", "conformance"] {
        let Some(component) = build(test, language, job, out.path()) else { return };
        if job == "conformance" {
            hold_conformance(&component, &files());
        } else {
            ["1", "7", "1000"].iter().for_each(|batch| hold(&component, job, batch));
        }
    }
}

#[test]
fn gos_jobs_are_golden() {
    built_jobs_are_golden(test_name!(), "go");
}

#[test]
fn pythons_jobs_are_golden() {
    built_jobs_are_golden(test_name!(), "python");
}

#[test]
fn javascripts_jobs_are_golden() {
    built_jobs_are_golden(test_name!(), "js");
}

/// What a script finds in its engine: values of every type at the ends of their ranges, mistakes, JSON, text, and the
/// limits of stack and memory.
#[test]
fn scripts_find_what_they_expect() {
    let out = tempfile::tempdir().unwrap();
    let Some(component) = build(test_name!(), "js", "probe", out.path()) else { return };
    let folder = repository().join("guest-jobs/js/probe");
    for probe in ["shared", "engine"] {
        let golden = format!("{probe}.golden.jsonl");
        // One record a batch: after one that fails comes another instance.
        let arguments = ["--golden", golden.as_str(), "--batch", "1"];
        is_silent(&component, &pelton_test(&component, &folder, &format!("{probe}.jsonl"), &arguments));
    }
}

#[test]
fn what_differs_is_printed_and_fails() {
    let component = repository().join("usr_jobs/sensor_alerts.wasm");
    let output = pelton_test(&component, &files(), "sensors.jsonl", &["--golden", "sensor_pipeline.golden.jsonl"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().all(|line| line.starts_with("- ") || line.starts_with("+ ")), "{text}");
    assert!(text.contains(r#"- {"record": 0, "sink": "raw_sensors_data""#), "{text}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("lines differ"));
}

#[test]
fn a_golden_file_is_written_from_what_a_job_prints() {
    let folder = tempfile::tempdir().unwrap();
    let component = repository().join("usr_jobs/sensor_alerts.wasm");
    let golden = folder.path().join("golden.jsonl");
    let test = |more: &[&str]| {
        let arguments = [&["--golden", golden.to_str().unwrap()], more].concat();
        pelton_test(&component, &files(), "sensors.jsonl", &arguments)
    };
    assert_eq!(test(&[]).status.code(), Some(1), "there is none yet");
    assert!(test(&["--update"]).status.success());
    is_silent(&component, &test(&[]));
    // Who has put a wildcard finds it there.
    let text = fs::read_to_string(&golden).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let (first, second) = (lines[0].replace("\"record\": 0", "\"record\": …"), lines[1]);
    lines[0] = &first;
    lines[1] = "{}";
    fs::write(&golden, lines.join("\n")).unwrap();
    let updated = test(&["--update"]);
    assert!(String::from_utf8_lossy(&updated.stdout).contains("golden.jsonl: 2 lines changed"), "{updated:?}");
    let text = fs::read_to_string(&golden).unwrap();
    assert_eq!(text.lines().take(2).collect::<Vec<_>>(), [first.as_str(), second]);
    // What is no job's print is not kept.
    let before = fs::read(&golden).unwrap();
    let output = pelton_test(
        &component,
        &files(),
        "sensors.jsonl",
        &["--golden", golden.to_str().unwrap(), "--update", "--set", "threshold=hot"],
    );
    assert_eq!((output.status.code(), fs::read(&golden).unwrap()), (Some(1), before));
}
