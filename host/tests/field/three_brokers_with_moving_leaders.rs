//! Messages that are sent while leaders move are lost, or come twice:
//! <https://github.com/confluentinc/confluent-kafka-go/issues/921>,
//! <https://github.com/confluentinc/librdkafka/issues/1487>.

use crate::eventually::eventually;
use crate::kafka::{Kafka, require_kafka};
use crate::load::{check_all_forwarded, check_in_order, under_load};
use crate::pelton::{Host, example};
use crate::readings::{check_all_arrived, readings};
use crate::stage::{RUN, Servers, guest};

/// For a host that goes on: what it reads meanwhile.
const SOME: u64 = 1_000;

/// How many records the job has read so far.
fn read(host: &Host, job: &str) -> u64 {
    host.show(job)["counts"]["records_in"].as_u64().unwrap()
}

#[track_caller]
fn wait_until_it_has_read(host: &Host, job: &str, count: u64) {
    eventually(RUN, "the job has read on", || (read(host, job) >= count).then_some(()));
}

/// Takes away each broker that may be, in order and by a power cut, and calls `look` whenever leaders have moved.
/// (A broker that is back is followed by its preferred leadership within seconds, thus leaders move then, too.)
fn move_leaders(kafka: &Kafka, look: impl Fn()) {
    for (broker, is_killed) in [(1, false), (2, false), (1, true), (2, true)] {
        look();
        if is_killed {
            kafka.kill_broker(broker).unwrap()
        } else {
            kafka.stop_broker(broker).unwrap()
        }
        look();
        kafka.start_broker(broker).unwrap();
        kafka.wait_for_preferred_leaders("sensors");
        kafka.wait_for_preferred_leaders("alerts");
    }
    look();
}

fn servers(kafka: Kafka) -> Servers {
    let servers = Servers::of(kafka);
    for (topic, partitions) in [("sensors", 4), ("alerts", 3)] {
        // A leader that was killed has what was acknowledged nowhere else, otherwise.
        servers.kafka.create_topic(topic, partitions, &[("min.insync.replicas", "2")]);
    }
    servers
}

#[ignore = "slow: two of three brokers go away twice"]
#[test]
fn no_record_is_lost_while_leaders_move() {
    let servers = servers(require_kafka!(three));
    let mut host = servers.host();
    host.start();
    host.submit(guest("identity"), &["--parallelism", "2"]);
    let written = under_load(&servers, 0, || {
        move_leaders(&servers.kafka, || wait_until_it_has_read(&host, "identity", read(&host, "identity") + SOME));
    });
    servers.wait_until_done("identity");
    eprintln!("{} of {written} records came twice", check_all_forwarded(&servers, written));
    check_in_order(&servers);
    assert_eq!(servers.kafka.end_offsets("identity.dlq"), [0]);
    eventually(RUN, "it is well", || (host.show("identity")["state"] == "running").then_some(()));
}

#[ignore = "slow: two of three brokers go away twice"]
#[test]
fn rows_and_alerts_are_complete_when_leaders_have_moved() {
    let servers = servers(require_kafka!(three));
    servers.sql(include_str!("../../../docs/compose/raw_sensors_data.sql"));
    let mut host = servers.host();
    host.start();
    host.submit(example("sensor_pipeline"), &["--parallelism", "2"]);
    let written = std::cell::Cell::new(0);
    move_leaders(&servers.kafka, || {
        let first = written.get();
        written.set(first + 4_000);
        let before = read(&host, "sensor_pipeline");
        servers.kafka.produce("sensors", &readings(first..first + 4_000));
        wait_until_it_has_read(&host, "sensor_pipeline", before + SOME);
    });
    servers.wait_until_done("sensor_pipeline");
    eprintln!("{} alerts came twice", check_all_arrived(&servers, written.get()));
    assert_eq!(servers.kafka.end_offsets("sensor_pipeline.dlq"), [0]);
    eventually(RUN, "it is well", || (host.show("sensor_pipeline")["state"] == "running").then_some(()));
}
