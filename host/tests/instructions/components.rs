//! What a component costs: the crossing, and the example job in each language. Compiled by the parent, loaded by the
//! child.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use pelton::engine::{Engine, Host, Instance, Program as _};
use pelton_model::settings::Limits;
use pelton_testkit::process;
use pelton_testkit::skip::{skip, test_name};

use crate::count::{hold, is_child};
use crate::{kept, native, readings};

/// The component that the child is to load, by its digest.
const DIGEST: &str = "COUNT_COMPONENT";
/// Records of a batch, and of one for interpreters, of which one costs as much as ten others.
const BATCH: usize = 1000;
const SMALL: usize = 200;
/// As good as for ever: below valgrind everything takes a hundred times as long.
const LONG: Duration = Duration::from_secs(3600);

/// A guest's log and metrics, which nobody reads.
pub(crate) struct Silent;

impl Host for Silent {
    fn log(&self, level: tracing::Level, message: &str) {
        assert!(level > tracing::Level::WARN, "{message}");
    }
    fn count(&self, _: &str, _: u64) {}
    fn gauge(&self, _: &str, _: f64) {}
}

fn engine() -> Engine {
    let limits = Limits { batch_time: LONG, start_time: LONG, compile_time: LONG, ..Limits::default() };
    // It stays over runs, as the target folder does.
    Engine::x86_64_v3(limits, &Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions")).unwrap()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Holds a component, given as bytes, to the instructions for each record of batches of so many.
fn hold_component(test: &str, batch: usize, wasm: impl FnOnce() -> Option<Vec<u8>>) {
    let digest = match std::env::var(DIGEST) {
        Ok(digest) => digest,
        Err(_) => {
            assert!(!is_child(), "no component is named");
            if let Some(reason) = kept::why_not() {
                return skip(test, &reason);
            }
            let Some(wasm) = wasm() else { return };
            engine().load(&wasm).unwrap().digest().to_string()
        }
    };
    hold(test, batch, &[(DIGEST, digest.clone())], || {
        let job = engine().cached(&digest).expect("the compiled component doesn't fit the CPU that valgrind shows");
        let mut instance: Instance = job.instantiate(&job.parameters(&[]).unwrap(), Arc::new(Silent)).unwrap();
        let batch = readings::batch(batch);
        move || assert!(instance.process(&batch).unwrap().rejects.is_empty())
    });
}

fn committed(path: &str) -> Option<Vec<u8>> {
    Some(fs::read(repository().join(path)).unwrap())
}

/// The example job in a language whose components are not in the repository; nothing where a tool is missing, which
/// skips the test.
fn built(test: &str, language: &str) -> Option<Vec<u8>> {
    let out = tempfile::tempdir().unwrap();
    let project = repository().join("guest-jobs").join(language).join("sensor_pipeline");
    let mut build: Command = process::pelton(env!("CARGO_BIN_EXE_pelton"));
    let built = build.arg("build").arg(project).arg("--out").arg(out.path()).output().unwrap();
    if !built.status.success() {
        skip(test, &format!("it can't be built: {}", String::from_utf8_lossy(&built.stderr)));
        return None;
    }
    Some(fs::read(out.path().join("sensor_pipeline.wasm")).unwrap())
}

#[test]
fn crossing() {
    hold_component(test_name!(), BATCH, || committed("host/tests/guests/identity.wasm"));
}

#[test]
fn json_in_rust() {
    hold_component(test_name!(), BATCH, || committed("usr_jobs/sensor_pipeline.wasm"));
}

#[test]
fn json_in_c() {
    hold_component(test_name!(), BATCH, || committed("host/tests/guests/c/sensor_pipeline.wasm"));
}

#[test]
fn json_in_go() {
    hold_component(test_name!(), BATCH, || built(test_name!(), "go"));
}

#[test]
fn json_in_javascript() {
    hold_component(test_name!(), SMALL, || built(test_name!(), "js"));
}

#[test]
fn json_in_python() {
    hold_component(test_name!(), SMALL, || built(test_name!(), "python"));
}

#[test]
fn json_in_native_rust() {
    hold(test_name!(), BATCH, &[], || {
        let mut job = native::Filter::new(true).instantiate(&[], Arc::new(Silent)).unwrap();
        let batch = readings::batch(BATCH);
        move || assert!(job.process(&batch).unwrap().rejects.is_empty())
    });
}
