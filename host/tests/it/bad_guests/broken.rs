//! Guests that fail at run: on some records, which are found and put aside, or on every one.

use super::{fails_alone, isolates, records, strict_host};
use crate::stage::{guest, require_stage};

#[test]
pub(super) fn trap_on_marker() {
    let stage = require_stage!();
    stage.topics(1);
    let trap = "the job trapped: wasm trap: wasm `unreachable` instruction executed\npanicked at \
                fixtures/trap_on_marker/src/lib.rs:16:9: a value contains TRAP";
    let time = "the job ran longer than 300ms on one batch";
    let memory = "the job needed more than 48 MiB of memory";
    let error = "the job failed: a value contains FAIL";
    isolates(
        &stage,
        "trap_on_marker",
        &[("TRAP", trap), ("LOOP", time), ("HOG", memory), ("FAIL", error), ("TRAP once more", trap)],
    );
}

#[test]
pub(super) fn wasi() {
    let stage = require_stage!();
    stage.topics(1);
    let time = "the job ran longer than 300ms on one batch";
    let random = "the job trapped: the job asked for 1073741824 random bytes in one call; 65536 are allowed";
    isolates(
        &stage,
        "wasi",
        &[
            ("FILES", "the job failed: 0 folders"),
            ("SOCKET", "the job failed: denied: true"),
            ("SLEEP", time),
            ("GIBIBYTE", random),
            ("PRINT WITHOUT END", time),
            ("HANDLES", "the job trapped: the job holds more than 1000 handles of WASI"),
        ],
    );
}

/// An exception of a language: its text and stack are in the dead letter, and in the log with the record's coordinates.
#[test]
fn an_exception_is_told_whole() {
    let stage = require_stage!();
    stage.topics(1);
    stage.kafka.produce("sensors", &records(&["good", "RAISE", "good", "TRAP"]));
    let mut host = strict_host(&stage);
    host.start();
    host.submit(guest("trap_on_marker"), &[]);
    stage.wait_until_done("trap_on_marker");

    let [(1, _, reason), (3, _, panic)] = &stage.reasons("trap_on_marker")[..] else { panic!("other dead letters") };
    let first =
        "the job failed: record at partition 0 offset 1: ValueError: bad value\n  File \"job.py\", line 3, in process";
    assert!(reason.starts_with(first) && reason.len() > 4000, "{reason}");
    let told =
        "the job trapped: wasm trap: wasm `unreachable` instruction executed\npanicked at fixtures/trap_on_marker/";
    assert!(panic.starts_with(told) && panic.ends_with(": a value contains TRAP"), "{panic}");

    let told = host.cli(&["logs", "trap_on_marker", "--json"]).stdout;
    let lines: Vec<serde_json::Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let has = |text: &str| lines.iter().any(|line| line["message"].as_str().unwrap().contains(text));
    assert!(has(&format!("sensors/0/1: {first}")), "{told}");
    assert!(has(&format!("sensors/0/3: {panic}")), "{told}");
    // On a terminal the lines are lines, and what would clear the screen doesn't.
    let shown = "ValueError: bad value\n      File \"job.py\", line 3, in process\n        raise ValueError(\"bad \\u{1b}[2J\")\n";
    for said in [host.cli(&["logs", "trap_on_marker"]), host.cli(&["dlq", "show", "trap_on_marker", "0/0"])] {
        assert!(said.stdout.contains(shown) && !said.stdout.contains('\u{1b}'), "{}", said.stdout);
    }
}

#[test]
pub(super) fn bad_index() {
    let stage = require_stage!();
    stage.topics(1);
    let broken = |what: &str| format!("the job's answer breaks the contract: {what}");
    isolates(
        &stage,
        "bad_index",
        &[
            ("BAD_REJECT", &broken("a reject of record 1 in a batch of 1")),
            ("BAD_MESSAGE", &broken("output 0: origin 1 in a batch of 1 records")),
            ("BAD", &broken("output 0: origin 1 in a batch of 1 records")),
        ],
    );
}

#[test]
pub(super) fn bad_lengths() {
    let stage = require_stage!();
    stage.topics(1);
    let broken = |what: &str| format!("the job's answer breaks the contract: output 0: sink \"alerts\": {what}");
    isolates(
        &stage,
        "bad_lengths",
        &[
            ("EXCEED", &broken("values: ends that stop at 4294967295 of 6 bytes")),
            ("FALL", &broken("values: ends that fall")),
            ("SHORT", &broken("values: ends that stop at 5 of 6 bytes")),
            ("COUNT", &broken("values: 1 items where 2 are due")),
            ("VALIDITY", &broken("values: a validity bitmap of 2 bytes for 2 items")),
            ("HEADERS", &broken("header names: 1 items where 9 are due")),
        ],
    );
}

#[test]
pub(super) fn bad_sink() {
    let stage = require_stage!();
    stage.topics(1);
    stage.sql("CREATE TABLE bad_sink (id int NOT NULL)");
    let broken = |what: &str| format!("the job's answer breaks the contract: output 0: {what}");
    isolates(
        &stage,
        "bad_sink",
        &[
            ("RANGE", &broken("sink 99, but the job declares 2")),
            ("ROWS", &broken("sink \"alerts\": rows for a topic")),
            ("MESSAGES", &broken("sink \"bad_sink\": messages for a table or statement")),
            ("TYPE", &broken("sink \"bad_sink\": column 0: data of another type than Int4")),
            ("COLUMNS", &broken("sink \"bad_sink\": 2 columns where 1 are declared")),
            ("COUNT", &broken("sink \"bad_sink\": column 0: 0 values for 1 rows")),
        ],
    );
    assert_eq!(stage.count("bad_sink"), 0);
}

#[test]
pub(super) fn big_output() {
    let stage = require_stage!();
    stage.topics(1);
    let reason = "the job's answer breaks the contract: too much data is being copied between the host and the guest: \
                  fuel allocated for hostcalls has been exhausted";
    isolates(&stage, "big_output", &[("BIG", reason), ("BIG again", reason)]);
}

#[test]
pub(super) fn always_trap() {
    let stage = require_stage!();
    stage.topics(1);
    let reason = "the job trapped: wasm trap: wasm `unreachable` instruction executed\npanicked at \
                  fixtures/always_trap/src/lib.rs:11:5: this job always panics";
    fails_alone(&stage, "always_trap", reason);
}

#[test]
pub(super) fn loop_forever() {
    let stage = require_stage!();
    stage.topics(1);
    fails_alone(&stage, "loop_forever", "the job ran longer than 300ms on one batch");
}

#[test]
pub(super) fn hog() {
    let stage = require_stage!();
    stage.topics(1);
    fails_alone(&stage, "hog", "the job needed more than 48 MiB of memory");
}
