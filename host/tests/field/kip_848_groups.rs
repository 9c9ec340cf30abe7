//! A group is to change to the consumer protocol of KIP-848, and loses its offsets, or its members stall:
//! <https://github.com/Blizzard/node-rdkafka/issues/1146>, <https://github.com/JasperFx/wolverine/issues/3473>.

use crate::eventually::eventually;
use crate::load::{check_all_forwarded, check_in_order, under_load};
use crate::pelton::Host;
use crate::stage::{CONSUMER_PROTOCOL, RUN, guest, require_stage};
use crate::waiting::wait_for_partitions;

const JOB: &str = "identity";

#[test]
fn a_group_changes_its_protocol_and_keeps_its_offsets() {
    let stage = require_stage!();
    stage.topics(4);
    let mut host = stage.host();
    host.start();
    host.submit(guest(JOB), &["--parallelism", "2"]);
    let mut written = under_load(&stage, 0, || wait_for_partitions(&host, JOB, 4));
    stage.wait_until_done(JOB);
    let before = stage.watch(JOB).committed();
    assert_eq!(host.sigterm(RUN), 0);

    let mut host = host.config(CONSUMER_PROTOCOL);
    host.start();
    wait_for_partitions(&host, JOB, 4);
    assert_eq!(stage.watch(JOB).committed(), before, "the offsets are kept");
    written = under_load(&stage, written, || {
        let read = || host.show(JOB)["counts"]["records_in"].as_u64().unwrap();
        eventually(RUN, "it reads by the new protocol", || (read() > 1_000).then_some(()));
    });
    stage.wait_until_done(JOB);
    assert_eq!(check_all_forwarded(&stage, written), 0, "none came twice");

    // Another host shares the job, and takes it over when the first one dies.
    let mut other = Host::new(&stage.kafka.bootstrap(), &stage.postgres.url()).config(CONSUMER_PROTOCOL);
    other.start();
    let said = other.cli(&["submit".into(), guest(JOB).into_os_string()]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    wait_for_partitions(&other, JOB, 2);
    written = under_load(&stage, written, || {
        let read = || other.show(JOB)["counts"]["records_in"].as_u64().unwrap();
        eventually(RUN, "the other reads", || (read() > 500).then_some(()));
        host.kill9();
        wait_for_partitions(&other, JOB, 4);
    });
    stage.wait_until_done(JOB);
    eprintln!("{} records came twice when a host was killed", check_all_forwarded(&stage, written));
    check_in_order(&stage);
    assert_eq!(stage.kafka.end_offsets("identity.dlq"), [0]);
}
