//! Letters that are too large for the topic: files of the data folder, in reach like the others.

use std::fs;

use serde_json::json;

use super::redrive::enlarge;
use super::{dlq, dlq_fails, dlq_json, places, redrive};
use crate::kafka::Record;
use crate::stage::{guest, require_stage};

#[test]
fn files_are_listed_shown_redriven_and_purged() {
    let stage = require_stage!();
    stage.kafka.create_topic("sensors", 1, &[("max.message.bytes", "10000000")]);
    for topic in ["alerts", "trap_on_marker.dlq"] {
        stage.kafka.create_topic(topic, 1, &[("max.message.bytes", "2000")]);
    }
    let large = Record::new([0xff, 0].repeat(3000))
        .key("k")
        .timestamp(1_714_644_672_000)
        .header("h", None)
        .header("h", Some(&[0xfe]));
    let trap = Record::new(format!("TRAP{}", "x".repeat(5000)));
    let mut host = stage.host();
    host.start();
    host.submit(guest("trap_on_marker"), &[]);
    // One after the other: the broker refuses whatever it gets in one request with a message that is too large.
    for record in [&Record::new("good"), &large, &trap, &Record::new("TRAP small")] {
        stage.kafka.produce("sensors", std::slice::from_ref(record));
        stage.wait_until_done("trap_on_marker");
    }

    let list = dlq_json(&host, &["list", "trap_on_marker"]);
    assert_eq!(list["total"], 3, "{list}");
    let of = |offset: i64| {
        let letters = list["letters"].as_array().unwrap();
        letters
            .iter()
            .position(|letter| letter["source"]["offset"] == offset)
            .map(|at| places(&list).remove(at))
            .unwrap()
    };
    let (file, trapped, small) = (of(1), of(2), of(3));
    assert!(file.starts_with("sensors-0-1-") && file.ends_with(".json"), "{file}");
    assert_eq!(small, "0/0");
    assert_eq!(dlq_json(&host, &["list", "trap_on_marker", "--stage", "sink"])["total"], 1);
    let shown = dlq_json(&host, &["show", "trap_on_marker", &file]);
    assert_eq!(
        (&shown["file"], &shown["stage"], &shown["timestamp"]),
        (&file.as_str().into(), &"sink".into(), &1_714_644_672_000_i64.into())
    );
    assert_eq!(shown["headers"], json!([{"name": "h"}, {"name": "h", "size": 1, "base64": "/g=="}]));
    assert_eq!(shown["value"]["size"], 6000);
    assert!(dlq(&host, &["list", "trap_on_marker"]).stdout.contains(&file));

    // One that fails again in the same way is the same file, and no more redriven than before.
    assert_eq!(redrive(&host, &["trap_on_marker", &trapped]), (1, 1, 0));
    let shown = dlq_json(&host, &["show", "trap_on_marker", &trapped]);
    assert_eq!(shown.get("redriven"), None, "{shown}");
    assert_eq!(shown["redriven_from"], format!("trap_on_marker.dlq/{trapped}"));
    assert_eq!(dlq(&host, &["show", "trap_on_marker", &trapped, "--raw"]).stdout, trap.text());

    enlarge(&stage.kafka, "alerts");
    assert_eq!(redrive(&host, &["trap_on_marker", "--stage", "sink"]), (1, 0, 0));
    assert_eq!(redrive(&host, &["trap_on_marker", &file]), (0, 0, 1));
    let alerts = stage.kafka.read_all("alerts");
    assert_eq!(alerts.len(), 2);
    assert!(alerts[1].value == large.value && alerts[1].timestamp == large.timestamp);
    let origin = format!("trap_on_marker.dlq/{file}");
    assert_eq!(alerts[1].headers.last(), Some(&("pelton.redriven-from".to_owned(), Some(origin.into_bytes()))));
    assert_eq!(dlq_json(&host, &["list", "trap_on_marker"])["redriven"], 1);

    // A damaged file is told of and harms nothing.
    let folder = host.data().join("dead-letters/trap_on_marker");
    fs::write(folder.join("damaged.json"), "{").unwrap();
    let list = dlq_json(&host, &["list", "trap_on_marker"]);
    assert_eq!(list["total"], 3);
    assert!(list["damaged"][0].as_str().unwrap().contains("damaged.json"), "{list}");
    assert_eq!(redrive(&host, &["trap_on_marker", "--all"]), (2, 2, 1));
    for (name, expected) in [
        ("..%2f..%2fjobs%2ftrap_on_marker.json", (400, Some("bad-name"))),
        ("%2fetc%2fx.json", (400, Some("bad-name"))),
        ("x%00.json", (400, Some("bad-name"))),
        ("none.json", (404, Some("no-such-letter"))),
    ] {
        let (status, problem) = host.get(&format!("/api/v1/jobs/trap_on_marker/dead-letters/files/{name}"));
        assert_eq!((status, problem["code"].as_str()), expected, "{name}: {problem}");
    }
    assert!(dlq_fails(&host, &["show", "trap_on_marker", "none.json"]).contains("there is no file"));

    assert_eq!(dlq_json(&host, &["purge", "trap_on_marker", "--yes"])["purged"], 5);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
    assert_eq!(dlq_json(&host, &["list", "trap_on_marker"])["total"], 0);
}
