//! Messages that the broker refuses along with the request that they came in: only those that are refused alone become
//! dead letters, and what is delivered is in order.

use std::collections::BTreeSet;

use crate::kafka::Record;
use crate::pelton::Host;
use crate::stage::{Servers, guest, require_stage};

const JOB: &str = "identity";
const KEYS: usize = 7;

/// What the broker would refuse of some records: their places.
type Bad = BTreeSet<usize>;

/// The number at the beginning of a value.
fn number(record: &Record) -> usize {
    record.text().split(' ').next().unwrap().parse().unwrap()
}

/// Has the job forward the records, all of which are there before it starts, and checks what comes of it.
fn check(stage: &Servers, host: &Host, records: &[Record], bad: &Bad, reason: &str) {
    stage.kafka.produce("sensors", records);
    host.submit(guest(JOB), &[]);
    stage.wait_until_done(JOB);
    let alerts = stage.kafka.read_all("alerts");
    let mut numbers: Vec<_> = alerts.iter().map(number).collect();
    for partition in 0..3 {
        let there = alerts.iter().filter(|record| record.partition == partition).map(number);
        // The source has one partition, so whatever goes to one partition has to keep its order.
        assert!(there.is_sorted(), "partition {partition} is out of order");
    }
    numbers.sort_unstable();
    let good: Vec<_> = (0..records.len()).filter(|number| !bad.contains(number)).collect();
    assert_eq!(numbers, good, "every other message is there, once");
    let letters = stage.reasons(JOB);
    let dead: Bad = letters.iter().map(|(offset, ..)| usize::try_from(*offset).unwrap()).collect();
    assert_eq!((&dead, letters.len()), (bad, bad.len()));
    for (offset, stage, error) in letters {
        assert!(stage == "sink" && error.contains(reason), "{offset}: {stage}: {error}");
    }
    assert_eq!(host.show(JOB)["state"], "running");
}

#[test]
fn messages_that_are_too_large_harm_no_others() {
    let stage = require_stage!();
    stage.kafka.create_topic("sensors", 1, &[("max.message.bytes", "10000000")]);
    stage.kafka.create_topic("alerts", 3, &[("max.message.bytes", "20000")]);
    let mut host = stage.host();
    host.start();
    let mut bad = Bad::new();
    let records: Vec<_> = (0..4_000)
        .map(|n| {
            let size = match n {
                _ if n % 97 == 5 => 30_000,
                // Larger than a round of the sink.
                1_777 => 600_000,
                _ if n % 41 == 3 => 15_000,
                _ => 150,
            };
            if size > 20_000 {
                bad.insert(n);
            }
            let record = Record::new(format!("{n} {}", "x".repeat(size)));
            if n % 3 == 0 { record } else { record.key(format!("key-{}", n % KEYS)) }
        })
        .collect();
    check(&stage, &host, &records, &bad, "the broker refused the message");
}

#[test]
fn messages_that_a_topic_does_not_take_harm_no_others() {
    let stage = require_stage!();
    stage.kafka.create_topic("sensors", 1, &[]);
    // Such a topic takes no record without a key.
    stage.kafka.create_topic("alerts", 3, &[("cleanup.policy", "compact")]);
    let mut host = stage.host();
    host.start();
    let bad: Bad = (0..2_000).filter(|n| n % 89 == 7).collect();
    let records: Vec<_> = (0..2_000)
        .map(|n| {
            let record = Record::new(n.to_string());
            if bad.contains(&n) { record } else { record.key(format!("key-{n}")) }
        })
        .collect();
    check(&stage, &host, &records, &bad, "the broker refused the message");
}
