//! Redrives: once each, into the job's own sinks, with a mark of origin; what fails again is a dead letter again.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{JOB, after, bad_ones, dlq, dlq_fails, dlq_json, places, redrive};
use crate::eventually::eventually;
use crate::kafka::{Kafka, Record};
use crate::pelton::pelton;
use crate::readings::reading;
use crate::stage::{RUN, example, guest, require_stage};

const FROM: &str = "pelton.redriven-from";

/// Allows larger messages in a topic.
pub(super) fn enlarge(kafka: &Kafka, topic: &str) {
    kafka.set_topic(topic, "max.message.bytes", "10000000");
}

#[test]
fn what_is_mended_arrives_once() {
    let stage = require_stage!();
    let host = after(&stage, &bad_ones());
    let list = dlq_json(&host, &["list", JOB, "--stage", "sink"]);
    let place = places(&list).remove(0);
    let rows = || {
        stage
            .query("SELECT message_id FROM raw_sensors_data ORDER BY 1")
            .iter()
            .map(|row| row.get(0))
            .collect::<Vec<String>>()
    };
    assert_eq!(rows(), ["good"]);
    assert_eq!(stage.kafka.read_all("alerts").len(), 1);

    // Not mended yet: a dead letter again, and the first one counts as redriven.
    assert_eq!(redrive(&host, &[JOB, &place]), (1, 1, 0));
    let shown = dlq_json(&host, &["show", JOB, &place]);
    assert!(shown["redriven"].is_string(), "{shown}");
    let list = dlq_json(&host, &["list", JOB, "--stage", "sink"]);
    assert_eq!(
        (&list["total"], &list["redriven"], &list["reasons"][0]["redriven"]),
        (&2.into(), &1.into(), &1.into()),
        "{list}"
    );
    let again = &list["letters"][0];
    assert_eq!(again["redriven_from"], format!("{JOB}.dlq/{place}"));
    assert_eq!((&again["source"]["offset"], again.get("redriven")), (&4.into(), None));
    assert_eq!(again["headers"], json!([]), "the mark is no header of the record");

    // Mended.
    stage.sql("ALTER TABLE raw_sensors_data DROP CONSTRAINT fussy");
    assert_eq!(redrive(&host, &[JOB, "--stage", "sink"]), (1, 0, 1));
    assert_eq!(rows(), ["good", "refused hot"]);
    let alerts = stage.kafka.read_all("alerts");
    let second = places(&list).remove(0);
    let marks: Vec<_> = alerts.iter().map(|alert| alert.header_text(FROM)).collect();
    let expected = [None, Some(format!("{JOB}.dlq/{place}")), Some(format!("{JOB}.dlq/{second}"))];
    assert_eq!(marks, expected.each_ref().map(Option::as_deref));
    assert_eq!(alerts[2].value, alerts[0].value);
    assert_eq!(alerts[2].timestamp, alerts[0].timestamp, "an output keeps its record's time");

    // Once each.
    assert_eq!(redrive(&host, &[JOB, "--stage", "sink"]), (0, 0, 2));
    assert_eq!(redrive(&host, &[JOB, &place, &second]), (0, 0, 2));
    assert_eq!((rows().len(), stage.kafka.read_all("alerts").len()), (2, 3));

    // All that are left: binary, null and large ones are rejected again, for the same reasons.
    let rejects = |list: &Value| {
        let mut of: Vec<_> = list["letters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|letter| {
                (
                    letter["source"].to_string(),
                    letter["reason"].to_string(),
                    letter["value"].to_string(),
                    letter["headers"].to_string(),
                )
            })
            .collect();
        of.sort();
        of
    };
    let before = rejects(&dlq_json(&host, &["list", JOB, "--stage", "reject"]));
    assert_eq!(redrive(&host, &[JOB, "--all"]), (3, 3, 2));
    let list = dlq_json(&host, &["list", JOB, "--stage", "reject", "--limit", "3"]);
    assert_eq!((&list["total"], &list["redriven"]), (&6.into(), &3.into()));
    assert_eq!(rejects(&list), before);
    assert!(list["letters"].as_array().unwrap().iter().all(|letter| letter["redriven_from"].is_string()));
    let table = dlq(&host, &["redrive", JOB, "--reason", "no such reason"]).stdout;
    assert_eq!(table, "redriven 0, dead letters again 0, skipped 0 redriven before\n");

    // The job itself has gone on all the while, and what was redriven is counted with the rest.
    stage.kafka.produce("sensors", &[reading("later", 20.0)]);
    stage.wait_until_done(JOB);
    assert_eq!(rows(), ["good", "later", "refused hot"]);
    eventually(RUN, "the counts", || {
        let counts = host.show(JOB)["counts"].clone();
        (counts["sinks"][0]["records_out"] == 3
            && counts["sinks"][1]["records_out"] == 3
            && counts["dead_letters"] == 8)
            .then_some(())
    });
}

