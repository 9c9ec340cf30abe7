//! Guests as adversaries: what each bad component gets, at submit or at run, and that nobody else suffers from it.
//!
//! Every component in `tests/guests` has a test of its name here, or [`every_guest_has_a_test`] fails.

mod accepted;
mod broken;
mod refused;

use std::fs;

use pelton_model::text::lines;

use crate::eventually::eventually;
use crate::golden;
use crate::kafka::Record;
use crate::pelton::Host;
use crate::stage::{RUN, Servers, guest, guests};

/// MiB that a host may hold while guests do their worst. A debug build compiles components in it, too.
const MOST_MEMORY: u64 = 700;

/// The components in `tests/guests`, each with the test that runs it.
const TESTED: [(&str, fn()); 17] = [
    ("all_types", accepted::all_types),
    ("always_trap", broken::always_trap),
    ("bad_index", broken::bad_index),
    ("bad_lengths", broken::bad_lengths),
    ("bad_sink", broken::bad_sink),
    ("big_output", broken::big_output),
    ("configure_fails", refused::configure_fails),
    ("conformance", golden::conformance),
    ("foreign_import", refused::foreign_import),
    ("hog", broken::hog),
    ("identity", accepted::identity),
    ("loop_forever", broken::loop_forever),
    ("preview1", accepted::preview1),
    ("sensor_statement", accepted::sensor_statement),
    ("trap_on_marker", broken::trap_on_marker),
    ("wasi", broken::wasi),
    ("wrong_world", refused::wrong_world),
];

#[test]
fn every_guest_has_a_test() {
    let mut found: Vec<String> = fs::read_dir(guests())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    found.sort();
    assert_eq!(found, TESTED.map(|(name, _)| name));
}

/// A host on which a guest may neither take long nor much.
fn strict_host(servers: &Servers) -> Host {
    let host = servers.host();
    host.env("PELTON_LIMITS__BATCH_TIME", "300ms")
        .env("PELTON_LIMITS__MEMORY_MIB", "48")
        .env("PELTON_LIMITS__ANSWER_MIB", "16")
}

/// Records of these values, in one partition.
fn records<V: AsRef<str>>(values: &[V]) -> Vec<Record> {
    values.iter().map(|value| Record::new(value.as_ref())).collect()
}

/// The most memory that a process ever held, MiB.
fn peak_memory(host: &Host) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", host.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() / 1024
}

/// Runs a guest over records of these values until all are committed. Those that begin with `bad` must become dead
/// letters of the stage `guest` with the reason that stands behind the value; all others must be forwarded, in order.
#[track_caller]
fn isolates(servers: &Servers, name: &str, bad: &[(&str, &str)]) {
    let reason_of = |value: &str| bad.iter().find(|(marker, _)| *marker == value).map(|(_, reason)| *reason);
    let mut values: Vec<String> = Vec::new();
    for (marker, _) in bad {
        let so_far = values.len();
        values.extend((so_far..so_far + 7).map(|i| format!("good {i}")));
        values.push((*marker).to_owned());
    }
    values.push("good at the end".to_owned());
    servers.kafka.produce("sensors", &records(&values));
    let mut host = strict_host(servers);
    host.start();
    host.submit(guest(name), &[]);
    servers.wait_until_done(name);

    let good: Vec<&String> = values.iter().filter(|value| reason_of(value).is_none()).collect();
    assert_eq!(servers.alerts().iter().collect::<Vec<_>>(), good);
    let letters = servers.reasons(name);
    let expected: Vec<(i64, String, String)> = (0..)
        .zip(&values)
        .filter_map(|(offset, value)| Some((offset, "guest".to_owned(), reason_of(value)?.to_owned())))
        .collect();
    assert_eq!(letters, expected);
    let view = host.show(name);
    assert_eq!(view["state"], "running", "{view}");
    let peak = peak_memory(&host);
    assert!(peak < MOST_MEMORY, "the host held {peak} MiB");
}

/// Runs a guest that fails on every record beside one that works, on the same host: the first is shown as failed, with
/// this reason, and tried again and again; the second does all its work; both stop when asked to.
#[track_caller]
fn fails_alone(servers: &Servers, name: &str, reason: &str) {
    let values: Vec<String> = (0..40).map(|i| format!("record {i}")).collect();
    servers.kafka.produce("sensors", &records(&values));
    let mut host = strict_host(servers);
    host.start();
    host.submit(guest(name), &[]);
    host.submit(guest("identity"), &[]);
    servers.wait_until_done("identity");
    assert_eq!(servers.alerts(), values);

    let view = eventually(RUN, "the job is shown as failed", || {
        let view = host.show(name);
        (view["state"] == "failed").then_some(view)
    });
    let told = view["conditions"][0]["reason"].as_str().unwrap();
    let expected = format!("the job fails on every record: {reason}; trying again in ");
    assert!(told.starts_with(&expected), "{told}");
    let (status, ready) = host.get("/readyz");
    assert_eq!(status, 503);
    let line = lines(&format!("{name}: instance 0 of {name}: {expected}"));
    assert!(ready.as_str().unwrap().contains(&line), "{ready}");
    let failures = |view: &serde_json::Value| view["counts"]["guest_failures"].as_u64().unwrap();
    eventually(RUN, "the job is tried again", || (failures(&host.show(name)) > failures(&view)).then_some(()));

    // The records on which it gave up are kept; it doesn't turn its whole topic into dead letters.
    let letters = servers.reasons(name);
    let expected: Vec<_> = (0..10).map(|offset| (offset, "guest".to_owned(), reason.to_owned())).collect();
    assert_eq!(letters, expected);
    assert_eq!(host.show("identity")["state"], "running");
    let peak = peak_memory(&host);
    assert!(peak < MOST_MEMORY, "the host held {peak} MiB");
    let cancelled = host.cli(&["cancel", name]);
    assert_eq!(cancelled.code, 0, "{}", cancelled.stderr);
    eventually(RUN, "the host is well again", || (host.get("/readyz").0 == 200).then_some(()));
    assert_eq!(host.sigterm(RUN), 0);
}
