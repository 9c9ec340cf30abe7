//! One input, one outcome: every port of the example jobs is held to the golden files by `pelton test`, as `guest-jobs/golden`
//! says. The components of Rust and C are kept in the repository; those of the other languages, up to 25 MB each, are built.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::new::MISSING;
use crate::skip::{skip, test_name};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn pelton_test(component: &Path, input: &str, arguments: &[&str]) -> Output {
    let golden = repository().join("guest-jobs/golden");
    Command::new(env!("CARGO_BIN_EXE_pelton"))
        .arg("test")
        .arg(component)
        .arg("--envelope")
        .args(arguments)
        .stdin(File::open(golden.join(input)).unwrap())
        .current_dir(golden)
        .output()
        .unwrap()
}

/// Runs a component in batches of one size, and holds it to the golden file of its job.
fn hold(component: &Path, job: &str, batch: &str) {
    let golden = format!("{job}.golden.jsonl");
    let (input, prefix) = if job == "conformance" {
        ("conformance.jsonl", &["--set", "prefix=> "][..])
    } else {
        ("sensors.jsonl", &[][..])
    };
    let arguments = [&["--golden", &golden, "--batch", batch][..], prefix].concat();
    let output = pelton_test(component, input, &arguments);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}:\n{text}{}", component.display(), String::from_utf8_lossy(&output.stderr));
    assert_eq!(text, "");
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
    hold(&repository().join("host/tests/guests/conformance.wasm"), "conformance", "1000");
}

#[test]
fn cs_jobs_are_golden() {
    let guests = repository().join("host/tests/guests/c");
    for batch in ["1", "7", "1000"] {
        hold(&guests.join("sensor_alerts.wasm"), "sensor_alerts", batch);
        hold(&guests.join("sensor_pipeline.wasm"), "sensor_pipeline", batch);
    }
    hold(&guests.join("conformance.wasm"), "conformance", "1000");
}

/// Builds the three jobs of a language and holds them.
fn built_jobs_are_golden(test: &str, language: &str) {
    let out = tempfile::tempdir().unwrap();
    for job in ["sensor_alerts", "sensor_pipeline", "conformance"] {
        let built = Command::new(env!("CARGO_BIN_EXE_pelton"))
            .args(["build", job, "--out"])
            .arg(out.path())
            .current_dir(repository().join("guest-jobs").join(language))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&built.stderr);
        if !built.status.success() && MISSING.iter().any(|missing| said.contains(missing)) {
            return skip(test, said.lines().last().unwrap_or_default());
        }
        assert!(built.status.success(), "{said}");
        let batches: &[&str] = if job == "conformance" { &["1000"] } else { &["1", "7", "1000"] };
        for batch in batches {
            hold(&out.path().join(job).with_extension("wasm"), job, batch);
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

#[test]
fn what_differs_is_printed_and_fails() {
    let component = repository().join("usr_jobs/sensor_alerts.wasm");
    let output = pelton_test(&component, "sensors.jsonl", &["--golden", "sensor_pipeline.golden.jsonl"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().all(|line| line.starts_with("- ") || line.starts_with("+ ")), "{text}");
    assert!(text.contains(r#"- {"record": 0, "sink": "raw_sensors_data""#), "{text}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("lines differ"));
}
