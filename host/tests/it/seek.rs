//! Where jobs start and are moved to: times and offsets by Kafka's own reckoning, and a group that others are in.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::kafka::Record;
use crate::lifecycle::done;
use crate::pelton::Host;
use crate::stage::{CONSUMER_PROTOCOL, RUN, Servers, committed, guest, require_stage};

const JOB: &str = "identity";

/// So many minutes ago.
fn ago(minutes: u64) -> DateTime<Utc> {
    (SystemTime::now() - Duration::from_secs(minutes * 60)).into()
}

/// Three records in each of two partitions: of three hours, an hour and a minute ago.
fn produce(servers: &Servers) {
    let record = |partition, minutes| {
        let record = Record::new(format!("{partition}, {minutes} minutes ago"));
        record.partition(partition).timestamp(ago(minutes).timestamp_millis())
    };
    let all: Vec<_> = [180, 60, 1].iter().flat_map(|minutes| [record(0, *minutes), record(1, *minutes)]).collect();
    servers.kafka.produce("sensors", &all);
}

/// Submits the job, as it is told and no further.
#[track_caller]
fn submit(host: &Host, flags: &[&str]) {
    let mut arguments = vec!["submit".into(), guest(JOB).into_os_string()];
    arguments.extend(flags.iter().map(Into::into));
    let said = host.cli(&arguments);
    assert_eq!(said.code, 0, "{}", said.stderr);
}

/// Waits until a job has nothing left, and says how much it has read.
#[track_caller]
fn read(host: &Host, job: &str) -> u64 {
    eventually(RUN, &format!("{job} has read everything"), || {
        let view = host.show(job);
        (view["lag"] == 0 && view["partitions"].as_array()?.len() == 2).then_some(())
    });
    host.show(job)["counts"]["records_in"].as_u64().unwrap()
}

/// What a seek says of each partition: which, where it was, where it is.
fn moved(said: &Value) -> Vec<(i64, Option<i64>, i64)> {
    let number = |value: &Value| value.as_i64();
    let partitions = said["partitions"].as_array().unwrap().iter();
    partitions.map(|p| (number(&p["partition"]).unwrap(), number(&p["before"]), number(&p["after"]).unwrap())).collect()
}

#[test]
fn a_job_starts_at_a_time_or_at_offsets() {
    let stage = require_stage!();
    stage.topics(2);
    produce(&stage);
    let mut host = stage.host();
    host.start();
    let half_an_hour_ago = ago(30).format("%Y-%m-%dT%H:%MZ").to_string();
    let in_another_zone = ago(30).with_timezone(&chrono::FixedOffset::east_opt(19_800).unwrap());
    for (name, from, reads) in [
        ("two_hours", "-2h", 4),
        ("to_the_minute", &*half_an_hour_ago, 2),
        ("another_zone", &*in_another_zone.to_rfc3339_opts(SecondsFormat::Millis, true), 2),
        ("before_all", "2020-01-01T00:00Z", 6),
        // After the last record is the end.
        ("after_all", "2100-01-01T00:00:00Z", 0),
        // The other partition from its beginning.
        ("offset", "sensors/0=2", 4),
        ("offsets", "sensors/0=1,sensors/1=3", 2),
    ] {
        submit(&host, &["--name", name, "--from", from]);
        assert_eq!(read(&host, name), reads, "{name}");
    }
    // The whole of it is told, nothing runs, and the group has no offset.
    for (from, why) in [
        ("sensors/0=4,sensors/1=9", "sensors/0 has the offsets 0 to 2, and the next is 3: it can't start at 4"),
        ("sensors/0=4,sensors/1=9", "sensors/1 has the offsets 0 to 2, and the next is 3: it can't start at 9"),
        ("sensors/2=0", "sensors has 2 partitions, 0 to 1, and no 2"),
        ("alerts/0=0", "the job reads sensors, not alerts"),
        ("-2 hours ago", "\"-2 hours ago\" is no place to start from: after the sign a duration is expected"),
    ] {
        let mut arguments = vec!["submit".into(), guest(JOB).into_os_string()];
        arguments.extend(["--name", "refused", "--from", from].map(Into::into));
        let said = host.cli(&arguments);
        assert_ne!(said.code, 0, "{from}: {}", said.stdout);
        assert!(said.stderr.contains(why), "{from}: {}", said.stderr);
    }
    assert_eq!(host.get("/api/v1/jobs/refused").0, 404);
    assert_eq!(committed(&stage.watch("refused")), [0, 0]);
    // A later submit goes on from the offsets that there are.
    stage.kafka.produce("sensors", &[Record::new("new").partition(0), Record::new("new").partition(1)]);
    assert_eq!(read(&host, "after_all"), 2);
    host.cli(&["cancel", "after_all"]);
    submit(&host, &["--name", "after_all", "--from", "sensors/1=0"]);
    assert_eq!(read(&host, "after_all"), 4, "one partition goes on, the other starts over");
}

