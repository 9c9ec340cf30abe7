//! Dead letters in reach: `pelton dlq list|show|redrive|purge` and the API behind it, on real servers.

mod files;
mod purge;
mod redrive;
mod refused;

use serde_json::Value;

use crate::kafka::Record;
use crate::pelton::{Host, Said};
use crate::readings::reading;
use crate::stage::{Servers, example, require_stage};

const JOB: &str = "sensor_pipeline";

/// Runs `pelton dlq`; panics where it fails.
#[track_caller]
fn dlq(host: &Host, arguments: &[&str]) -> Said {
    let said = host.cli(&[&["dlq"], arguments].concat());
    assert_eq!(said.code, 0, "{arguments:?}: {}{}", said.stdout, said.stderr);
    said
}

/// What a `pelton dlq … --json` prints.
#[track_caller]
fn dlq_json(host: &Host, arguments: &[&str]) -> Value {
    serde_json::from_str(&dlq(host, &[arguments, &["--json"]].concat()).stdout).unwrap()
}

/// Runs `pelton dlq` in vain: what it says with exit code 1.
#[track_caller]
fn dlq_fails(host: &Host, arguments: &[&str]) -> String {
    let said = host.cli(&[&["dlq"], arguments].concat());
    assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{arguments:?}: {}", said.stderr);
    said.stderr
}

/// Redriven, again, skipped.
#[track_caller]
fn redrive(host: &Host, arguments: &[&str]) -> (i64, i64, i64) {
    let answer = dlq_json(host, &[&["redrive"], arguments].concat());
    let count = |key: &str| answer[key].as_i64().unwrap();
    assert_eq!(count("not_read"), 0);
    (count("redriven"), count("again"), count("skipped"))
}

/// The places of the listed letters, the newest first.
fn places(list: &Value) -> Vec<String> {
    let place = |letter: &Value| match letter["file"].as_str() {
        Some(file) => file.to_owned(),
        None => format!("{}/{}", letter["partition"], letter["offset"]),
    };
    list["letters"].as_array().unwrap().iter().map(place).collect()
}

/// A host with the job, after it has read these records.
fn after(servers: &Servers, records: &[Record]) -> Host {
    servers.set(1);
    // Readings of this id are refused by the table.
    servers.sql("ALTER TABLE raw_sensors_data ADD CONSTRAINT fussy CHECK (message_id NOT LIKE 'refused%')");
    servers.kafka.produce("sensors", records);
    // However many are refused in a row.
    let mut host = servers.host().env("PELTON_DELIVERY__HOLD_AFTER", "0");
    host.start();
    host.submit(example(JOB), &[]);
    servers.wait_until_done(JOB);
    host
}

/// One of each kind: binary bytes with key and headers, a null, five megabytes, a refused row.
fn bad_ones() -> Vec<Record> {
    vec![
        reading("good", 20.0),
        Record::new([0xff, 0x00, 0x1b, b'[', b'2', b'J'])
            .key([0xfe, 1])
            .timestamp(1_714_644_672_000)
            .header("binary", Some(&[0, 0xff]))
            .header("null", None)
            .header("pelton.job", Some(b"an impostor")),
        Record::tombstone().key("gone"),
        Record::new(vec![b'x'; 5_000_000]),
        reading("refused hot", 31.0),
    ]
}

