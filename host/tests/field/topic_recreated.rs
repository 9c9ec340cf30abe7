//! A topic is deleted and created anew, and the consumer goes on at its old offset in the new one:
//! <https://github.com/confluentinc/librdkafka/issues/3255>.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

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

#[ignore = "slow: it is looked every 15 s whether the topic of a job that sleeps is another one"]
#[test]
fn a_topic_with_as_many_records_that_is_made_anew_while_its_job_sleeps_is_read() {
    let stage = require_stage!();
    stage.topics(1);
    let sleepy = stage.host().env("PELTON_KAFKA__IDLE_AFTER", "1s").env("PELTON_KAFKA__IDLE_MEMBERS", "0");
    let mut host = sleepy.env("PELTON_DELIVERY__COMMIT_INTERVAL", "100ms");
    host.start();
    host.submit(guest("identity"), &[]);
    stage.kafka.produce("sensors", &records("old", 30));
    stage.wait_until_done("identity");
    let sleeps = || host.show("identity")["conditions"].to_string().contains("sleeps");
    eventually(RUN, "it sleeps", || sleeps().then_some(()));
    stage.kafka.delete_topic("sensors");
    stage.kafka.create_topic("sensors", 1, &[]);
    stage.kafka.produce("sensors", &records("new", 30));
    eventually(RUN, "all of the new topic is there", || (stage.alerts().len() == 60).then_some(()));
    assert_eq!(stage.alerts(), [texts("old", 30), texts("new", 30)].concat());
}

#[ignore = "slow: a broker does not answer in time"]
#[test]
fn an_offset_keeps_the_id_of_its_topic_where_no_broker_tells_it_in_time() {
    /// Longer than a host waits for the ids of topics.
    const ANSWERED: Duration = Duration::from_secs(5);
    /// How often an assignment is met by a broker that does not answer, at most.
    const TRIES: usize = 10;
    let mut stage = require_stage!();
    stage.topics(1);
    let mut host = stage.host();
    host.start();
    host.submit(guest("identity"), &[]);
    stage.kafka.produce("sensors", &records("old", 5));
    stage.wait_until_done("identity");
    let (_, metadata) = committed(&stage);
    let is_met = (0..TRIES).any(|_| {
        let assigned = || host.log().matches("assigned sensors/0").count();
        let before = assigned();
        assert_eq!(host.cli(&["pause", "identity"]).code, 0);
        assert_eq!(host.cli(&["resume", "identity"]).code, 0);
        eventually(RUN, "it is assigned", || (assigned() > before).then_some(()));
        stage.kafka.pause().unwrap();
        let since = Instant::now();
        let is_met = eventually(RUN, "the question has ended", || {
            let is_met = host.log().contains("whether topics were created anew is not known yet");
            (is_met || since.elapsed() > ANSWERED).then_some(is_met)
        });
        stage.kafka.unpause().unwrap();
        is_met
    });
    assert!(is_met, "it was always answered in time");
    stage.kafka.produce("sensors", &records("more", 5));
    stage.wait_until_done("identity");
    assert_eq!(committed(&stage), (Offset::Offset(10), metadata));
}
