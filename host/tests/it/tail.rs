//! Looking into topics: what is there, what comes, dead letters, and who may.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::Value;

use crate::eventually::eventually;
use crate::http::Connection;
use crate::kafka::Record;
use crate::pelton::Host;
use crate::readings::{reading, readings};
use crate::stage::{RUN, example, require_stage};

/// Milliseconds since 1970, so many minutes ago.
fn ago(minutes: u64) -> i64 {
    let at = SystemTime::now() - Duration::from_secs(minutes * 60);
    i64::try_from(at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The lines that `pelton tail` prints.
#[track_caller]
fn tail(host: &Host, arguments: &[&str]) -> Vec<String> {
    let said = host.cli(&[&["tail"], arguments].concat());
    assert_eq!(said.code, 0, "{arguments:?}: {}", said.stderr);
    said.stdout.lines().map(str::to_owned).collect()
}

#[track_caller]
fn values(host: &Host, arguments: &[&str]) -> Vec<String> {
    let lines = tail(host, &[arguments, &["--json"]].concat());
    let value =
        |line: &String| serde_json::from_str::<Value>(line).unwrap()["value"]["text"].as_str().unwrap().to_owned();
    lines.iter().map(value).collect()
}

#[test]
fn a_topic_is_looked_into_from_either_end_and_anywhere() {
    let stage = require_stage!();
    stage.topics(2);
    let records: Vec<_> = (0..40)
        .map(|i| Record::new(format!("{i}")).partition(i % 2).timestamp(ago(200 - u64::try_from(i).unwrap())))
        .collect();
    stage.kafka.produce("sensors", &records);
    let mut host = stage.host();
    host.start();
    let numbers = |range: std::ops::Range<i32>| range.map(|i| i.to_string()).collect::<Vec<_>>();
    assert_eq!(values(&host, &["sensors"]), numbers(30..40));
    assert_eq!(values(&host, &["sensors", "-n", "3"]), numbers(37..40));
    assert_eq!(values(&host, &["sensors", "-n", "1000"]), numbers(0..40));
    assert_eq!(values(&host, &["sensors", "--from", "earliest", "-n", "5"]), numbers(0..5));
    assert_eq!(values(&host, &["sensors", "--from", "-171m", "-n", "4"]), numbers(30..34));
    assert_eq!(values(&host, &["sensors", "--from", "sensors/1=17"]), ["35", "37", "39"]);
    assert_eq!(values(&host, &["sensors", "--from", "2100-01-01T00:00Z"]), [""; 0]);

    // What a record holds is text, on a line of its own.
    let hostile = Record::new("a\u{1b}[2J\nb").key("k\u{9b}").header("trace", Some(b"7")).header("none", None);
    stage.kafka.produce("sensors", &[hostile.partition(0).timestamp(ago(1))]);
    let binary = Record { value: Some(vec![0xff, 0]), ..Record::new("") };
    stage.kafka.produce("sensors", &[binary.partition(0).timestamp(ago(0)), Record::tombstone().partition(1)]);
    let lines = tail(&host, &["sensors", "-n", "3"]);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("sensors/0/20 20"), "{lines:?}");
    assert!(lines[0].ends_with("Z key=k\\u{9b} trace=7 none=null a\\u{1b}[2J\\nb"), "{lines:?}");
    assert!(lines[1].ends_with(" base64:/wA=") && lines[2].ends_with(" null"), "{lines:?}");

    for (arguments, why) in [
        (&["no_such"][..], "there is no topic \"no_such\": Kafka has none of that name"),
        (&["__consumer_offsets"], "the topic \"__consumer_offsets\" is Kafka's own"),
        (&["sensors", "--from", "sensors/0=99"], "sensors/0 has the offsets 0 to 21, and the next is 22"),
        (&["sensors", "--from", "alerts/0=0"], "sensors is looked into, not alerts"),
    ] {
        let said = host.cli(&[&["tail"], arguments].concat());
        assert_eq!(said.code, 1, "{arguments:?}: {}", said.stdout);
        assert!(said.stderr.contains(why), "{arguments:?}: {}", said.stderr);
    }
    // It was in no group.
    assert_eq!(stage.kafka.committed("pelton-tail", "sensors"), [None, None]);
}

#[test]
fn a_transaction_that_was_given_up_is_not_shown_and_hides_nothing() {
    let stage = require_stage!();
    stage.topics(1);
    stage.kafka.produce("sensors", &(0..5).map(|i| Record::new(i.to_string()).timestamp(ago(9))).collect::<Vec<_>>());
    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", stage.kafka.bootstrap()).set("transactional.id", "tail");
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(RUN).unwrap();
    for _ in 0..15 {
        producer.begin_transaction().unwrap();
        producer.send(BaseRecord::to("sensors").key("k").payload("given up")).map_err(|(error, _)| error).unwrap();
        producer.flush(RUN).unwrap();
        producer.abort_transaction(RUN).unwrap();
    }
    let mut host = stage.host();
    host.start();
    assert_eq!(values(&host, &["sensors", "-n", "4"]), ["1", "2", "3", "4"]);
    assert_eq!(values(&host, &["sensors", "--from", "earliest"]), ["0", "1", "2", "3", "4"]);
}

#[test]
fn what_comes_is_followed_by_so_many_at_once() {
    let stage = require_stage!();
    stage.topics(1);
    stage.kafka.produce("sensors", &[Record::new("before"), Record::new("last")]);
    let mut host = stage.host();
    host.start();
    let open = |query: &str| {
        let mut stream = Connection::open(host.port());
        let head =
            format!("GET /api/v1/topics/sensors/messages?follow=true{query} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.send(head.as_bytes());
        let answer = stream.answer();
        (stream, answer.status)
    };
    let (mut stream, status) = open("&n=1");
    assert_eq!(status, 200);
    let text = |event: &Value| event["value"]["text"].as_str().unwrap().to_owned();
    assert_eq!(text(&stream.event()), "last");
    for value in ["one", "two"] {
        stage.kafka.produce("sensors", &[Record::new(value)]);
        assert_eq!(text(&stream.event()), value);
    }
    let mut others: Vec<_> = (0..15).map(|_| open("&from=earliest")).collect();
    assert!(others.iter().all(|(_, status)| *status == 200));
    let seen: BTreeSet<_> = (0..4).map(|_| text(&others[0].0.event())).collect();
    assert_eq!(seen, ["before", "last", "one", "two"].map(str::to_owned).into());
    let (status, refused) = host.get("/api/v1/topics/sensors/messages");
    assert_eq!((status, &refused["code"]), (503, &"too-many-streams".into()), "{refused}");
    // Who goes makes room soon, also where nothing comes.
    drop(others);
    eventually(RUN, "there is room", || (host.get("/api/v1/topics/sensors/messages").0 == 200).then_some(()));
    assert_eq!(host.sigterm(RUN), 0, "a stream that is open holds up no stop");
}

#[test]
fn dead_letters_are_readable() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    host.start();
    host.submit(example("sensor_alerts"), &[]);
    stage
        .kafka
        .produce("sensors", &[reading("fine", 20.0), Record::new("no reading").key("k").header("h", Some(b"v"))]);
    stage.wait_until_done("sensor_alerts");
    let lines = tail(&host, &["sensor_alerts.dlq"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let words = ["sensor_alerts.dlq/0/0 ", " reject of sensors/0/1 by version 0.1.0: ", "; key=k h=v no reading"];
    assert!(words.iter().all(|words| lines[0].contains(words)), "{lines:?}");
    let json = tail(&host, &["sensor_alerts.dlq", "--json"]);
    let message: Value = serde_json::from_str(&json[0]).unwrap();
    assert_eq!(message["letter"]["source"]["offset"], 1, "{message}");
    assert_eq!(message["headers"].as_array().unwrap().len(), 1, "{message}");
    // A job's outputs are there, too.
    stage.kafka.produce("sensors", &readings(0..4));
    stage.wait_until_done("sensor_alerts");
    assert!(tail(&host, &["alerts", "-n", "1"])[0].contains("reading 0"));
}
