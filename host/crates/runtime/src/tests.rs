//! One component at a time: every guest of `tests/guests` against the engine alone.

use std::sync::Mutex;
use std::time::Duration;

use wasmtime::component::Component;

use super::*;
use pelton_model::record::{Batch, Outcome, Output};

pub(super) fn guest(name: &str) -> Vec<u8> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests");
    std::fs::read(tests.join("guests").join(format!("{name}.wasm"))).unwrap()
}

pub(super) fn engine() -> Engine {
    let limits = Limits { memory_mib: 16, batch_time: Duration::from_millis(200), answer_mib: 4, ..Limits::default() };
    Engine::new(limits, None).unwrap()
}

pub(super) fn batch(values: &[&str]) -> Batch {
    let mut batch = Batch { topic: "sensors".into(), ..Batch::default() };
    for (i, value) in values.iter().enumerate() {
        batch.offsets.push(i as i64);
        batch.timestamps.push(-1);
        batch.keys.push(None);
        batch.values.push(Some(value.as_bytes()));
        batch.headers.end_record();
    }
    batch
}

/// Collects log lines.
#[derive(Default)]
pub(super) struct Lines(pub(super) Mutex<Vec<String>>);

impl Host for Lines {
    fn log(&self, level: tracing::Level, message: &str) {
        self.0.lock().unwrap().push(format!("{level} {message}"));
    }
    fn count(&self, _: &str, _: u64) {}
    fn gauge(&self, _: &str, _: f64) {}
}

pub(super) fn run(name: &str, values: &[&str]) -> Result<Outcome, Failure> {
    let job = engine().load(&guest(name)).unwrap();
    let parameters = job.parameters(&[]).unwrap();
    job.instantiate(&parameters, Arc::new(Lines::default()))?.process(&batch(values))
}

pub(super) fn refusal(wasm: &[u8]) -> String {
    format!("{:#}", engine().load(wasm).unwrap_err())
}

#[test]
fn what_is_not_a_job_is_refused_in_words_that_help() {
    let whole = guest("identity");
    let truncated = refusal(&whole[..whole.len() / 2]);
    assert!(truncated.starts_with("not a valid WebAssembly component: "), "{truncated}");
    assert!(refusal(b"").starts_with("not a valid WebAssembly component"));
    for other in [&b"<html>"[..], b"PK\x03\x04", b"(component)", &[0xff; 1 << 20]] {
        let told = refusal(other);
        assert!(told.starts_with("not a valid WebAssembly component: the file is no WebAssembly"), "{told}");
        assert!(told.len() < 200 && !told.contains(['\n', '[']), "nothing of it is quoted: {told}");
    }
    assert!(refusal(b"\0asm\x01\0\0\0").contains("core WebAssembly module that holds no component's bindings"));
    let other = refusal(&guest("wrong_world"));
    assert!(other.contains("does not export pelton:job/task@0.1"), "{other}");
    let foreign = refusal(&guest("foreign_import"));
    assert!(foreign.contains("which Pelton does not offer"), "{foreign}");
}

#[test]
fn compiled_code_is_never_taken_from_outside() {
    let engine = engine();
    let component = Component::from_binary(&engine.inner, &guest("identity")).unwrap();
    let compiled = component.serialize().unwrap();
    assert!(refusal(&compiled).contains("compiled code"));
}

#[test]
fn the_identity_forwards_every_record() {
    let outcome = run("identity", &["a", "b", "c"]).unwrap();
    assert_eq!(outcome, Outcome { outputs: vec![Output::Forward { sink: 0, origin: vec![0, 1, 2] }], rejects: vec![] });
}

#[test]
fn parameters_are_completed_and_checked_by_name() {
    let job = engine()
        .load(
            &std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../usr_jobs/sensor_alerts.wasm")).unwrap(),
        )
        .unwrap();
    let set = |pairs: &[(&str, &str)]| {
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        job.parameters(&pairs)
    };
    assert_eq!(set(&[]).unwrap(), [("threshold".to_owned(), "30".to_owned())]);
    assert_eq!(set(&[("threshold", "1")]).unwrap(), [("threshold".to_owned(), "1".to_owned())]);
    assert_eq!(
        set(&[("treshold", "1")]).unwrap_err().to_string(),
        "the job has no parameter \"treshold\"; it has threshold"
    );
}

#[test]
fn a_guest_that_refuses_its_parameters_says_why() {
    let job = engine().load(&guest("configure_fails")).unwrap();
    let parameters = job.parameters(&[]).unwrap();
    let failure = job.instantiate(&parameters, Arc::new(Lines::default())).err().unwrap();
    assert!(matches!(&failure, Failure::Error(reason) if !reason.is_empty()), "{failure}");
}

#[test]
fn a_trap_is_a_failure_and_the_panic_is_in_the_log() {
    let job = engine().load(&guest("always_trap")).unwrap();
    let lines = Arc::new(Lines::default());
    let mut instance = job.instantiate(&[], Arc::clone(&lines) as Arc<dyn Host>).unwrap();
    assert!(matches!(instance.process(&batch(&["a"])), Err(Failure::Trap(_))));
    let lines = lines.0.lock().unwrap();
    assert!(lines.iter().any(|line| line.starts_with("ERROR ")), "{lines:?}");
}

#[test]
fn an_endless_loop_runs_out_of_time() {
    assert_eq!(run("loop_forever", &["a"]), Err(Failure::Timeout(Duration::from_millis(200))));
}

#[test]
fn a_hog_runs_out_of_memory() {
    assert_eq!(run("hog", &["a"]), Err(Failure::Memory(16)));
}

#[test]
fn one_answer_cannot_fill_the_hosts_memory() {
    let limits = Limits { memory_mib: 64, answer_mib: 4, ..Limits::default() };
    let job = Engine::new(limits, None).unwrap().load(&guest("big_output")).unwrap();
    let mut instance = job.instantiate(&[], Arc::new(Lines::default())).unwrap();
    assert!(matches!(instance.process(&batch(&["BIG"])), Err(Failure::Broken(_))));
}

#[test]
fn answers_that_lie_are_refused() {
    let lengths =
        ["EXCEED", "FALL", "SHORT", "COUNT", "VALIDITY", "HEADERS", "ORIGIN", "ENDS"].map(|lie| ("bad_lengths", lie));
    let sinks = ["RANGE", "ROWS", "MESSAGES", "TYPE", "COLUMNS", "COUNT"].map(|lie| ("bad_sink", lie));
    let indices = ["BAD_REJECT", "BAD_MESSAGE", "BAD"].map(|lie| ("bad_index", lie));
    for (name, value) in lengths.into_iter().chain(sinks).chain(indices) {
        let answer = run(name, &["good", value]);
        assert!(matches!(answer, Err(Failure::Broken(_))), "{name}: {answer:?}");
    }
}

#[test]
fn markers_fail_one_by_one_and_a_fresh_instance_goes_on() {
    assert!(matches!(run("trap_on_marker", &["TRAP"]), Err(Failure::Trap(_))));
    assert!(matches!(run("trap_on_marker", &["LOOP"]), Err(Failure::Timeout(_))));
    assert!(matches!(run("trap_on_marker", &["HOG"]), Err(Failure::Memory(_))));
    assert!(matches!(run("trap_on_marker", &["FAIL"]), Err(Failure::Error(_))));
    assert!(run("trap_on_marker", &["fine"]).is_ok());
}
