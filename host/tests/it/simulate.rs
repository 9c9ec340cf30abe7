//! `pelton simulate` as its users run it, on a real broker.

use pelton_demo::Sensors;

use crate::kafka::{Record, require_kafka, unique};
use crate::pelton::pelton;

#[test]
fn it_sends_so_many_readings_of_the_seed() {
    let kafka = require_kafka!();
    let topic = unique("simulate");
    kafka.create_topic(&topic, 3, &[]);
    let (bootstrap, count) = (kafka.bootstrap(), 10_000);
    let run = pelton(
        &["simulate", "--kafka", &bootstrap, "--topic", &topic, "--rate", "0", "--seed", "7", "--count", "10000"],
        &[],
    );
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.starts_with(&format!("sent {count} readings to topic {topic} in ")), "{}", run.stdout);

    let records = kafka.read_all(&topic);
    assert!(records.iter().all(|record| record.key.is_none() && record.headers.is_empty()));
    assert!((0..3).all(|partition| records.iter().any(|record| record.partition == partition)), "not spread");
    // The partitions mix them up, and the times are today's.
    let mut sent: Vec<&str> = records.iter().map(without_time).collect();
    let expected: Vec<String> = Sensors::new(7).take(count).map(|reading| reading.to_string()).collect();
    let mut expected: Vec<&str> = expected.iter().map(|reading| cut(reading)).collect();
    sent.sort_unstable();
    expected.sort_unstable();
    assert!(sent == expected, "the readings are others than those of the seed");
}

fn without_time(record: &Record) -> &str {
    cut(record.text())
}

/// A reading up to its time.
fn cut(reading: &str) -> &str {
    reading.rsplit_once(", \"timestamp\": \"").unwrap().0
}

#[test]
fn what_is_missing_is_named() {
    let kafka = require_kafka!();
    let (bootstrap, topic) = (kafka.bootstrap(), unique("nowhere"));
    let missing = pelton(&["simulate", "--topic", &topic], &[("KAFKA_HOST", &bootstrap)]);
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains(&format!("topic {topic:?} does not exist on Kafka at {bootstrap}")));

    let away = pelton(&["simulate", "--kafka", "127.0.0.1:1"], &[]);
    assert_eq!(away.code, 1);
    assert!(away.stderr.contains("Kafka at 127.0.0.1:1"), "{}", away.stderr);

    assert_eq!(pelton(&["simulate", "--rate", "-1"], &[]).code, 2);
}
