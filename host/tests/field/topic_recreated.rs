//! A topic is deleted and created anew, and the consumer goes on at its old offset in the new one:
//! <https://github.com/confluentinc/librdkafka/issues/3255>.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::eventually::eventually;
use crate::kafka::Record;
use crate::pelton::Host;
use crate::stage::{RUN, Servers, guest, require_stage};

const STOP: Duration = Duration::from_secs(30);

fn records(name: &str, count: usize) -> Vec<Record> {
    (0..count).map(|n| Record::new(format!("{name} {n}")).key("k")).collect()
}

fn texts(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{name} {n}")).collect()
}

/// What the group of the job has committed of the one partition of `sensors`: offset and metadata.
fn committed(stage: &Servers) -> (Offset, String) {
    let list = group(stage).committed_offsets(sensors(Offset::Invalid, ""), STOP).unwrap();
    let element = list.find_partition("sensors", 0).unwrap();
    (element.offset(), element.metadata().to_owned())
}

fn group(stage: &Servers) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", stage.kafka.bootstrap()).set("group.id", "pelton-identity").create().unwrap()
}

fn sensors(offset: Offset, metadata: &str) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition("sensors", 0);
    let mut element = list.find_partition("sensors", 0).unwrap();
    element.set_offset(offset).unwrap();
    element.set_metadata(metadata);
    list
}

#[test]
fn what_a_new_topic_has_before_an_old_offset_is_read_and_told() {
    let stage = require_stage!();
    stage.topics(1);
    let mut host = stage.host();
    host.start();
    host.submit(guest("identity"), &[]);
    stage.kafka.produce("sensors", &records("old", 5));
    stage.wait_until_done("identity");
    let (offset, metadata) = committed(&stage);
    assert!(offset == Offset::Offset(5) && metadata.starts_with("topic-id="), "{offset:?} {metadata}");
    assert_eq!(host.sigterm(STOP), 0);
    stage.kafka.delete_topic("sensors");
    stage.kafka.create_topic("sensors", 1, &[]);
    stage.kafka.produce("sensors", &records("new", 9));
    // As it is where the broker's coordinator was away when the topic was deleted, or a last commit came late.
    group(&stage).commit(&sensors(offset, &metadata), CommitMode::Sync).unwrap();
    host.start();
    stage.wait_until_done("identity");
    assert_eq!(stage.alerts(), [texts("old", 5), texts("new", 9)].concat());
    assert_ne!(committed(&stage).1, metadata);
    let notices = host.show("identity")["conditions"].to_string();
    assert!(notices.contains("was deleted and created anew") && notices.contains("sensors"), "{notices}");
    assert_eq!(host.metric("pelton_records_expired_total", &[]).unwrap_or(0.0), 0.0);
    // Once that is told, nothing of it is left: it goes on where it is.
    assert_eq!(host.sigterm(STOP), 0);
    host.start();
    stage.kafka.produce("sensors", &records("last", 1));
    stage.wait_until_done("identity");
    assert_eq!(stage.alerts().len(), 15);
}

#[test]
fn a_submit_decides_what_is_read_of_a_new_topic() {
    let stage = require_stage!();
    stage.topics(1);
    stage.kafka.produce("sensors", &records("old", 5));
    let bogus = "topic-id=bbbbbbbbbbbbbbbbbbbbbw";
    eventually(STOP, "the group takes an offset", || {
        group(&stage).commit(&sensors(Offset::Offset(3), bogus), CommitMode::Sync).ok()
    });
    let mut host = stage.host();
    host.start();
    // The default of a submit is latest, and the group's offset is of another topic.
    let said = host.cli(&["submit".into(), guest("identity").into_os_string()]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert_eq!(committed(&stage).0, Offset::Offset(5));
    stage.kafka.produce("sensors", &records("new", 1));
    stage.wait_until_done("identity");
    assert_eq!(stage.alerts(), texts("new", 1));
}

/// A job that has read all of `old` when its topic is created anew, and in the end all of `new`.
fn job_on_a_topic_made_anew(stage: &Servers, old: usize, partitions: i32, new: usize) -> Host {
    stage.topics(1);
    let mut host = stage.host();
    host.start();
    host.submit(guest("identity"), &[]);
    stage.kafka.produce("sensors", &records("old", old));
    stage.wait_until_done("identity");
    stage.kafka.delete_topic("sensors");
    stage.kafka.create_topic("sensors", partitions, &[]);
    // Nothing comes after them that would have the consumer look.
    let keyed: Vec<_> = (0..new).map(|n| Record::new(format!("new {n}")).key(n.to_string())).collect();
    stage.kafka.produce("sensors", &keyed);
    eventually(RUN, "all of the new topic is there", || {
        let alerts: BTreeSet<_> = stage.alerts().into_iter().collect();
        texts("new", new).iter().all(|text| alerts.contains(text)).then_some(())
    });
    host
}

#[ignore = "slow: it is looked every 20 s whether a topic is another one"]
#[test]
fn a_topic_that_is_made_anew_while_it_is_read_loses_nothing() {
    let stage = require_stage!();
    let host = job_on_a_topic_made_anew(&stage, 5, 1, 20);
    eventually(RUN, "it runs", || (host.show("identity")["state"] == "running").then_some(()));
}

#[ignore = "slow: it is looked every 20 s whether a topic is another one"]
#[test]
fn the_lag_of_a_topic_that_is_made_anew_with_more_partitions_comes_to_0() {
    let stage = require_stage!();
    let host = job_on_a_topic_made_anew(&stage, 50, 3, 900);
    assert!(texts("old", 50).iter().all(|text| stage.alerts().contains(text)));
    let lag = || host.metric("pelton_lag_records", &[("job", "identity")]);
    eventually(RUN, "nothing is left", || (lag() == Some(0.0)).then_some(()));
}
