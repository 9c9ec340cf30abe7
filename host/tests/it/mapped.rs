//! One component in many places: `--source` and `--sink`.

use std::fs;
use std::ops::Range;

use crate::eventually::eventually;
use crate::kafka::Record;
use crate::readings::reading;
use crate::stage::{RUN, Stage, example, require_stage};

/// Sends readings with ids of two digits.
fn send(stage: &Stage, ids: Range<u32>, celsius: f64) {
    let readings: Vec<_> = ids.map(|id| reading(&format!("{id:02}"), celsius)).collect();
    stage.kafka.produce("sensors", &readings);
}

#[test]
fn a_second_copy_reads_and_writes_elsewhere() {
    let stage = require_stage!();
    stage.topics(1);
    stage.sql("DROP SCHEMA IF EXISTS staging CASCADE; CREATE SCHEMA staging");
    let mut host = stage.host();
    fs::copy(example("sensor_pipeline"), host.usr_jobs().join("sensor_pipeline.wasm")).unwrap();
    host.start();
    host.submit(example("sensor_pipeline"), &["--create"]);
    let copy = [
        "submit",
        "sensor_pipeline",
        "--name",
        "plant-2",
        "--source",
        "sensors=plant-2.sensors",
        "--sink",
        "alerts=plant-2.alerts",
        "--sink",
        "raw_sensors_data=staging.readings",
    ];
    // What is checked is what is mapped.
    let refused = host.cli(&copy);
    assert_eq!(refused.code, 1);
    for missing in ["topic \"plant-2.sensors\"", "topic \"plant-2.alerts\"", "table `staging.readings` is missing"] {
        assert!(refused.stderr.contains(missing), "{}", refused.stderr);
    }
    stage.kafka.create_topic("plant-2.sensors", 2, &[]);
    let said = host.cli(&[&copy[..], &["--create"]].concat());
    assert_eq!(said.code, 0, "{}", said.stderr);
    let shown = host.cli(&["show", "plant-2"]).stdout;
    for told in [
        "topic plant-2.sensors, for sensors",
        "alerts: topic plant-2.alerts, not as declared",
        "raw_sensors_data: table staging.readings",
    ] {
        assert!(shown.contains(told), "{shown}");
    }
    stage.kafka.produce("plant-2.sensors", &[reading("a", 31.0), reading("b", 20.0)]);
    stage.kafka.produce("sensors", &[reading("c", 32.0)]);
    let ids = |table: &str| {
        let rows = stage.query(&format!("SELECT message_id FROM {table} ORDER BY 1"));
        rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>()
    };
    let alerts = |topic: &str| stage.kafka.read_all(topic).len();
    eventually(RUN, "each has its own", || {
        let rows = ids("staging.readings") == ["a", "b"] && ids("raw_sensors_data") == ["c"];
        (rows && alerts("plant-2.alerts") == 1 && alerts("alerts") == 1).then_some(())
    });

    // It stays over a reload and a restart; and the same version can go elsewhere while it runs.
    host.cli(&["set", "plant-2", "threshold=10"]);
    host.kill9();
    host.start();
    // With what runs, whatever its file has by now.
    fs::write(host.usr_jobs().join("sensor_pipeline.wasm"), "no component").unwrap();
    let said = host.cli(&["reload", "plant-2", "--sink", "raw_sensors_data=staging.others", "--create"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    stage.kafka.produce("plant-2.sensors", &[reading("d", 11.0)]);
    eventually(RUN, "it is elsewhere", || {
        (ids("staging.others") == ["d"] && alerts("plant-2.alerts") == 2).then_some(())
    });
    assert_eq!(ids("staging.readings").len(), 2);
    // Letters of the copy are the copy's.
    stage.kafka.produce("plant-2.sensors", &[Record::new("no reading")]);
    eventually(RUN, "there is a letter", || (host.show("plant-2")["counts"]["dead_letters"] == 1).then_some(()));
    assert_eq!(host.show("sensor_pipeline")["counts"]["dead_letters"], 0);
}

#[test]
fn what_a_sink_has_not_taken_goes_where_the_next_version_writes() {
    let stage = require_stage!();
    stage.topics(1);
    stage.sql("DROP TABLE IF EXISTS first_place; DROP TABLE IF EXISTS second_place");
    let mut host = stage.host();
    host.start();
    host.submit(example("sensor_pipeline"), &["--create", "--sink", "raw_sensors_data=first_place"]);
    let send = |ids| send(&stage, ids, 20.0);
    send(0..5);
    eventually(RUN, "it writes", || (stage.count("first_place") == 5).then_some(()));
    stage.sql("DROP TABLE first_place");
    send(5..25);
    eventually(RUN, "it waits for its table", || (host.show("sensor_pipeline")["state"] == "degraded").then_some(()));
    let said = host.cli(&["reload", "sensor_pipeline", "--sink", "raw_sensors_data=second_place", "--create"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    // Nothing has to come for that, and what comes is behind it.
    eventually(RUN, "what waited is where it is to be now", || (stage.count("second_place") == 20).then_some(()));
    send(25..30);
    eventually(RUN, "it goes on", || {
        let job = host.show("sensor_pipeline");
        (stage.count("second_place") == 25 && job["lag"] == 0 && job["state"] == "running").then_some(())
    });
    let rows = stage.query("SELECT message_id FROM second_place");
    let ids: Vec<_> = rows.iter().map(|row| row.get::<_, String>(0)).collect();
    assert_eq!(ids, (5..30).map(|id| format!("{id:02}")).collect::<Vec<_>>(), "in order");
}

/// A lock is told after 5 s, and this is before.
#[test]
fn what_turns_out_to_be_stuck_after_the_next_version_has_begun_goes_where_that_writes() {
    let stage = require_stage!();
    stage.topics(1);
    stage.sql("DROP TABLE IF EXISTS first_place; DROP TABLE IF EXISTS second_place");
    let mut host = stage.host();
    fs::copy(example("sensor_pipeline"), host.usr_jobs().join("sensor_pipeline.wasm")).unwrap();
    host.start();
    host.submit(example("sensor_pipeline"), &["--create", "--sink", "raw_sensors_data=first_place"]);
    let send = |ids| send(&stage, ids, 20.0);
    send(0..5);
    eventually(RUN, "it writes", || (stage.count("first_place") == 5).then_some(()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (other, connection) =
        runtime.block_on(tokio_postgres::connect(&stage.postgres.url(), tokio_postgres::NoTls)).unwrap();
    runtime.spawn(connection);
    let other = |sql: &str| runtime.block_on(other.batch_execute(sql)).unwrap();
    other("DROP TABLE IF EXISTS nobodys_place; BEGIN; ALTER TABLE first_place RENAME TO nobodys_place");
    send(5..25);
    eventually(RUN, "all are read", || (host.show("sensor_pipeline")["counts"]["records_in"] == 25).then_some(()));
    let said = host.cli(&["reload", "sensor_pipeline", "--sink", "raw_sensors_data=second_place", "--create"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    send(25..30);
    eventually(RUN, "what waited is where it is to be now", || (stage.count("second_place") >= 25).then_some(()));
    other("COMMIT");
    eventually(RUN, "it is well", || {
        let job = host.show("sensor_pipeline");
        (job["lag"] == 0 && job["state"] == "running").then_some(())
    });
    assert_eq!((stage.count("second_place"), stage.count("nobodys_place")), (25, 5));
}

#[test]
fn what_a_topic_that_is_gone_has_not_taken_goes_where_the_next_version_writes() {
    let stage = require_stage!();
    stage.topics(1);
    let mut host = stage.host();
    host.start();
    stage.kafka.create_topic("first.alerts", 1, &[]);
    stage.kafka.create_topic("second.alerts", 1, &[]);
    host.submit(example("sensor_alerts"), &["--sink", "alerts=first.alerts"]);
    let send = |ids| send(&stage, ids, 40.0);
    send(0..5);
    eventually(RUN, "it writes", || (stage.kafka.read_all("first.alerts").len() == 5).then_some(()));
    eventually(RUN, "all is committed", || (host.show("sensor_alerts")["lag"] == 0).then_some(()));
    stage.kafka.delete_topic("first.alerts");
    send(5..25);
    eventually(RUN, "it waits for its topic", || (host.show("sensor_alerts")["state"] == "degraded").then_some(()));
    let said = host.cli(&["reload", "sensor_alerts", "--sink", "alerts=second.alerts"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    eventually(RUN, "what waited is where it is to be now", || {
        (stage.kafka.read_all("second.alerts").len() == 20).then_some(())
    });
    send(25..30);
    eventually(RUN, "it goes on", || {
        let job = host.show("sensor_alerts");
        let alerts = stage.kafka.read_all("second.alerts");
        let ids: Vec<_> = alerts.iter().map(|alert| alert.json()["message_id"].as_str().unwrap().to_owned()).collect();
        let all: Vec<_> = (5..30).map(|id| format!("{id:02}")).collect();
        (ids == all && job["lag"] == 0 && job["state"] == "running").then_some(())
    });
}
