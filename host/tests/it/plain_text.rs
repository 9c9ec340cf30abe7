//! Text of guests, of Kafka, of Postgres and of those who call: bounded and clean where it is kept, and nothing but
//! text where it is shown, on a terminal and in the host's log.

use std::fs;

use pelton_model::text::is_unsafe;
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::kafka::Record;
use crate::pelton::{Host, Said};
use crate::readings::{reading, readings};
use crate::stage::{RUN, example, guest, require_stage};

/// What would clear the screen, forge a line of a log, and turn what stands behind it.
const HOSTILE: &str = "a\x1b[2J\r\n2026-11-30T10:00:00Z ERROR forged\u{9b}31m\u{202e}\u{2028}z";
/// The same as SQL.
const AS_SQL: &str = r"E'a\x1b[2J\r\n2026-11-30T10:00:00Z ERROR forged\u009b31m\u202e\u2028z'";

/// Holds every line to be text, and none to be forged.
#[track_caller]
fn is_plain(said: &str) {
    for line in said.lines() {
        assert!(!line.contains(is_unsafe), "{line:?} in {said}");
        assert!(!line.starts_with("2026-11-30T10:00:00Z ERROR forged"), "{said}");
    }
}

#[track_caller]
fn plain(host: &Host, arguments: &[&str]) -> Said {
    let said = host.cli(arguments);
    is_plain(&said.stdout);
    is_plain(&said.stderr);
    said
}

/// The component with one text of its declaration changed for another of the same length.
fn changed(component: &std::path::Path, text: &str, to: &str) -> Vec<u8> {
    assert_eq!(text.len(), to.len());
    let mut bytes = fs::read(component).unwrap();
    let found: Vec<_> = bytes
        .windows(text.len())
        .enumerate()
        .filter(|(_, bytes)| *bytes == text.as_bytes())
        .map(|(at, _)| at)
        .collect();
    assert!(!found.is_empty(), "{text} is not in it");
    found.iter().for_each(|&at| bytes[at..at + to.len()].copy_from_slice(to.as_bytes()));
    bytes
}

#[test]
fn what_servers_and_records_say_moves_no_cursor() {
    let stage = require_stage!();
    stage.set(1);
    let trigger = |does: String| {
        stage.sql(&format!(
            "CREATE OR REPLACE FUNCTION picky() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {does}
                RETURN NEW; END $$"
        ));
    };
    trigger(format!("EXECUTE 'SELECT FROM ' || quote_ident({AS_SQL});"));
    stage.sql("CREATE TRIGGER picky BEFORE INSERT ON raw_sensors_data FOR EACH ROW EXECUTE FUNCTION picky()");
    let hostile = Record::new(HOSTILE).key(HOSTILE).header(HOSTILE, Some(HOSTILE.as_bytes()));
    stage.kafka.produce("sensors", &[hostile.clone(), reading("refused", 20.0)]);
    stage.kafka.produce("sensors", &readings(0..8));
    let mut host = stage.host();
    host.start();
    host.submit(example("sensor_pipeline"), &["--set", "threshold=29"]);

    // Postgres refuses every row, with such a name in its words: the job waits, and says why.
    eventually(RUN, "what Postgres says is told", || {
        host.show("sensor_pipeline").to_string().contains("forged").then_some(())
    });
    for command in [&["list"][..], &["show", "sensor_pipeline"], &["logs", "sensor_pipeline"]] {
        let said = plain(&host, command);
        assert!(said.stdout.contains("forged") && said.stdout.contains("\\u{1b}"), "{command:?}: {}", said.stdout);
    }
    // Then one row only, and the record that is no reading at all.
    trigger(format!(
        "IF NEW.message_id = 'refused' THEN
            RAISE EXCEPTION USING MESSAGE = {AS_SQL}, DETAIL = {AS_SQL}, HINT = {AS_SQL}; END IF;"
    ));
    stage.wait_until_done("sensor_pipeline");
    let said = plain(&host, &["dlq", "list", "sensor_pipeline"]).stdout;
    assert!(said.contains("2 dead letters") && said.contains("\\u{1b}[2J"), "{said}");
    for letter in ["0/0", "0/1"] {
        let said = plain(&host, &["dlq", "show", "sensor_pipeline", letter]).stdout;
        assert!(said.contains("forged"), "{said}");
        // For programs it is what it was.
        let exact = plain(&host, &["dlq", "show", "sensor_pipeline", letter, "--json"]).stdout;
        let exact: Value = serde_json::from_str(&exact).unwrap();
        if exact["value"]["text"] == HOSTILE {
            assert_eq!((&exact["key"]["text"], &exact["headers"][0]["name"]), (&json!(HOSTILE), &json!(HOSTILE)));
        } else {
            assert!(exact["reason"].as_str().unwrap().contains(HOSTILE), "{exact}");
        }
    }
    let log = host.log();
    assert!(log.contains("forged\\u{9b}31m\\u{202e}\\u{2028}z"), "{log}");
    is_plain(&log);
}

