//! What guests get of WASI: harmless answers, and an end where they want too much.

use std::sync::Arc;
use std::time::Duration;

use wasmparser::{Parser, Payload};

use super::super::Failure;
use super::super::tests::{Lines, batch, engine, guest, refusal, run};
use crate::component::embed;

/// The first core module within a component, as a compiler printed it.
fn core_module(component: &[u8]) -> Vec<u8> {
    let module = Parser::new(0).parse_all(component).find_map(|payload| match payload.unwrap() {
        Payload::ModuleSection { unchecked_range, .. } => Some(unchecked_range),
        _ => None,
    });
    component[module.unwrap()].to_vec()
}

/// The error that a guest answers with.
#[track_caller]
fn told(name: &str, value: &str) -> String {
    match run(name, &[value]) {
        Err(Failure::Error(told)) => told,
        other => panic!("{name} {value}: {other:?}"),
    }
}

#[track_caller]
fn trap(name: &str, value: &str) -> String {
    match run(name, &[value]) {
        Err(Failure::Trap(told)) => told,
        other => panic!("{name} {value}: {other:?}"),
    }
}

/// What a guest prints.
fn printed(wasm: &[u8]) -> Vec<String> {
    let job = engine().load(wasm).unwrap();
    let lines = Arc::new(Lines::default());
    let mut instance = job.instantiate(&[], Arc::clone(&lines) as Arc<_>).unwrap();
    instance.process(&batch(&["PRINT"])).unwrap();
    lines.0.lock().unwrap().drain(..).collect()
}

#[test]
fn components_get_what_is_harmless() {
    assert_eq!(told("wasi", "ENVIRONMENT"), "0 variables, 0 arguments");
    assert_eq!(told("wasi", "FILES"), "0 folders");
    assert_eq!(told("wasi", "SOCKET"), "denied: true");
    assert_eq!(told("wasi", "INPUT"), "closed: true");
    assert_eq!(told("wasi", "CLOCKS"), "slept: true, this century: true");
    assert_eq!(told("wasi", "RANDOM"), "32 bytes, differing: true");
    assert_eq!(printed(&guest("wasi")), ["INFO printed in parts", "WARN an error", "INFO and"]);
}

#[test]
fn who_wants_too_much_is_stopped() {
    let time = Err(Failure::Timeout(Duration::from_millis(200)));
    assert_eq!(run("wasi", &["SLEEP"]), time);
    assert_eq!(run("wasi", &["PRINT WITHOUT END"]), time);
    let random = "the job asked for 1073741824 random bytes in one call; 65536 are allowed";
    assert_eq!(trap("wasi", "GIBIBYTE"), random);
    assert_eq!(trap("wasi", "HANDLES"), "the job holds more than 1000 handles of WASI");
    assert_eq!(trap("wasi", "WRITE"), "the job wrote 1048576 bytes in one call; 65536 are allowed");
    assert_eq!(trap("wasi", "EXIT"), "the job exited, with failure");
}

#[test]
fn the_adapter_gives_what_is_harmless() {
    assert_eq!(told("preview1", "ENVIRONMENT"), "0 variables of 0, 0 arguments of 0");
    // A bad descriptor.
    assert_eq!(told("preview1", "FILES"), "folder: 8, file: 8");
    assert_eq!(told("preview1", "SOCKET"), "socket: 8");
    assert_eq!(told("preview1", "INPUT"), "error: 0, bytes: 0");
    assert_eq!(told("preview1", "RANDOM"), "differing: true, last: false");
    assert_eq!(told("preview1", "SLEEP"), "slept: true, events: [(5, 0)], this century: true");
    // The first of three timers twice, the one that has passed, both descriptors.
    assert_eq!(told("preview1", "POLL"), "[(2, 0), (4, 0)] [(3, 0)] [(1, 0), (2, 8)]");
    assert!(trap("preview1", "EXIT").contains("unreachable"));
    let printed = printed(&guest("preview1"));
    let (first, rest) = printed.split_at(2);
    assert_eq!(first, ["INFO printed in parts", "INFO and more"]);
    let (error, long) = rest.split_last().unwrap();
    // What has no end yet is a line when the call is over: after the error.
    let (error, long) =
        if error == "WARN an error" { (error, long) } else { (&rest[rest.len() - 2], &rest[..rest.len() - 2]) };
    assert_eq!((error.as_str(), long.len()), ("WARN an error", 2));
}

#[test]
fn core_modules_become_components() {
    for name in ["identity", "preview1"] {
        let module = core_module(&guest(name));
        assert!(refusal(&module).contains("holds no component's bindings"), "{name}");
        let module = embed(&module).unwrap();
        let job = engine().load(&module).unwrap();
        assert_eq!((job.spec().name.as_str(), job.digest()), (name, super::super::digest(&module).as_str()));
        let mut instance = job.instantiate(&[], Arc::new(Lines::default())).unwrap();
        assert_eq!(instance.process(&batch(&["a"])).unwrap(), run(name, &["a"]).unwrap());
    }
}

#[test]
fn what_could_reach_outside_is_refused_by_name() {
    for name in [
        "wasi:http/outgoing-handler@0.2.0",
        "wasi:keyvalue/store@0.2.0-draft",
        "wasi:sockets/tls@0.2.0",
        "wasi:cli/stdout@0.2.0-rc-2023-11-10",
        "wasi:cli/stdout@0.3.0",
        "wasi:config/store@0.2.0",
        "wasi:cli/stdout",
    ] {
        let component = wat::parse_str(format!("(component (import \"{name}\" (instance)))")).unwrap();
        let refusal = refusal(&component);
        assert!(
            refusal.starts_with(&format!("the component imports {name:?}, which Pelton does not offer")),
            "{refusal}"
        );
    }
    for name in ["wasi:cli/stdout@0.2.0", "wasi:sockets/tcp@0.2.12", "wasi:filesystem/types@0.2.9"] {
        let component = wat::parse_str(format!("(component (import \"{name}\" (instance)))")).unwrap();
        assert!(refusal(&component).contains("does not export pelton:job/task"), "{name}");
    }
    let function = wat::parse_str("(component (import \"wasi:cli/stdout@0.2.0\" (func)))").unwrap();
    assert!(refusal(&function).contains("does not export pelton:job/task"));
}

#[test]
fn a_panics_words_are_in_the_failure() {
    let told = trap("trap_on_marker", "TRAP");
    let (trap, panic) = told.split_once('\n').unwrap();
    assert_eq!(trap, "wasm trap: wasm `unreachable` instruction executed");
    assert!(panic.starts_with("panicked at ") && panic.ends_with(": a value contains TRAP"), "{told}");
}
