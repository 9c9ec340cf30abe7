//! The whole run: seeded records with every kind of bad one through `sensor_pipeline`, into topics and the table,
//! against what an independent checker computes from the input. Once without disturbance, when everything adds up
//! exactly, and once while the host is killed again and again.

use crate::audit::Input;
use crate::bad_records::generate;
use crate::eventually::eventually;
use crate::stage::{RUN, committed, example, require_stage};

const SEED: u64 = 20_240_502;
/// Records of 5 MB, good and bad ones by turns.
const LARGE: usize = 6;
const KILLS: i64 = 5;

/// How many records to run with: `PELTON_TEST_RECORDS`, or a number that takes seconds.
fn count() -> usize {
    let set = std::env::var("PELTON_TEST_RECORDS").ok();
    set.map_or(100_000, |count| count.parse().expect("PELTON_TEST_RECORDS is a number"))
}

#[test]
fn rows_alerts_and_dead_letters_add_up_exactly() {
    let stage = require_stage!();
    stage.set(3);
    let input = Input::write(&stage, &generate(SEED, count(), LARGE));
    let mut host = stage.host().env("PELTON_LIMITS__BATCH_TIME", "10s");
    host.start();
    host.submit(example("sensor_pipeline"), &["--parallelism", "2"]);
    stage.wait_until_done("sensor_pipeline");
    input.check_rows(&stage);
    assert_eq!(input.check_alerts(&stage), 0);
    assert_eq!(input.check_dead_letters(&stage, "sensor_pipeline"), 0);

    // The host's own counts say the same.
    let view = host.show("sensor_pipeline");
    let counts = &view["counts"];
    assert_eq!(view["state"], "running", "{view}");
    assert_eq!(counts["records_in"], count());
    assert_eq!(counts["rejects"], input.expected.rejected.len());
    assert_eq!(counts["dead_letters"], input.expected.rejected.len() + input.expected.refused.len());
    assert_eq!(counts["guest_failures"], 0);
    assert_eq!(counts["sinks"][1]["records_out"], input.expected.alerts.values().sum::<usize>());
    eventually(RUN, "the lag is shown as 0", || (host.show("sensor_pipeline")["lag"] == 0).then_some(()));
}

#[test]
fn nothing_is_lost_when_the_host_is_killed_five_times() {
    let stage = require_stage!();
    stage.set(3);
    let input = Input::write(&stage, &generate(SEED, count(), LARGE));
    let total: i64 = stage.kafka.end_offsets("sensors").iter().sum();
    let mut host = stage.host().env("PELTON_LIMITS__BATCH_TIME", "10s");
    host.start();
    host.submit(example("sensor_pipeline"), &["--parallelism", "2"]);
    let group = stage.watch("sensor_pipeline");
    for kill in 1..=KILLS {
        let so_far = eventually(RUN, &format!("the job is far enough for kill {kill}"), || {
            let so_far: i64 = committed(&group).iter().sum();
            (so_far >= total * kill / (KILLS + 3)).then_some(so_far)
        });
        host.kill9();
        assert!(so_far < total, "the job was done before kill {kill}");
        // The jobs come back from the registry by themselves.
        host.start();
    }
    stage.wait_until_done("sensor_pipeline");
    input.check_rows(&stage);
    let alerts = input.check_alerts(&stage);
    let letters = input.check_dead_letters(&stage, "sensor_pipeline");
    eprintln!("after {KILLS} kills: {alerts} alerts and {letters} dead letters came more than once");
}
