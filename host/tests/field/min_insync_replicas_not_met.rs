//! Fewer replicas are in sync than a sink's topic wants, and its messages fail, or are tried again without a word:
//! <https://github.com/confluentinc/librdkafka/issues/1421>, <https://github.com/edenhill/kcat/issues/184>.

use std::time::{Duration, Instant};

use crate::eventually::eventually;
use crate::kafka::{Record, require_kafka};
use crate::stage::{RUN, Servers, committed, guest};

/// Longer than the session of a group's member.
const LONG: Duration = Duration::from_secs(8);

fn records(from: usize) -> Vec<Record> {
    (from..from + 500).map(|n| Record::new(n.to_string()).key("k")).collect()
}

#[ignore = "slow: two of three brokers go away"]
#[test]
fn messages_wait_for_replicas_and_why_is_told() {
    let servers = Servers::of(require_kafka!(three));
    servers.kafka.create_topic("sensors", 1, &[]);
    servers.kafka.create_topic("alerts", 1, &[("min.insync.replicas", "2")]);
    let mut host = servers.host();
    host.start();
    host.submit(guest("identity"), &[]);
    servers.kafka.produce("sensors", &records(0));
    servers.wait_until_done("identity");
    // One may be away.
    servers.kafka.stop_broker(1).unwrap();
    servers.kafka.produce("sensors", &records(500));
    servers.wait_until_done("identity");

    servers.kafka.stop_broker(2).unwrap();
    servers.kafka.produce("sensors", &records(1_000));
    let told = eventually(RUN, "it is told", || {
        let view = host.show("identity");
        let reason = view["conditions"][0]["reason"].as_str()?.to_owned();
        (view["state"] == "degraded" && reason.contains("takes no message")).then_some(reason)
    });
    assert!(told.contains("topic \"alerts\"") && told.contains("min.insync.replicas"), "{told}");
    let group = servers.watch("identity");
    let since = Instant::now();
    eventually(RUN, "the time is over", || {
        assert_eq!(host.show("identity")["state"], "degraded");
        assert_eq!(committed(&group), [1_000], "what is not written is not committed");
        (since.elapsed() >= LONG).then_some(())
    });
    assert_eq!(servers.kafka.end_offsets("identity.dlq"), [0]);

    servers.kafka.start_broker(1).unwrap();
    servers.kafka.start_broker(2).unwrap();
    servers.wait_until_done("identity");
    let expected: Vec<_> = (0..1_500).map(|n| n.to_string()).collect();
    assert!(servers.alerts() == expected, "all of them, in order, once");
    assert_eq!(servers.kafka.end_offsets("identity.dlq"), [0]);
    eventually(RUN, "it is well", || (host.show("identity")["state"] == "running").then_some(()));
}