#[test]
fn forwarded_records_and_failures_of_the_guest() {
    let stage = require_stage!();
    stage.kafka.create_topic("sensors", 1, &[("max.message.bytes", "10000000")]);
    stage.kafka.create_topic("alerts", 1, &[("max.message.bytes", "100000")]);
    let large = Record::new([b"large and bin\xffry ".repeat(20_000)].concat())
        .key("k")
        .header("own", None)
        .header("own", Some(b"1"));
    let mut host = stage.host();
    host.start();
    host.submit(guest("trap_on_marker"), &[]);
    // One after the other: the broker refuses whatever it gets in one request with a message that is too large.
    let records = [Record::new("good"), Record::new("TRAP"), large, Record::new("FAIL"), Record::new("good too")];
    for record in &records {
        stage.kafka.produce("sensors", std::slice::from_ref(record));
        stage.wait_until_done("trap_on_marker");
    }
    let list = dlq_json(&host, &["list", "trap_on_marker"]);
    assert_eq!(list["total"], 3, "{list}");
    assert_eq!(dlq_json(&host, &["list", "trap_on_marker", "--stage", "guest"])["total"], 2);
    let refused = dlq_json(&host, &["list", "trap_on_marker", "--stage", "sink"]);
    let place = places(&refused).remove(0);

    enlarge(&stage.kafka, "alerts");
    // What breaks the job is found among the others here, too.
    assert_eq!(redrive(&host, &["trap_on_marker", "--all"]), (3, 2, 0));
    let alerts = stage.kafka.read_all("alerts");
    assert_eq!(alerts.len(), 3);
    let forwarded = &alerts[2];
    assert!(forwarded.value == records[2].value && forwarded.key == records[2].key);
    let origin = format!("trap_on_marker.dlq/{place}");
    let headers = [
        ("own".to_owned(), None),
        ("own".to_owned(), Some(b"1".to_vec())),
        (FROM.to_owned(), Some(origin.into_bytes())),
    ];
    assert_eq!(forwarded.headers, headers);
    let again = dlq_json(&host, &["list", "trap_on_marker", "--limit", "2"]);
    let reasons: Vec<_> =
        again["letters"].as_array().unwrap().iter().map(|letter| letter["reason"].as_str().unwrap()).collect();
    assert!(reasons.contains(&"the job failed: a value contains FAIL"), "{reasons:?}");
    assert!(again["letters"].as_array().unwrap().iter().all(|letter| letter["redriven_from"].is_string()));
    // A failure in a redrive is no failure of the running job.
    assert_eq!(host.show("trap_on_marker")["state"], "running");
}

#[test]
fn letters_of_one_record_are_redriven_together() {
    let stage = require_stage!();
    let host = after(&stage, &[reading("refused", 20.0), reading("refused too", 20.0)]);
    // As after a crash: one of them came twice. And among them a record of somebody else.
    let topic = format!("{JOB}.dlq");
    let twice = stage.kafka.read_all(&topic).remove(0);
    stage.kafka.produce(&topic, &[twice, Record::new("not a dead letter")]);
    stage.sql("ALTER TABLE raw_sensors_data DROP CONSTRAINT fussy, DROP CONSTRAINT raw_sensors_data_pkey");
    stage.sql("CREATE UNIQUE INDEX ON raw_sensors_data (message_id)");
    let list = dlq_json(&host, &["list", JOB]);
    assert_eq!((&list["total"], &list["foreign"]), (&3.into(), &1.into()));
    assert!(dlq_fails(&host, &["show", JOB, "3"]).contains("is not a dead letter"));
    assert!(dlq_fails(&host, &["redrive", JOB, "3"]).contains("is not a dead letter"));
    assert_eq!(redrive(&host, &[JOB, "2"]), (2, 0, 0));
    assert_eq!(redrive(&host, &[JOB, "--all"]), (1, 0, 2));
    assert_eq!(stage.count("raw_sensors_data"), 2);
}

