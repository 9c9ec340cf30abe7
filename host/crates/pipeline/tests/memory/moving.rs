//! Partitions that move: between instances, and between hosts.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pelton_simulation::guest::FORWARDED;
use proptest::prelude::*;

use crate::rig::{GROUP, Rig, Suspicious, version};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn another_number_of_instances_loses_nothing_and_keeps_the_order(
        seed in any::<u64>(),
        counts in proptest::collection::vec(1usize..5, 1..5),
    ) {
        let mut rig = Rig::new(seed, 4);
        rig.write(&["fr"; 400], 4);
        let running = rig.start(version(1), 2);
        for count in &counts {
            rig.pass(Duration::from_millis(20));
            running.requests.parallelism.store(*count, Ordering::Release);
            running.requests.wake.call();
        }
        rig.until_all_is_committed();
        let last = counts[counts.len() - 1];
        rig.until("it has as many instances", || {
            let instances = running.instances();
            (0..last.min(4)).all(|n| instances.contains(&Some(n))) && instances.iter().flatten().all(|n| *n < last)
        });
        rig.stop(&running).unwrap();
        for (partition, numbers) in rig.numbers(FORWARDED) {
            let due: Vec<i64> = (0..400).filter(|number| number % 4 == i64::from(partition)).collect();
            prop_assert_eq!(numbers, due);
        }
        prop_assert_eq!(rig.rows().len(), 400);
    }

    #[test]
    fn partitions_that_are_given_up_in_order_are_handled_once(seed in any::<u64>(), moves in 1usize..6) {
        let mut rig = Rig::new(seed, 4);
        let committer = Arc::new(Suspicious { memory: rig.memory.clone(), wrong: Default::default() });
        let one = rig.start_with(version(1), 2, Arc::clone(&committer) as _);
        let two = rig.start_with(version(1), 1, Arc::clone(&committer) as _);
        for _ in 0..moves {
            // Rows of a partition that is given up may be left to its next owner, so there are none.
            rig.write(&["f"; 60], 4);
            rig.pass(Duration::from_millis(rig.schedule.below(3)));
            rig.memory.rebalance(GROUP);
        }
        rig.until_all_is_committed();
        rig.stop(&one).unwrap();
        rig.write(&["f"; 8], 4);
        rig.until_all_is_committed();
        rig.stop(&two).unwrap();
        prop_assert_eq!(rig.numbers(FORWARDED).into_values().flatten().count(), moves * 60 + 8);
        prop_assert_eq!(&*committer.wrong.lock().unwrap(), &Vec::<String>::new());
    }

    #[test]
    fn what_a_crashed_or_expelled_host_had_is_read_again(seed in any::<u64>(), crash in any::<bool>()) {
        let mut rig = Rig::new(seed, 3);
        let committer = Arc::new(Suspicious { memory: rig.memory.clone(), wrong: Default::default() });
        rig.write(&["fmr"; 200], 3);
        let one = rig.start_with(version(1), 2, Arc::clone(&committer) as _);
        let two = rig.start_with(version(1), 2, Arc::clone(&committer) as _);
        for _ in 0..rig.schedule.below(100) {
            rig.pass(Duration::ZERO);
        }
        if crash {
            rig.crash(&one);
        } else {
            rig.memory.expel(GROUP);
        }
        rig.until_all_is_committed();
        if !crash {
            rig.stop(&one).unwrap();
        }
        rig.stop(&two).unwrap();
        prop_assert_eq!(&*committer.wrong.lock().unwrap(), &Vec::<String>::new());
        let mut forwarded: Vec<i64> = rig.numbers(FORWARDED).into_values().flatten().collect();
        forwarded.sort_unstable();
        forwarded.dedup();
        prop_assert_eq!(forwarded, (0..200).collect::<Vec<_>>());
        prop_assert_eq!(rig.rows().len(), 200);
    }
}

#[test]
fn a_partition_that_can_not_be_drained_is_given_up_and_read_again() {
    let mut rig = Rig::new(5, 2);
    rig.config.delivery.drain_timeout = Duration::from_secs(2);
    rig.memory.set_tables_away(Some("no route to host"));
    rig.write(&["fr"; 20], 2);
    let one = rig.start(version(1), 1);
    rig.until("all is forwarded", || rig.numbers(FORWARDED).values().map(Vec::len).sum::<usize>() == 20);
    assert_eq!(rig.uncommitted(), 20);
    let two = rig.start(version(1), 1);
    rig.until("the other has one", || two.instances().len() == 1 && one.instances().len() == 1);
    rig.memory.set_tables_away(None);
    rig.until_all_is_committed();
    rig.stop(&one).unwrap();
    rig.stop(&two).unwrap();
    assert_eq!(rig.rows().len(), 20);
}
