//! A host that dies and comes back has its partitions at once; one that ends in good order leaves them to others.

use std::fs;
use std::time::{Duration, Instant};

use crate::eventually::eventually;
use crate::kafka::Record;
use crate::lifecycle::done;
use crate::load::{check_all_forwarded, under_load};
use crate::pelton::Host;
use crate::stage::{CONSUMER_PROTOCOL, RUN, Stage, guest, require_stage};

const JOB: &str = "identity";

/// A session that is much longer than anything here takes.
const SESSION: Duration = Duration::from_secs(60);
const SETTINGS: &str = r#"
[delivery]
commit_interval = "200ms"
drain_timeout = "5s"
[kafka.consumer]
"session.timeout.ms" = "60000"
"heartbeat.interval.ms" = "500"
"#;

fn host(stage: &Stage) -> Host {
    Host::new(&stage.kafka.bootstrap(), &stage.postgres.url()).config(SETTINGS)
}

fn produce(stage: &Stage, numbers: std::ops::Range<usize>) {
    let record = |i: usize| Record::new(i.to_string()).partition((i % 4) as i32);
    stage.kafka.produce("sensors", &numbers.map(record).collect::<Vec<_>>());
}

#[track_caller]
fn wait_for_partitions(host: &Host, count: usize) {
    eventually(RUN, &format!("a host has {count} partitions"), || {
        (host.show(JOB)["partitions"].as_array()?.len() == count).then_some(())
    });
}

/// What the job says of its group.
fn told(host: &Host) -> Option<String> {
    let view = host.show(JOB);
    let conditions = view["conditions"].as_array()?;
    let of_group = conditions.iter().find(|condition| condition["part"] == "kafka group")?;
    Some(of_group["reason"].as_str()?.to_owned())
}

#[test]
fn after_a_kill_records_flow_long_before_the_session_is_over() {
    let stage = require_stage!();
    stage.topics(4);
    let mut host = host(&stage);
    host.start();
    host.submit(guest(JOB), &[]);
    produce(&stage, 0..400);
    stage.wait_until_done(JOB);
    for round in 1..3 {
        host.kill9();
        produce(&stage, round * 400..(round + 1) * 400);
        let began = Instant::now();
        host.start();
        stage.wait_until_done(JOB);
        let took = began.elapsed();
        eprintln!("back at work {:.1} s after the start", took.as_secs_f64());
        assert!(took < SESSION / 2, "it has waited for {took:?} of a session of {SESSION:?}");
    }
    // What came back so sees new partitions, too.
    stage.kafka.add_partitions("sensors", 6);
    let new: Vec<_> = (1200..1206).map(|i| Record::new(i.to_string()).partition(i % 6)).collect();
    stage.kafka.produce("sensors", &new);
    wait_for_partitions(&host, 6);
    stage.wait_until_done(JOB);
    check_all_forwarded(&stage, 1206);
}

/// A group gives a member that it knows what that had, so what was added meanwhile would be nobody's.
#[test]
fn partitions_that_came_while_a_host_was_dead_are_read() {
    let stage = require_stage!();
    stage.topics(4);
    let mut host = host(&stage);
    host.start();
    host.submit(guest(JOB), &[]);
    produce(&stage, 0..400);
    stage.wait_until_done(JOB);
    host.kill9();
    stage.kafka.add_partitions("sensors", 6);
    let began = Instant::now();
    host.start();
    let new: Vec<_> = (400..1000).map(|i| Record::new(i.to_string()).partition(i % 6)).collect();
    stage.kafka.produce("sensors", &new);
    stage.wait_until_done(JOB);
    let took = began.elapsed();
    assert!(took < SESSION / 2, "it has waited for {took:?} of a session of {SESSION:?}");
    wait_for_partitions(&host, 6);
    check_all_forwarded(&stage, 1000);
}

