//! Jobs of one host that read the same topic: one fetch serves all that are at the same place, and none notices
//! another.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::eventually::eventually;
use crate::kafka::Record;
use crate::lifecycle::done;
use crate::load::under_load;
use crate::pelton::Host;
use crate::stage::{RUN, Servers, guest, require_stage};

/// Whether each partition of a job is read together with others.
fn shared(host: &Host, job: &str) -> Vec<bool> {
    let view = host.show(job);
    let partitions = view["partitions"].as_array().unwrap().iter();
    partitions.map(|partition| partition["shared"].as_bool().unwrap()).collect()
}

#[track_caller]
fn wait_until_shared(host: &Host, job: &str, partitions: usize) {
    eventually(RUN, &format!("{job} shares its fetches"), || {
        (shared(host, job) == vec![true; partitions]).then_some(())
    });
}

/// Checks that each of so many jobs has forwarded the records 0 to `count` once, and those of each of the four
/// partitions in order: when a record comes for the k-th time, the one before it has come as often.
#[track_caller]
fn check_forwarded_by_all(servers: &Servers, count: usize, jobs: usize) {
    let mut found: BTreeMap<usize, usize> = BTreeMap::new();
    for value in servers.alerts() {
        let number: usize = value.trim().parse().unwrap();
        let times = found.entry(number).or_default();
        *times += 1;
        let times = *times;
        if let Some(before) = number.checked_sub(4) {
            assert!(found.get(&before) >= Some(&times), "{number} came for the {times}th time, {before} had not");
        }
    }
    let wrong = (0..count).find(|number| found.get(number) != Some(&jobs));
    assert_eq!(wrong, None, "came {:?} times", wrong.and_then(|number| found.get(&number)));
    assert_eq!(found.len(), count);
}

#[test]
fn jobs_that_share_fetches_each_have_every_record_once() {
    let stage = require_stage!();
    stage.topics(4);
    let mut host = stage.host();
    host.start();
    const JOBS: [&str; 3] = ["one", "two", "three"];
    host.submit(guest("identity"), &["--name", "one"]);
    stage.kafka.produce("sensors", &(0..400).map(|i| Record::new(i.to_string()).partition(i % 4)).collect::<Vec<_>>());
    stage.wait_until_done("one");
    assert_eq!(shared(&host, "one"), [false; 4], "alone it reads by itself");
    // These begin at the oldest record, far from the other.
    host.submit(guest("identity"), &["--name", "two"]);
    host.submit(guest("identity"), &["--name", "three", "--parallelism", "2"]);
    JOBS.iter().for_each(|job| wait_until_shared(&host, job, 4));

    let read_on = |job: &str| {
        let read = || host.show(job)["counts"]["records_in"].as_u64().unwrap();
        let before = read();
        eventually(RUN, &format!("{job} reads on"), || (read() > before).then_some(()));
    };
    let written = under_load(&stage, 400, || {
        for round in 0..3 {
            done(&host, &["pause", "two"]);
            read_on("one");
            done(&host, &["resume", "two"]);
            read_on("two");
            done(&host, &["scale", "three", if round % 2 == 0 { "1" } else { "2" }]);
            read_on("three");
            done(&host, &["cancel", "one"]);
            read_on("two");
            let said = host.cli(&["submit".into(), guest("identity").into_os_string(), "--name".into(), "one".into()]);
            assert_eq!(said.code, 0, "{}", said.stderr);
            read_on("one");
        }
    });
    JOBS.iter().for_each(|job| stage.wait_until_done(job));
    check_forwarded_by_all(&stage, written, JOBS.len());
    JOBS.iter().for_each(|job| wait_until_shared(&host, job, 4));
    // What the consumer can't know while another reads for it.
    eventually(RUN, "the lag is 0", || (host.show("two")["lag"] == 0).then_some(()));

    // Alone again.
    done(&host, &["cancel", "two"]);
    done(&host, &["cancel", "three"]);
    eventually(RUN, "the last one reads by itself", || (shared(&host, "one") == [false; 4]).then_some(()));
}

