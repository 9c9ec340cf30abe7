//! Idle jobs that give up their place in their groups: the next record wakes them, and nothing is lost or repeated.

use std::collections::BTreeMap;

use crate::eventually::eventually;
use crate::kafka::Record;
use crate::lifecycle::done;
use crate::pelton::Host;
use crate::stage::{RUN, Servers, Stage, guest, require_stage};

const JOBS: [&str; 3] = ["one", "two", "three"];

/// A host that runs the jobs, where so many may stay awake though they are idle.
fn host(stage: &Stage, keep: usize) -> Host {
    let host = stage.host().env("PELTON_KAFKA__IDLE_AFTER", "1s").env("PELTON_KAFKA__IDLE_MEMBERS", keep.to_string());
    // A commit is due before a job can be idle.
    let mut host = host.env("PELTON_DELIVERY__COMMIT_INTERVAL", "100ms");
    host.start();
    for job in JOBS {
        host.submit(guest("identity"), &["--name", job]);
    }
    host
}

/// Whether a job says that it sleeps, which is a kind of running.
fn sleeps(host: &Host, job: &str) -> bool {
    let view = host.show(job);
    let mut conditions = view["conditions"].as_array().unwrap().iter();
    let sleeps = conditions.any(|condition| condition["reason"].as_str().unwrap().starts_with("sleeps"));
    assert!(!sleeps || view["state"] == "running", "{view:#}");
    sleeps
}

#[track_caller]
fn wait_until_so_many_sleep(host: &Host, count: usize) {
    eventually(RUN, &format!("{count} jobs sleep"), || {
        (JOBS.iter().filter(|job| sleeps(host, job)).count() == count).then_some(())
    });
}

/// Checks that each job has forwarded each of the records once.
#[track_caller]
fn check_forwarded(servers: &Servers, count: usize) {
    let mut found: BTreeMap<usize, usize> = BTreeMap::new();
    for alert in servers.alerts() {
        *found.entry(alert.parse().unwrap()).or_default() += 1;
    }
    assert_eq!(found, (0..count).map(|number| (number, JOBS.len())).collect());
}

fn produce(servers: &Servers, numbers: std::ops::Range<usize>, partitions: usize) {
    let record = |i: usize| Record::new(i.to_string()).partition((i % partitions) as i32);
    servers.kafka.produce("sensors", &numbers.map(record).collect::<Vec<_>>());
}

#[test]
fn idle_jobs_sleep_and_the_next_record_wakes_them() {
    let stage = require_stage!();
    stage.topics(4);
    let host = host(&stage, 1);
    let mut written = 0;
    for round in 0..4 {
        wait_until_so_many_sleep(&host, 2);
        let asleep: Vec<_> = JOBS.into_iter().filter(|job| sleeps(&host, job)).collect();
        let view = host.show(asleep[0]);
        assert_eq!((&view["lag"], view["partitions"].as_array().unwrap().len()), (&0.into(), 4), "it says where it is");
        // One record in one partition, or many in all.
        let more = if round % 2 == 0 { 1 } else { 400 };
        produce(&stage, written..written + more, 4);
        written += more;
        JOBS.iter().for_each(|job| stage.wait_until_done(job));
    }
    check_forwarded(&stage, written);
}

#[test]
fn all_that_is_done_with_a_job_is_done_with_one_that_sleeps() {
    let stage = require_stage!();
    stage.topics(2);
    let mut host = host(&stage, 0);
    wait_until_so_many_sleep(&host, 3);
    done(&host, &["pause", "one"]);
    assert_eq!(host.show("one")["state"], "paused");
    done(&host, &["scale", "two", "2"]);
    done(&host, &["reload", "three", guest("identity").to_str().unwrap()]);
    produce(&stage, 0..100, 2);
    stage.wait_until_done("two");
    stage.wait_until_done("three");
    done(&host, &["resume", "one"]);
    stage.wait_until_done("one");
    wait_until_so_many_sleep(&host, 3);
    check_forwarded(&stage, 100);

    // New partitions wake who reads their topic, all of which belongs to the job.
    stage.kafka.add_partitions("sensors", 3);
    produce(&stage, 100..200, 3);
    JOBS.iter().for_each(|job| stage.wait_until_done(job));
    check_forwarded(&stage, 200);

    // Records that come while the host is stopped, and a stop while all sleep.
    wait_until_so_many_sleep(&host, 3);
    assert_eq!(host.sigterm(RUN), 0);
    produce(&stage, 200..300, 3);
    host.start();
    JOBS.iter().for_each(|job| stage.wait_until_done(job));
    check_forwarded(&stage, 300);
    wait_until_so_many_sleep(&host, 3);
    done(&host, &["cancel", "three"]);
    assert_eq!(host.cli(&["show", "three"]).code, 1);
}

#[test]
fn sleeping_jobs_outlive_the_broker() {
    let mut stage = require_stage!().with_new_kafka();
    stage.topics(4);
    let host = host(&stage, 0);
    wait_until_so_many_sleep(&host, 3);
    stage.kafka.stop().unwrap();
    eventually(RUN, "it is told", || (host.get("/readyz").0 == 503).then_some(()));
    stage.kafka.start_again().unwrap();
    produce(&stage, 0..400, 4);
    JOBS.iter().for_each(|job| stage.wait_until_done(job));
    eventually(RUN, "they sleep again", || {
        let all_run = JOBS.iter().all(|job| host.show(job)["state"] == "running");
        (all_run && JOBS.iter().all(|job| sleeps(&host, job))).then_some(())
    });
    check_forwarded(&stage, 400);
}