#[test]
fn list_and_show() {
    let stage = require_stage!();
    let records = bad_ones();
    let host = after(&stage, &records);

    let list = dlq_json(&host, &["list", JOB]);
    assert_eq!((&list["total"], &list["redriven"]), (&4.into(), &0.into()), "{list}");
    assert_eq!(places(&list).len(), 4);
    let sources: Vec<i64> =
        list["letters"].as_array().unwrap().iter().map(|l| l["source"]["offset"].as_i64().unwrap()).collect();
    let mut sorted = sources.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [1, 2, 3, 4]);
    let counted: i64 = list["reasons"].as_array().unwrap().iter().map(|reason| reason["count"].as_i64().unwrap()).sum();
    assert_eq!(counted, 4);
    let place_of = |source: i64| places(&list)[sources.iter().position(|s| *s == source).unwrap()].clone();

    // Every filter.
    let total = |flags: &[&str]| dlq_json(&host, &[&["list", JOB], flags].concat())["total"].as_i64().unwrap();
    assert_eq!(total(&["--stage", "reject"]), 3);
    assert_eq!(total(&["--stage", "sink"]), 1);
    assert_eq!(total(&["--stage", "guest"]), 0);
    assert_eq!(total(&["--reason", "fussy"]), 1);
    assert_eq!(total(&["--reason", "no such reason & more"]), 0);
    assert_eq!(total(&["--version", "0.1.0"]), 4);
    assert_eq!(total(&["--version", "0.1"]), 0);
    let digest = host.show(JOB)["digest"].as_str().unwrap().to_owned();
    assert_eq!(total(&["--version", &digest[..12]]), 4);
    assert_eq!(total(&["--version", &digest[1..13]]), 0);
    assert_eq!(total(&["--since", "1h"]), 4);
    assert_eq!(total(&["--until", "1h"]), 0);
    let newest = list["letters"][0]["at"].as_str().unwrap();
    assert_eq!(total(&["--since", newest]) + total(&["--until", newest]), 4);
    assert!(total(&["--since", newest]) >= 1);

    // Page by page; counts stay those of all.
    let mut paged = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let mut arguments = vec!["list", JOB, "--limit", "3"];
        arguments.extend(next.iter().flat_map(|next| ["--before", next.as_str()]));
        let page = dlq_json(&host, &arguments);
        assert_eq!(page["total"], 4);
        paged.extend(places(&page));
        match page["next"].as_str() {
            Some(more) => next = Some(more.to_owned()),
            None => break,
        }
    }
    assert_eq!(paged, places(&list));

    // A list cuts what is long and says so.
    let large = list["letters"].as_array().unwrap().iter().find(|letter| letter["source"]["offset"] == 3).unwrap();
    assert_eq!((&large["cut"], &large["value"]["size"]), (&true.into(), &5_000_000.into()));
    assert_eq!(large["value"]["text"].as_str().unwrap().len(), 1024);

    // Raw bytes, a null, headers with a null, and names of ours that were the record's own.
    let shown = dlq_json(&host, &["show", JOB, &place_of(1)]);
    assert_eq!(shown["value"], serde_json::json!({"size": 6, "base64": "/wAbWzJK"}));
    assert_eq!(shown["key"], serde_json::json!({"size": 2, "base64": "/gE="}));
    assert_eq!(
        shown["headers"],
        serde_json::json!([
            {"name": "binary", "size": 2, "base64": "AP8="},
            {"name": "null"},
            {"name": "pelton.job", "size": 11, "text": "an impostor", "base64": "YW4gaW1wb3N0b3I="}
        ])
    );
    assert_eq!((&shown["stage"], &shown["timestamp"]), (&"reject".into(), &1_714_644_672_000_i64.into()));
    assert_eq!(shown["source"], serde_json::json!({"topic": "sensors", "partition": 0, "offset": 1}));
    let shown = dlq_json(&host, &["show", JOB, &place_of(2)]);
    assert_eq!((shown.get("value"), &shown["key"]["text"]), (None, &"gone".into()));
    // With one partition an offset is enough.
    let offset = place_of(3).trim_start_matches("0/").to_owned();
    let raw = dlq(&host, &["show", JOB, &offset, "--raw"]);
    assert!(raw.stdout.as_bytes() == records[3].value.as_deref().unwrap(), "{} bytes", raw.stdout.len());

    // For people, on their terminals.
    let table = dlq(&host, &["list", JOB]).stdout;
    assert!(table.starts_with("4 dead letters, 0 redriven\n"), "{table}");
    for word in ["COUNT", "reject", "sink", "fussy", "sensors/0/4", "null"] {
        assert!(table.contains(word), "no {word} in {table}");
    }
    let shown = dlq(&host, &["show", JOB, &place_of(4)]).stdout;
    assert!(shown.contains("refused hot") && shown.contains("fussy"), "{shown}");
    let shown = dlq(&host, &["show", JOB, &place_of(1)]).stdout;
    assert!(shown.contains("base64:/wAbWzJK") && shown.contains("null: null"), "{shown}");
    assert!(!table.contains('\x1b') && !shown.contains('\x1b'));

    // They outlive their job.
    assert_eq!(host.cli(&["cancel", JOB]).code, 0);
    assert_eq!(places(&dlq_json(&host, &["list", JOB])), places(&list));
    let refusal = dlq_fails(&host, &["redrive", JOB, "--all"]);
    assert!(refusal.contains("is not submitted") && refusal.contains("submit it again"), "{refusal}");
}