#[test]
fn what_guests_say_moves_no_cursor() {
    let stage = require_stage!();
    stage.topics(1);
    stage.kafka.produce("sensors", &["good", "RAISE"].map(Record::new));
    let mut host = stage.host();
    host.start();
    host.submit(guest("trap_on_marker"), &[]);
    stage.wait_until_done("trap_on_marker");
    for command in [&["logs"][..], &["dlq", "list"], &["show"]] {
        plain(&host, &[command, &["trap_on_marker"]].concat());
    }
    plain(&host, &["dlq", "show", "trap_on_marker", "0/0"]);
    // A line of a job's log is one line of the host's.
    let log = host.log();
    is_plain(&log);
    let of_the_job =
        log.lines().find(|line| line.contains("ValueError: bad value\\n  File")).unwrap_or_else(|| panic!("{log}"));
    assert!(of_the_job.contains("\\u{1b}[2J"), "{of_the_job}");
    // And what `pelton test` prints is JSON that says it exactly.
    let told = crate::pelton::pelton(&[std::ffi::OsStr::new("test"), guest("trap_on_marker").as_os_str()], &[]);
    is_plain(&told.stdout);
}

#[test]
fn a_declaration_with_more_than_text_is_refused_and_kept_nowhere() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    host.start();
    let job = example("sensor_alerts");
    let said = host.cli(&["submit", job.to_str().unwrap()]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let about = host.show("sensor_alerts")["spec"]["description"].as_str().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    for (hostile, words) in [
        ("\x1b[2J", "the description has a control character, U+001B: \"\\u{1b}[2J"),
        ("\x07\x07\x07", "the description has a control character, U+0007: \"\\u{7}\\u{7}\\u{7}"),
        ("\u{202e}!", "the description has a character that turns or breaks lines, U+202E: \"\\u{202e}!"),
    ] {
        let to = format!("{hostile}{}", &about[hostile.len()..]);
        let wasm = changed(&job, &about, &to);
        let file = folder.path().join("hostile.wasm");
        fs::write(&file, &wasm).unwrap();
        let said = plain(&host, &["submit", file.to_str().unwrap(), "--name", "other"]);
        let expected = format!("the file is not a job: the job's declaration makes no sense: {words}");
        assert!(said.code == 1 && said.stderr.contains(&expected), "{}", said.stderr);
        host.drop_job("dropped", &wasm);
        eventually(RUN, "the file is told", || {
            let (_, list) = host.get("/api/v1/jobs");
            list["available"][0]["error"].as_str()?.contains(words).then_some(())
        });
        assert!(plain(&host, &["list"]).stdout.contains(words));
    }
    assert_eq!(host.show_all().as_array().unwrap().len(), 1);
    is_plain(&host.log());
}

#[test]
fn what_callers_send_is_bounded_and_does_not_come_back_whole() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    host.start();
    let (_, uploaded) = host.upload(&fs::read(example("sensor_alerts")).unwrap());
    let digest = &uploaded["digest"];
    let long = "x".repeat(900_000);
    let refused = |path: &str, body: Value, words: &str| {
        let (status, problem) = host.post(path, &body);
        let told = problem.to_string();
        assert!((400..500).contains(&status) && told.contains(words), "{words}: {status} {told:.2000}");
        assert!(told.len() < 20_000, "{words}: {} bytes come back", told.len());
        is_plain(&told);
    };
    let submit = |key: &str, value: Value, words: &str| {
        let mut body = json!({"digest": digest});
        body[key] = value;
        refused("/api/v1/jobs", body, words);
    };
    let cut = "(900000 bytes)";
    submit("name", json!(long), cut);
    submit("group", json!(long), "the group's name is longer than 249 characters");
    submit("group", json!("a\0b"), "the group's name has a control character, U+0000");
    submit("group", json!("a\u{202e}b"), "U+202E");
    submit("group", json!(""), "the group has no name");
    submit("by", json!(long), "`by` is longer than 200 characters");
    submit("by", json!(HOSTILE), "`by` has a control character, U+001B");
    submit("why", json!(long), "`why` is longer than 2000 characters");
    submit("why", json!(HOSTILE), "`why` has a control character, U+001B");
    submit("parameters", json!({"threshold": "x".repeat((1 << 20) + 1)}), "longer than 1048576 bytes");
    submit("parameters", json!({"threshold": HOSTILE}), "has a control character, U+001B");
    submit("parameters", json!({long.clone(): "1"}), "the name of a parameter is longer than 100 characters");
    submit("parameters", json!({"no\\such": "1"}), "it has threshold");
    submit(&long, json!(1), "Failed to deserialize the JSON body");
    refused("/api/v1/jobs", json!({"available": long}), cut);
    refused("/api/v1/jobs", json!({"digest": long}), cut);

    host.submit(
        example("sensor_alerts"),
        &["--group", "Meine Gruppe: été", "--why", "one\n\ntwo", "--set", "threshold=25"],
    );
    let path = |verb: &str| format!("/api/v1/jobs/sensor_alerts/{verb}");
    for verb in ["pause", "resume"] {
        refused(&path(verb), json!({"by": HOSTILE}), "`by` has a control character");
    }
    refused(&path("scale"), json!({"parallelism": 2, "by": long}), "`by` is longer");
    refused(&path("set"), json!({"parameters": {"threshold": HOSTILE}}), "U+001B");
    refused(&path("set"), json!({"parameters": {HOSTILE: null}}), "U+001B");
    refused(&path("reload"), json!({"digest": digest, "why": long}), "`why` is longer");
    refused(&path("rollback"), json!({"to": 1, "why": HOSTILE}), "`why` has a control character");
    refused(&path("dead-letters/redrive"), json!({"letters": [{"file": format!("{long}.json")}]}), "(900005 bytes)");
    let history = host.show("sensor_alerts")["history"].as_array().unwrap().len();
    assert_eq!(history, 1, "nothing of it is kept");
    for command in [&["show", "sensor_alerts"][..], &["list"]] {
        plain(&host, command);
    }
    is_plain(&host.log());
}