#[test]
fn a_held_job_shows_its_lag_and_is_moved() {
    let stage = require_stage!();
    stage.topics(2);
    produce(&stage);
    let mut host = stage.host();
    host.start();
    submit(&host, &["--from", "earliest"]);
    assert_eq!(read(&host, JOB), 6);
    let group = stage.watch(JOB);
    eventually(RUN, "all is committed", || (committed(&group) == [3, 3]).then_some(()));
    let said = host.cli(&["seek", JOB, "--from", "earliest"]);
    assert_eq!(said.code, 1);
    let words =
        "identity is not moved: it is not paused, and commits its own offsets\nhold it first (`pelton pause identity`)";
    assert!(said.stderr.contains(words), "{}", said.stderr);

    done(&host, &["pause", JOB]);
    stage.kafka.produce("sensors", &[Record::new("new").partition(0), Record::new("new").partition(1)]);
    let lag = |host: &Host, lag: u64| {
        eventually(RUN, &format!("its lag is {lag}"), || (host.show(JOB)["lag"] == lag).then_some(()));
    };
    lag(&host, 2);
    host.kill9();
    host.start();
    lag(&host, 2);
    let text = host.cli(&["show", JOB]).stdout;
    assert!(text.contains("paused") && text.contains("sensors/1: committed 3 of 4"), "{text}");

    let said = host.cli(&["seek", JOB, "--from", "sensors/0=1"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let cells: Vec<Vec<_>> = said.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(cells, [["PARTITION", "BEFORE", "NOW"], ["sensors/0", "3", "1"]]);
    assert!(said.stderr.contains("goes on from there with `pelton resume identity`"), "{}", said.stderr);
    assert_eq!(committed(&group), [1, 3]);
    assert_eq!(host.show(JOB)["lag"], 4, "it is seen at once");
    assert_eq!(moved(&done(&host, &["seek", JOB, "--from", "-2h"])), [(0, Some(1), 1), (1, Some(3), 1)]);
    // What is refused moves nothing.
    let (status, refused) = host.post("/api/v1/jobs/identity/seek", &json!({"from": "sensors/0=0,sensors/1=5"}));
    assert_eq!((status, &refused["code"]), (422, &json!("no-such-offset")), "{refused}");
    let (status, refused) = host.post("/api/v1/jobs/identity/seek", &json!({"from": "yesterday"}));
    assert_eq!((status, &refused["code"]), (400, &json!("bad-request")), "{refused}");
    assert_eq!(committed(&group), [1, 1]);

    done(&host, &["resume", JOB]);
    assert_eq!(read(&host, JOB), 6, "three of each, since the host has started");
    let view = host.show(JOB);
    let last = &view["history"].as_array().unwrap().iter().rev().take(3).map(|entry| &entry["why"]).collect::<Vec<_>>();
    assert_eq!(last[0], "resume");
    assert!(last[1].as_str().unwrap().starts_with("seek 20"), "{last:?}");
    assert_eq!(last[2], "seek sensors/0=1");
}

/// Two hosts run a job in one group: it is moved only when both hold it.
fn with_two_hosts(servers: &Servers, host: impl Fn() -> Host) {
    servers.topics(2);
    produce(servers);
    let (mut one, mut other) = (host(), host());
    for host in [&mut one, &mut other] {
        host.start();
        submit(host, &[]);
    }
    let group = servers.watch(JOB);
    let has_one = |host: &Host| host.show(JOB)["partitions"].as_array().unwrap().len() == 1;
    eventually(RUN, "they share the partitions", || (has_one(&one) && has_one(&other)).then_some(()));
    done(&one, &["pause", JOB]);
    servers.kafka.produce("sensors", &[Record::new("new").partition(0), Record::new("new").partition(1)]);
    // The other has it all by now, and is seen from here.
    eventually(RUN, "the other commits", || (committed(&group) == [4, 4]).then_some(()));
    eventually(RUN, "the group is seen", || (one.show(JOB)["lag"] == 0).then_some(()));
    let (status, refused) = one.post("/api/v1/jobs/identity/seek", &json!({"from": "earliest"}));
    assert_eq!((status, &refused["code"]), (409, &json!("group-in-use")), "{refused}");
    assert_eq!(refused["fix"], "pause the job on every host that runs it in this group, and seek again");
    assert_eq!(committed(&group), [4, 4]);
    done(&other, &["pause", JOB]);
    assert_eq!(moved(&done(&one, &["seek", JOB, "--from", "earliest"])), [(0, Some(4), 0), (1, Some(4), 0)]);
    eventually(RUN, "the other sees it", || (other.show(JOB)["lag"] == 8).then_some(()));
    done(&other, &["resume", JOB]);
    servers.wait_until_done(JOB);
    assert_eq!(servers.alerts().len(), 2 + 8);
}

#[test]
fn a_job_of_two_hosts_is_moved_when_both_hold_it() {
    let stage = require_stage!();
    with_two_hosts(&stage, || stage.host());
}

#[test]
fn a_job_of_two_hosts_is_moved_when_both_hold_it_by_the_consumer_protocol() {
    let stage = require_stage!();
    let host = || Host::new(&stage.kafka.bootstrap(), &stage.postgres.url()).config(CONSUMER_PROTOCOL);
    with_two_hosts(&stage, host);
}