#[test]
fn one_redrive_runs_at_a_time_and_a_sink_that_is_down_ends_it() {
    let mut stage = require_stage!();
    let host = after(&stage, &[reading("refused", 31.0), reading("refused too", 20.0)]);
    // Another host of the same job, with a data folder of its own.
    let mut other = stage.host();
    other.start();
    let submitted = other.cli(&["submit".as_ref(), example(JOB).as_os_str()]);
    assert_eq!(submitted.code, 0, "{}", submitted.stderr);
    stage.sql("ALTER TABLE raw_sensors_data DROP CONSTRAINT fussy");
    stage.postgres.stop_keep_data().unwrap();
    let start = |url: String| {
        thread::spawn(move || pelton(&["dlq", "redrive", JOB, "--all", "--json"], &[("PELTON_API", &url)]))
    };
    let begun = |messages: usize| {
        let what = format!("the redrive has {messages} messages out");
        eventually(RUN, &what, || (stage.kafka.read_all("alerts").len() >= messages).then_some(()));
    };
    let first = start(host.url());
    begun(2);
    for other in [&["redrive", JOB, "--all"][..], &["purge", JOB, "--yes"]] {
        let said = dlq_fails(&host, other);
        assert!(said.contains("one redrive or purge of a job runs at a time"), "{said}");
    }
    // Nothing is marked, and it says what is down.
    let said = first.join().unwrap();
    assert_eq!(said.code, 1);
    assert!(
        said.stderr.contains("sink raw_sensors_data of instance 0: failed to connect to postgres://"),
        "{}",
        said.stderr
    );
    assert_eq!(dlq_json(&host, &["list", JOB])["redriven"], 0);

    // Two hosts: the later one takes over, and the earlier one is told so.
    let first = start(host.url());
    begun(3);
    let second = start(other.url());
    begun(4);
    stage.postgres.start_again().unwrap();
    let (first, second) = (first.join().unwrap(), second.join().unwrap());
    assert_eq!(first.code, 1);
    assert!(first.stderr.contains("another redrive of the job has begun on another host"), "{}", first.stderr);
    assert_eq!(second.code, 0, "{}", second.stderr);
    let answer: Value = serde_json::from_str(&second.stdout).unwrap();
    assert_eq!(answer, json!({"redriven": 2, "again": 0, "skipped": 0, "not_read": 0}));
    assert_eq!(stage.count("raw_sensors_data"), 2);
    assert_eq!(redrive(&host, &[JOB, "--all"]), (0, 0, 2), "marks are seen by every host");
}

#[test]
fn a_redrive_that_was_stopped_or_killed_goes_on() {
    let mut stage = require_stage!();
    let mut host = after(&stage, &(0..50).map(|n| reading(&format!("refused {n}"), 31.0)).collect::<Vec<_>>());
    stage.sql("ALTER TABLE raw_sensors_data DROP CONSTRAINT fussy");
    stage.postgres.stop_keep_data().unwrap();
    let start = |url: String| thread::spawn(move || pelton(&["dlq", "redrive", JOB, "--all"], &[("PELTON_API", &url)]));
    let begun = |messages: usize| {
        let what = format!("{messages} messages are out");
        eventually(RUN, &what, || (stage.kafka.read_all("alerts").len() >= messages).then_some(()));
    };
    let stopped = start(host.url());
    begun(100);
    assert_eq!(host.sigterm(Duration::from_secs(20)), 0);
    let said = stopped.join().unwrap();
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("the host is stopping"), "{}", said.stderr);

    host.start();
    let killed = start(host.url());
    begun(150);
    host.kill9();
    assert_eq!(killed.join().unwrap().code, 1);

    stage.postgres.start_again().unwrap();
    host.start();
    assert_eq!(redrive(&host, &[JOB, "--all"]), (50, 0, 0));
    assert_eq!(stage.count("raw_sensors_data"), 50);
    assert_eq!(redrive(&host, &[JOB, "--all"]), (0, 0, 50));
    // At least once: the messages of the attempts before are there as well.
    assert_eq!(stage.kafka.read_all("alerts").len(), 200);
}

#[test]
fn a_redrive_runs_the_present_version_also_of_a_held_job() {
    let stage = require_stage!();
    stage.topics(1);
    stage.kafka.produce("sensors", &[Record::new("TRAP"), Record::new("good")]);
    let mut host = stage.host();
    host.start();
    host.submit(guest("trap_on_marker"), &["--name", "mended"]);
    stage.wait_until_done("mended");
    let list = dlq_json(&host, &["list", "mended"]);
    assert_eq!(list["total"], 1);
    let before = list["letters"][0]["digest"].as_str().unwrap().to_owned();

    assert_eq!(host.cli(&["pause", "mended"]).code, 0);
    let identity = guest("identity");
    let reloaded = host.cli(&["reload".as_ref(), "--force".as_ref(), "mended".as_ref(), identity.as_os_str()]);
    assert_eq!(reloaded.code, 0, "{}", reloaded.stderr);
    assert_ne!(host.show("mended")["digest"], before);
    assert_eq!(redrive(&host, &["mended", "--version", &before]), (1, 0, 0));
    assert_eq!(stage.alerts(), ["good", "TRAP"]);
    let view = host.show("mended");
    assert_eq!(view["state"], "paused", "{view}");

    // Going back makes it fail again, and the new letter says of which version it is.
    assert_eq!(host.cli(&["rollback", "mended"]).code, 0);
    assert_eq!(redrive(&host, &["mended", "--all"]), (0, 0, 1));
    assert_eq!(host.cli(&["resume", "mended"]).code, 0);
    stage.kafka.produce("sensors", &[Record::new("TRAP too")]);
    stage.wait_until_done("mended");
    assert_eq!(redrive(&host, &["mended", "--all"]), (1, 1, 1));
    let list = dlq_json(&host, &["list", "mended", "--limit", "1"]);
    assert_eq!(
        (&list["letters"][0]["digest"], &list["letters"][0]["version"]),
        (&before.as_str().into(), &"0.1.0".into())
    );
}
