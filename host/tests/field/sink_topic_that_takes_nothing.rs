//! A sink's topic is deleted, or the right to it taken away, and the task dies or sends everything anew at each
//! restart: <https://github.com/confluentinc/confluent-kafka-python/issues/1787>.

use std::time::Duration;

use crate::eventually::eventually;
use crate::kafka::Record;
use crate::stage::{guest, require_stage};

const PATIENCE: Duration = Duration::from_secs(120);

#[ignore = "slow: librdkafka believes a topic's end only after half a minute"]
#[test]
fn messages_wait_for_a_topic_that_was_deleted_and_come_once() {
    let stage = require_stage!();
    stage.topics(1);
    stage.kafka.create_topic("other", 1, &[]);
    let mut host = stage.host();
    host.start();
    host.submit(guest("identity"), &[]);
    stage.kafka.produce("sensors", &[Record::new("before")]);
    stage.wait_until_done("identity");
    stage.kafka.delete_topic("alerts");
    let records: Vec<_> = (0..50).map(|n| Record::new(n.to_string()).key("k")).collect();
    stage.kafka.produce("sensors", &records);
    let told = eventually(PATIENCE, "it is told", || {
        let view = host.show("identity");
        let reason = view["conditions"][0]["reason"].as_str()?.to_owned();
        (view["state"] == "degraded" && reason.contains("takes no message")).then_some(reason)
    });
    assert!(told.contains("topic \"alerts\"") && told.contains("create the topic"), "{told}");
    stage.kafka.create_topic("alerts", 1, &[]);
    stage.wait_until_done("identity");
    let expected: Vec<_> = (0..50).map(|n| n.to_string()).collect();
    assert_eq!(stage.alerts(), expected, "all of them, in order, once");
    eventually(PATIENCE, "it is well", || (host.show("identity")["state"] == "running").then_some(()));
    assert_eq!(stage.kafka.end_offsets("identity.dlq"), [0]);
}
