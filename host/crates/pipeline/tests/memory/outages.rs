//! Servers that are away.

use std::time::Duration;

use pelton_model::status::State;
use pelton_simulation::guest::FORWARDED;
use proptest::prelude::*;

use crate::rig::{Rig, version};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn nothing_is_lost_and_all_is_said_while_servers_are_away(seed in any::<u64>(), times in 1usize..6) {
        let mut rig = Rig::new(seed, 2);
        let running = rig.start(version(1), 2);
        rig.until("it has both partitions", || running.instances().len() == 2);
        for _ in 0..times {
            rig.write(&["fr"; 50], 2);
            for _ in 0..rig.schedule.below(20) {
                rig.pass(Duration::ZERO);
            }
            match rig.schedule.below(2) {
                0 => rig.memory.set_topics_away(Some("no broker")),
                _ => rig.memory.set_tables_away(Some("connection refused")),
            }
            rig.until("it is told", || running.status.get().0 == State::Degraded);
            rig.pass(Duration::from_secs(100));
            rig.memory.set_topics_away(None);
            rig.memory.set_tables_away(None);
        }
        rig.until_all_is_committed();
        rig.until("all is well", || running.status.get().0 == State::Running);
        rig.stop(&running).unwrap();
        // Rows have keys, so each of those numbers is there once.
        prop_assert_eq!(rig.rows().len(), 50);
        prop_assert_eq!(rig.numbers(FORWARDED).into_values().flatten().count(), times * 50);
    }
}

#[test]
fn what_is_in_flight_is_bounded_while_a_sink_is_away() {
    let mut rig = Rig::new(1, 1);
    rig.config.delivery.in_flight_mib = 1;
    rig.config.batch.max_records = 10;
    rig.memory.set_tables_away(Some("connection refused"));
    let padding = "-".repeat(10_000);
    for number in 0..500 {
        let record = pelton_connect::memory::Record::new(format!("{number}:r{padding}"));
        rig.memory.append(pelton_simulation::guest::INPUT, record);
    }
    let running = rig.start(version(1), 1);
    rig.pass(Duration::from_secs(60));
    let read = running.metrics.records_in.get();
    assert!((100..130).contains(&read), "{read} records of 10 kB were read");
    rig.memory.set_tables_away(None);
    rig.until_all_is_committed();
    rig.stop(&running).unwrap();
    assert_eq!(rig.rows().len(), 500);
}