#[test]
fn a_stop_or_a_cancel_leaves_the_partitions_to_others_at_once() {
    let stage = require_stage!();
    stage.topics(4);
    let (mut one, mut other) = (host(&stage), host(&stage));
    one.start();
    other.start();
    one.submit(guest(JOB), &[]);
    let written = under_load(&stage, 0, || {
        wait_for_partitions(&one, 4);
        let join = |host: &Host| {
            let said = host.cli(&["submit".into(), guest(JOB).into_os_string()]);
            assert_eq!(said.code, 0, "{}", said.stderr);
        };
        join(&other);
        wait_for_partitions(&other, 2);
        let began = Instant::now();
        assert_eq!(one.sigterm(RUN), 0);
        wait_for_partitions(&other, 4);
        let took = began.elapsed();
        assert!(took < SESSION / 2, "taken over from one that has stopped after {took:?}");
        one.start();
        wait_for_partitions(&one, 2);
        let began = Instant::now();
        done(&other, &["cancel", JOB]);
        wait_for_partitions(&one, 4);
        let took = began.elapsed();
        assert!(took < SESSION / 2, "taken over from one that was cancelled after {took:?}");
    });
    stage.wait_until_done(JOB);
    assert_eq!(check_all_forwarded(&stage, written), 0, "nothing is repeated");
}

/// A host that comes back without an id of its own waits, and says for what and how long.
fn a_wait_is_told(stage: &Stage, mut host: Host, setting: &str) {
    stage.topics(4);
    host.start();
    host.submit(guest(JOB), &[]);
    produce(stage, 0..400);
    stage.wait_until_done(JOB);
    host.kill9();
    host.start();
    produce(stage, 400..800);
    let reason = eventually(RUN, "it says that it waits", || told(&host));
    assert!(reason.starts_with("waits for its partitions: group \"pelton-identity\""), "{reason}");
    assert!(reason.contains("until at most ") && reason.contains(setting), "{reason}");
    let view = host.show(JOB);
    if told(&host).is_some() {
        assert_eq!(view["state"], "starting", "{view:#}");
    }
    let (status, ready) = host.get("/readyz");
    let ready = ready.as_str().unwrap_or_default().to_owned();
    assert!(status == 200 && told(&host).is_none() || ready.contains("waits for its partitions"), "{ready}");
    eventually(RUN, "it is well", || (host.show(JOB)["state"] == "running" && told(&host).is_none()).then_some(()));
    stage.wait_until_done(JOB);
    check_all_forwarded(stage, 800);
    host.wait_until_ready();
}

#[test]
fn who_has_to_wait_for_partitions_says_so() {
    let stage = require_stage!();
    let host = stage.host().env("PELTON_KAFKA__STATIC_MEMBERS", "false");
    a_wait_is_told(&stage, host, "(session.timeout.ms, 6s)");
}

#[test]
fn who_has_to_wait_by_the_consumer_protocol_says_so() {
    let stage = require_stage!();
    let host = Host::new(&stage.kafka.bootstrap(), &stage.postgres.url()).config(CONSUMER_PROTOCOL);
    a_wait_is_told(&stage, host, "(group.consumer.session.timeout.ms of the brokers, 6s)");
}

#[test]
fn two_hosts_with_one_id_tell_and_both_work() {
    let stage = require_stage!();
    stage.topics(4);
    let (mut one, mut copy) = (host(&stage), host(&stage));
    one.start();
    one.submit(guest(JOB), &[]);
    let written = under_load(&stage, 0, || {
        wait_for_partitions(&one, 4);
        fs::create_dir_all(copy.data()).unwrap();
        fs::copy(one.data().join("host-id"), copy.data().join("host-id")).unwrap();
        copy.start();
        let said = copy.cli(&["submit".into(), guest(JOB).into_os_string()]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        eventually(RUN, "who has lost its place says so", || {
            let told = |host: &Host| host.show(JOB)["conditions"].to_string();
            let is_told = |told: String| {
                told.contains("another process has taken this host's place in group") && told.contains("host-id")
            };
            (is_told(told(&one)) || is_told(told(&copy))).then_some(())
        });
        wait_for_partitions(&one, 2);
        wait_for_partitions(&copy, 2);
        let read = |host: &Host| host.show(JOB)["counts"]["records_in"].as_u64().unwrap();
        let before = [read(&one), read(&copy)];
        eventually(RUN, "both read on", || {
            (read(&one) > before[0] + 100 && read(&copy) > before[1] + 100).then_some(())
        });
    });
    stage.wait_until_done(JOB);
    check_all_forwarded(&stage, written);
    // Who it is depends on who came first; the other one keeps its place.
    let ends = [&one, &copy].map(|host| host.log().matches("goes on as another member").count());
    assert_eq!(ends.iter().filter(|count| **count > 0).count(), 1, "{ends:?}");
}
