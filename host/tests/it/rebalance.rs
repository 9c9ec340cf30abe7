//! Two hosts with the same job share its partitions: a host that joins or leaves costs nothing, one that dies costs
//! nothing but repeats.

use crate::eventually::eventually;
use crate::kafka::Record;
use crate::load::{check_all_forwarded, check_in_order, under_load};
use crate::pelton::Host;
use crate::stage::{CONSUMER_PROTOCOL, RUN, Servers, guest, require_stage};

const JOB: &str = "identity";

/// Waits until a host has so many partitions and has read further records in this place.
#[track_caller]
fn wait_until_it_has(host: &Host, partitions: usize) {
    eventually(RUN, &format!("the host has {partitions} partitions"), || {
        (host.show(JOB)["partitions"].as_array().unwrap().len() == partitions).then_some(())
    });
    let read = |host: &Host| host.show(JOB)["counts"]["records_in"].as_u64().unwrap();
    let before = read(host);
    eventually(RUN, "the host has read on", || (read(host) > before + 1000).then_some(()));
}

/// The whole play, with hosts that `host` makes.
fn two_hosts(servers: &Servers, host: impl Fn() -> Host) {
    servers.topics(4);
    let (mut one, mut other) = (host(), host());
    one.start();
    one.submit(guest(JOB), &["--parallelism", "2"]);
    let written = under_load(servers, 0, || {
        wait_until_it_has(&one, 4);
        other.start();
        let said = other.cli(&["submit".into(), guest(JOB).into_os_string()]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        wait_until_it_has(&other, 2);
        wait_until_it_has(&one, 2);
        assert_eq!(other.sigterm(RUN), 0);
        wait_until_it_has(&one, 4);
    });
    servers.wait_until_done(JOB);
    assert_eq!(check_all_forwarded(servers, written), 0, "a join and a leave in good order repeat nothing");

    let written = under_load(servers, written, || {
        other.start();
        wait_until_it_has(&other, 2);
        one.kill9();
        wait_until_it_has(&other, 4);
    });
    servers.wait_until_done(JOB);
    eprintln!("{} records came twice when a host was killed", check_all_forwarded(servers, written));
    check_in_order(servers);
}

#[test]
fn partitions_move_between_hosts() {
    let stage = require_stage!();
    two_hosts(&stage, || stage.host());
}

#[test]
fn partitions_move_between_hosts_by_the_consumer_protocol() {
    let stage = require_stage!();
    two_hosts(&stage, || Host::new(&stage.kafka.bootstrap(), &stage.postgres.url()).config(CONSUMER_PROTOCOL));
}

#[test]
fn a_job_that_fails_is_tried_again_after_a_rebalance() {
    let stage = require_stage!();
    stage.topics(4);
    const FAILS: &str = "always_trap";
    let records: Vec<Record> = (0..400).map(|i| Record::new(i.to_string()).partition(i % 4)).collect();
    stage.kafka.produce("sensors", &records);
    let (mut one, mut other) = (stage.host(), stage.host());
    one.start();
    one.submit(guest(FAILS), &[]);
    let is_failed = |host: &Host| (host.show(FAILS)["state"] == "failed").then_some(());
    eventually(RUN, "the job is shown as failed", || is_failed(&one));
    other.start();
    let said = other.cli(&["submit".into(), guest(FAILS).into_os_string()]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    eventually(RUN, "the other host has partitions", || {
        (other.show(FAILS)["partitions"].as_array()?.len() == 2).then_some(())
    });
    let failures = || one.show(FAILS)["counts"]["guest_failures"].as_u64().unwrap();
    let before = failures();
    eventually(RUN, "the first host tries again", || (failures() > before + 2).then_some(()));
    eventually(RUN, "it says that it fails", || is_failed(&one));
    assert_eq!(one.sigterm(RUN), 0);
    assert_eq!(other.sigterm(RUN), 0);
}
