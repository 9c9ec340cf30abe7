//! Where the broker sets the time of records, a consumer sees none, or the producer's:
//! <https://github.com/confluentinc/confluent-kafka-python/issues/835>,
//! <https://github.com/zendesk/ruby-kafka/pull/706>.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::kafka::Record;
use crate::stage::{Stage, guest, require_stage};

const BY_BROKER: [(&str, &str); 1] = [("message.timestamp.type", "LogAppendTime")];
/// In 2001.
const PRODUCERS: i64 = 1_000_000_000_000;
const RECORDS: usize = 1_000;

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// Forwards records from one topic to another; returns their times there and here, by number.
fn forward(stage: &Stage, source: &[(&str, &str)], sink: &[(&str, &str)]) -> Vec<(i64, i64)> {
    stage.kafka.create_topic("sensors", 1, source);
    stage.kafka.create_topic("alerts", 1, sink);
    let mut host = stage.host();
    host.start();
    host.submit(guest("identity"), &[]);
    for first in (0..RECORDS).step_by(250) {
        let records: Vec<_> =
            (first..first + 250).map(|n| Record::new(n.to_string()).key("k").timestamp(PRODUCERS + n as i64)).collect();
        stage.kafka.produce("sensors", &records);
        stage.wait_until_done("identity");
    }
    let expected: Vec<_> = (0..RECORDS).map(|n| n.to_string()).collect();
    assert_eq!(stage.alerts(), expected);
    assert_eq!(stage.kafka.end_offsets("identity.dlq"), [0]);
    let times = |topic| stage.kafka.read_all(topic).into_iter().map(|record| record.timestamp);
    times("sensors").zip(times("alerts")).collect()
}

#[test]
fn the_brokers_time_of_a_source_is_the_time_of_the_output() {
    let stage = require_stage!();
    let began = now();
    let times = forward(&stage, &BY_BROKER, &[]);
    for (there, here) in times {
        assert!(there == here && (began..=now()).contains(&here), "{there} {here}");
    }
}

#[test]
fn a_sink_may_have_times_of_its_own() {
    let stage = require_stage!();
    let began = now();
    let times = forward(&stage, &[], &BY_BROKER);
    for (n, (there, here)) in times.into_iter().enumerate() {
        assert!(there == PRODUCERS + n as i64 && (began..=now()).contains(&here), "{there} {here}");
    }
}

#[test]
fn both_may_have_times_of_the_broker() {
    let stage = require_stage!();
    let began = now();
    let times = forward(&stage, &BY_BROKER, &BY_BROKER);
    for (there, here) in times {
        assert!(began <= there && there <= here && here <= now(), "{there} {here}");
    }
}
