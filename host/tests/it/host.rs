//! The host's process: it starts, says how it is, and ends as it was asked to.

use std::net::TcpListener;
use std::time::Duration;

use pelton_local::postgres::{LocalPostgres, Options};

use crate::eventually::eventually;
use crate::kafka::{Record, require_kafka};
use crate::pelton::{Host, example, pelton};

/// For a record to get through, a group's rebalance included.
const WAIT: Duration = Duration::from_secs(60);

#[test]
fn it_drains_on_sigterm_and_comes_back_after_a_kill() {
    let kafka = require_kafka!();
    let postgres = LocalPostgres::start(&Options { durable: false, ..Options::default() }).unwrap();
    let mut host = Host::new(&kafka.bootstrap(), &postgres.url());
    host.start();
    host.wait_until_ready();
    let listed = host.cli(&["list", "--json"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);

    host.kill9();
    host.start();
    host.wait_until_ready();
    assert_eq!(host.sigterm(Duration::from_secs(30)), 0);
    assert_eq!(host.cli(&["list"]).code, 1, "no host answers any more");
}

#[test]
fn a_submitted_job_goes_on_over_restarts() {
    let kafka = require_kafka!(private);
    let postgres = LocalPostgres::start(&Options { durable: false, ..Options::default() }).unwrap();
    kafka.create_topic("sensors", 2, &[]);
    kafka.create_topic("alerts", 1, &[]);
    let hot = |id: &str| {
        Record::new(format!(
            r#"{{"message_id": "{id}", "sensor_id": 7, "message": {{"temperature": 31.5, "pressure": 1000.25, "vibration": 0.5}}, "timestamp": "2024-05-02T10:11:12.123456+00:00"}}"#
        ))
    };
    let alerts = || -> Vec<String> {
        let alerts = kafka.read_all("alerts");
        alerts.iter().map(|alert| alert.json()["message_id"].as_str().unwrap().to_owned()).collect()
    };
    // A member that was killed keeps its partitions for the time of its session.
    let mut host = Host::new(&kafka.bootstrap(), &postgres.url()).config(
        "[kafka.consumer]\n'session.timeout.ms' = '4000'\n'heartbeat.interval.ms' = '500'\n\
         [delivery]\ndrain_timeout = '3s'\n",
    );
    host.drop_job("sensor_alerts", &std::fs::read(example("sensor_alerts")).unwrap());
    host.start();

    let (status, problem) = host.post("/api/v1/jobs", &serde_json::json!({"available": "no_such_job"}));
    assert!((400..500).contains(&status), "{status}: {problem}");
    let submitted = host.cli(&["submit", "sensor_alerts", "--from", "earliest"]);
    assert_eq!(submitted.code, 0, "{}", submitted.stderr);
    kafka.produce("sensors", &[hot("first")]);
    eventually(WAIT, "the first alert", || (alerts() == ["first"]).then_some(()));
    let labels = [("job", "sensor_alerts")];
    eventually(WAIT, "the record is counted", || {
        (host.metric("pelton_records_in_total", &labels)? == 1.0).then_some(())
    });

    assert_eq!(host.sigterm(Duration::from_secs(30)), 0);
    let committed: i64 = kafka.committed("pelton-sensor_alerts", "sensors").into_iter().flatten().sum();
    assert_eq!(committed, 1, "what was done is committed");
    kafka.produce("sensors", &[hot("while away")]);
    host.start();
    eventually(WAIT, "the second alert", || (alerts() == ["first", "while away"]).then_some(()));

    host.kill9();
    kafka.produce("sensors", &[hot("after the kill")]);
    host.start();
    // At least once: what was not committed before the kill may come again.
    eventually(WAIT, "the third alert", || alerts().contains(&"after the kill".to_owned()).then_some(()));

    assert_eq!(host.get("/api/v1/jobs/sensor_alerts").1["name"], "sensor_alerts");
    assert_eq!(host.delete("/api/v1/jobs/sensor_alerts").0, 200);
    assert_eq!(host.sigterm(Duration::from_secs(30)), 0);
}

#[test]
fn a_taken_port_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    // Nothing listens on port 1: a host that can't listen itself has no reason to look for its servers.
    let mut host = Host::new("127.0.0.1:1", "postgres://nobody:nothing@127.0.0.1:1/none").flag("--listen", &address);
    let (code, log) = host.start_in_vain();
    assert_eq!(code, 1, "{log}");
    assert!(log.contains(&address), "{log}");
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let said = pelton(&["run", "--no-such-flag"], &[]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("--no-such-flag"), "{}", said.stderr);
    assert_eq!(said.stdout, "");
}