#[test]
fn partitions_move_between_hosts_whose_jobs_share_fetches() {
    let stage = require_stage!();
    stage.topics(4);
    const JOBS: [&str; 2] = ["one", "two"];
    let (mut here, mut there) = (stage.host(), stage.host());
    here.start();
    for job in JOBS {
        here.submit(guest("identity"), &["--name", job]);
    }
    let has = |host: &Host, partitions: usize| JOBS.iter().for_each(|job| wait_until_shared(host, job, partitions));
    has(&here, 4);
    let written = under_load(&stage, 0, || {
        there.start();
        for job in JOBS {
            let said = there.cli(&["submit".into(), guest("identity").into_os_string(), "--name".into(), job.into()]);
            assert_eq!(said.code, 0, "{}", said.stderr);
        }
        has(&there, 2);
        has(&here, 2);
        assert_eq!(there.sigterm(RUN), 0);
        has(&here, 4);
    });
    JOBS.iter().for_each(|job| stage.wait_until_done(job));
    check_forwarded_by_all(&stage, written, JOBS.len());
}

#[test]
fn a_job_that_is_held_loses_the_shared_fetch_and_nothing_else() {
    let stage = require_stage!();
    stage.topics(4);
    let mut host = stage.host().env("PELTON_DELIVERY__IN_FLIGHT_MIB", "1");
    host.start();
    host.submit(guest("identity"), &["--name", "one"]);
    host.submit(guest("identity"), &["--name", "two"]);
    host.submit(guest("always_trap"), &["--name", "held"]);
    for job in ["one", "two", "held"] {
        wait_until_shared(&host, job, 4);
    }
    // More than is kept for all of them together.
    let records: Vec<_> = (0..800).map(|i| Record::new(format!("{i:<60000}{:60000}", "")).partition(i % 4)).collect();
    for some in records.chunks(50) {
        stage.kafka.produce("sensors", some);
    }
    stage.wait_until_done("one");
    stage.wait_until_done("two");
    assert_eq!(host.show("held")["state"], "failed");
    assert_eq!(host.show("one")["state"], "running");
    wait_until_shared(&host, "one", 4);

    // Mended, it goes on where it was. What it gave up on before is a dead letter.
    let identity = guest("identity");
    let letters = |view: &Value| view["counts"]["dead_letters"].as_u64().unwrap();
    done(&host, &["reload", "held", identity.to_str().unwrap(), "--force"]);
    stage.wait_until_done("held");
    let given_up = letters(&host.show("held"));
    assert!(given_up <= 10 * 4, "{given_up} dead letters");
    assert_eq!(stage.kafka.read_all("alerts").len() as u64, 3 * 800 - given_up);
}

#[test]
fn jobs_go_on_by_themselves_where_the_broker_was_away() {
    let mut stage = require_stage!().with_new_kafka();
    stage.topics(4);
    let mut host = stage.host();
    host.start();
    let records = |from: usize, to: usize| -> Vec<Record> {
        (from..to).map(|i| Record::new(i.to_string()).partition((i % 4) as i32)).collect()
    };
    for job in ["one", "two"] {
        host.submit(guest("identity"), &["--name", job]);
    }
    for job in ["one", "two"] {
        wait_until_shared(&host, job, 4);
    }
    stage.kafka.produce("sensors", &records(0, 400));
    stage.kafka.stop().unwrap();
    eventually(RUN, "it is told", || (host.show("one")["state"] == "degraded").then_some(()));
    stage.kafka.start_again().unwrap();
    stage.kafka.produce("sensors", &records(400, 4000));
    for job in ["one", "two"] {
        stage.wait_until_done(job);
        eventually(RUN, "it is well again", || (host.show(job)["state"] == "running").then_some(()));
    }
    // What was not committed when the groups lost their members was read again.
    let mut found: BTreeMap<usize, usize> = BTreeMap::new();
    let alerts = stage.kafka.read_all("alerts");
    for alert in &alerts {
        *found.entry(alert.text().parse().unwrap()).or_default() += 1;
    }
    let missing: Vec<_> = (0..4000).filter(|number| found.get(number) < Some(&2)).collect();
    let first = alerts.first().map(|alert| alert.offset);
    assert_eq!(missing, [0; 0], "{} alerts, the first at {first:?}", alerts.len());
}
