//! A version that reads another topic takes over while the job runs: the new topic from its latest records on, also
//! where the group has members, which take offsets from nobody else.

use std::fs;
use std::path::PathBuf;

use crate::eventually::eventually;
use crate::kafka::Record;
use crate::lifecycle::done;
use crate::pelton::Host;
use crate::stage::{CONSUMER_PROTOCOL, RUN, Stage, guest, require_stage};

const JOB: &str = "identity";
/// Of as many letters as the other, so that it can stand in its place.
const OTHER: &str = "another";

/// The same job on another topic.
fn on_another_topic(folder: &tempfile::TempDir) -> PathBuf {
    let (from, to) = (b"sensors", OTHER.as_bytes());
    let mut bytes = fs::read(guest(JOB)).unwrap();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|window| window == from) {
        bytes[at + found..at + found + from.len()].copy_from_slice(to);
        at += found + from.len();
    }
    assert!(at > 0, "the topic is not in the component");
    let file = folder.path().join("another.wasm");
    fs::write(&file, bytes).unwrap();
    file
}

fn records(numbers: std::ops::Range<usize>) -> Vec<Record> {
    numbers.map(|i| Record::new(i.to_string())).collect()
}

/// What was forwarded, in order of the numbers.
fn forwarded(stage: &Stage) -> Vec<usize> {
    let mut found: Vec<usize> = stage.alerts().iter().map(|value| value.parse().unwrap()).collect();
    found.sort_unstable();
    found
}

#[track_caller]
fn wait_until_forwarded(stage: &Stage, numbers: impl Iterator<Item = usize>) {
    let wanted: Vec<_> = numbers.collect();
    eventually(RUN, &format!("{} are forwarded", wanted.len()), || (forwarded(stage) == wanted).then_some(()));
}

/// The whole play, on a host that is not started yet.
fn to_another_topic_and_back(stage: &Stage, mut host: Host) {
    stage.topics(2);
    stage.kafka.create_topic(OTHER, 3, &[]);
    stage.kafka.produce(OTHER, &records(1000..1100));
    host.start();
    host.submit(guest(JOB), &[]);
    stage.kafka.produce("sensors", &records(0..100));
    wait_until_forwarded(stage, 0..100);

    let folder = tempfile::tempdir().unwrap();
    let other = on_another_topic(&folder);
    let view = done(&host, &["reload", JOB, other.to_str().unwrap(), "--force"]);
    assert_eq!((&view["version"], &view["spec"]["sources"][0]["topic"]), (&2.into(), &OTHER.into()), "{view:#}");
    // Whatever is written from then on is read, however long the job takes to come up; what was there is not.
    stage.kafka.produce(OTHER, &records(100..200));
    wait_until_forwarded(stage, 0..200);
    let notices = host.show(JOB)["conditions"].to_string();
    assert!(!notices.contains("reload"), "{notices}");

    // Back where it has offsets already.
    stage.kafka.produce("sensors", &records(200..300));
    done(&host, &["rollback", JOB]);
    wait_until_forwarded(stage, 0..300);
    // What was fixed for the new topic outlives the host.
    host.kill9();
    host.start();
    done(&host, &["reload", JOB, other.to_str().unwrap(), "--force"]);
    stage.kafka.produce(OTHER, &records(300..400));
    wait_until_forwarded(stage, 0..400);
}

#[test]
fn a_reload_to_a_topic_that_is_new_to_the_job_works_while_it_runs() {
    let stage = require_stage!();
    to_another_topic_and_back(&stage, stage.host());
}

#[test]
fn a_reload_to_a_new_topic_works_by_the_consumer_protocol() {
    let stage = require_stage!();
    let host = Host::new(&stage.kafka.bootstrap(), &stage.postgres.url()).config(CONSUMER_PROTOCOL);
    to_another_topic_and_back(&stage, host);
}

#[test]
fn a_job_that_is_paused_or_shares_its_group_with_another_host_takes_a_new_topic() {
    let stage = require_stage!();
    stage.topics(2);
    stage.kafka.create_topic(OTHER, 1, &[]);
    stage.kafka.produce(OTHER, &records(1000..1100));
    let (mut one, mut other) = (stage.host(), stage.host());
    one.start();
    other.start();
    one.submit(guest(JOB), &[]);
    let said = other.cli(&["submit".into(), guest(JOB).into_os_string()]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    for host in [&one, &other] {
        eventually(RUN, "both have a partition", || {
            (host.show(JOB)["partitions"].as_array()?.len() == 1).then_some(())
        });
    }
    let folder = tempfile::tempdir().unwrap();
    let file = on_another_topic(&folder);
    done(&one, &["reload", JOB, file.to_str().unwrap(), "--force"]);
    stage.kafka.produce(OTHER, &records(0..50));
    wait_until_forwarded(&stage, 0..50);
    done(&other, &["cancel", JOB]);
    done(&one, &["pause", JOB]);
    done(&one, &["rollback", JOB]);
    stage.kafka.produce("sensors", &records(50..100));
    done(&one, &["resume", JOB]);
    wait_until_forwarded(&stage, 0..100);
}

/// Its group gives a member that comes back after a crash what that had before.
#[test]
fn a_host_that_dies_right_after_a_reload_reads_the_new_topic() {
    let stage = require_stage!();
    stage.topics(2);
    stage.kafka.create_topic(OTHER, 3, &[]);
    let mut host = stage.host();
    host.start();
    host.submit(guest(JOB), &[]);
    stage.kafka.produce("sensors", &records(0..100));
    wait_until_forwarded(&stage, 0..100);
    let folder = tempfile::tempdir().unwrap();
    let other = on_another_topic(&folder);
    done(&host, &["reload", JOB, other.to_str().unwrap(), "--force"]);
    host.kill9();
    // What the version before would have read is not this one's, and no dead letter of it either.
    stage.kafka.produce("sensors", &records(500..600));
    stage.kafka.produce(OTHER, &records(100..200));
    host.start();
    wait_until_forwarded(&stage, 0..200);
    eventually(RUN, "it has the new topic's partitions", || {
        let view = host.show(JOB);
        let partitions = view["partitions"].as_array()?;
        (partitions.len() == 3 && partitions.iter().all(|one| one["topic"] == OTHER)).then_some(())
    });
    assert_eq!(host.show(JOB)["counts"]["dead_letters"], 0);
    assert_eq!(forwarded(&stage), (0..200).collect::<Vec<_>>());
}
