//! Sinks that refuse whatever comes: the topic does not end up in the dead letters, and the reason is told.

use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::kafka::Record;
use crate::pelton::Host;
use crate::readings::{alerted, readings};
use crate::stage::{RUN, example, guest, require_stage};

/// Waits until a job is held, which tells all of this.
fn wait_until_held(host: &Host, job: &str, told: &[&str]) -> Value {
    eventually(RUN, "the job is held", || {
        let view = host.show(job);
        let reason = view["conditions"][0]["reason"].as_str().unwrap_or_default();
        (view["state"] == "failed" && told.iter().all(|text| reason.contains(text))).then_some(view)
    })
}

/// Waits until so many dead letters of a job are kept.
#[track_caller]
fn wait_for_letters(host: &Host, job: &str, count: u64) {
    let mut last = 0;
    eventually(RUN, &format!("{count} dead letters"), || {
        last = host.show(job)["counts"]["dead_letters"].as_u64().unwrap();
        assert!(last <= count, "{last} dead letters instead of {count}");
        (last == count).then_some(())
    });
}

#[test]
fn a_table_that_refuses_every_row_holds_its_job() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    host.start();
    host.submit(example("sensor_pipeline"), &[]);
    host.wait_until_ready();
    stage.kafka.produce("sensors", &readings(0..500));
    stage.wait_until_done("sensor_pipeline");
    stage.sql("ALTER TABLE raw_sensors_data ADD CONSTRAINT none CHECK (sensor_id < 0) NOT VALID");
    stage.kafka.produce("sensors", &readings(500..2500));
    let told =
        ["Postgres refuses every row of sink `raw_sensors_data`, 101 in a row", "it is held", "constraint `none`"];
    wait_until_held(&host, "sensor_pipeline", &told);
    // The hundred before are dead letters, and the one that is tried again is named.
    wait_for_letters(&host, "sensor_pipeline", 100);
    wait_until_held(&host, "sensor_pipeline", &["a row of sensors/0/600; trying again in"]);
    let (status, told) = host.get("/readyz");
    assert!(status == 503 && told.to_string().contains("constraint `none`"), "{told}");

    // Another version makes all of it anew, and does not wait for rows that the one before has made.
    let said = host.cli(&["set", "sensor_pipeline", "threshold=31"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    wait_until_held(&host, "sensor_pipeline", &["11 in a row"]);
    // Ten again, since the new start has written nothing yet.
    wait_for_letters(&host, "sensor_pipeline", 110);

    stage.sql("ALTER TABLE raw_sensors_data DROP CONSTRAINT none");
    stage.wait_until_done("sensor_pipeline");
    wait_for_letters(&host, "sensor_pipeline", 110);
    // What was not committed before the new start was made anew, so that the first of the dead letters are rows by now.
    assert_eq!(stage.count("raw_sensors_data"), 2490);
    let dead: Vec<i64> = stage.dead_letters("sensor_pipeline").into_keys().map(|(_, offset)| offset).collect();
    assert_eq!(dead, (500..600).collect::<Vec<_>>());
    assert_eq!(host.show("sensor_pipeline")["state"], "running");
    assert!(!alerted(&stage).is_empty());
}

#[test]
fn a_topic_that_refuses_every_message_holds_its_job() {
    let stage = require_stage!();
    stage.kafka.create_topic("sensors", 1, &[]);
    // It takes nothing without a key, and no record has one.
    stage.kafka.create_topic("alerts", 1, &[("cleanup.policy", "compact")]);
    let mut host = stage.host();
    host.start();
    let records: Vec<_> = (0..300).map(|n| Record::new(n.to_string())).collect();
    stage.kafka.produce("sensors", &records);
    host.submit(guest("identity"), &[]);
    let told = ["topic \"alerts\" refuses every message, 11 in a row", "it is held", "cleanup.policy", "sensors/0/10"];
    let view = wait_until_held(&host, "identity", &told);
    assert_eq!(view["conditions"][0]["part"], json!("refusals of alerts"));
    // They are kept although the topic takes nothing.
    wait_for_letters(&host, "identity", 10);
    stage.kafka.set_topic("alerts", "cleanup.policy", "delete");
    stage.wait_until_done("identity");
    let values: Vec<_> = (10..300).map(|n| n.to_string()).collect();
    assert_eq!(stage.alerts(), values, "the rest, in order, once");
    wait_for_letters(&host, "identity", 10);
    eventually(RUN, "it is well", || (host.show("identity")["state"] == "running").then_some(()));
}

#[test]
fn a_sink_may_refuse_everything_where_a_setting_says_so() {
    let stage = require_stage!();
    stage.set(1);
    stage.sql("ALTER TABLE raw_sensors_data ADD CONSTRAINT none CHECK (sensor_id < 0)");
    let mut host = stage.host().env("PELTON_DELIVERY__HOLD_AFTER", "0");
    host.start();
    stage.kafka.produce("sensors", &readings(0..300));
    host.submit(example("sensor_pipeline"), &[]);
    stage.wait_until_done("sensor_pipeline");
    wait_for_letters(&host, "sensor_pipeline", 300);
    // That it refuses everything is told all the same.
    let view = host.show("sensor_pipeline");
    let reason = view["conditions"][0]["reason"].as_str().unwrap_or_default();
    assert!(view["state"] == "failing" && reason.contains("300 in a row, so they are dead letters"), "{view}");
}
