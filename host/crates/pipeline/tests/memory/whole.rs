//! Every record ends where it belongs.

use std::sync::Arc;

use pelton_pipeline::Ended;
use pelton_simulation::guest::{FORWARDED, MADE};
use proptest::prelude::*;

use crate::rig::{Rig, Suspicious, due, version};

/// What may become of a record; a few of them break the job.
fn kinds() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        4 => Just("f"), 3 => Just("fmr"), 2 => Just("r"), 1 => Just("mq"), 1 => Just("rb"), 1 => Just("x"),
        1 => Just("xf"), 1 => Just("t"), 1 => Just(""),
    ]
}

/// Sorted.
fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_record_ends_where_it_belongs_once_and_in_order(
        seed in any::<u64>(),
        mut all in proptest::collection::vec(kinds(), 1..80),
        partitions in 1usize..4,
        instances in 1usize..4,
    ) {
        // A job that never worked is held sooner.
        all[0] = "f";
        let mut rig = Rig::new(seed, partitions);
        rig.write(&all, partitions);
        let committer = Arc::new(Suspicious { memory: rig.memory.clone(), wrong: Default::default() });
        let running = rig.start_with(version(1), instances, Arc::clone(&committer) as _);
        rig.until_all_is_committed();
        prop_assert_eq!(rig.stop(&running).unwrap(), Ended::Stopped);
        prop_assert_eq!(&*committer.wrong.lock().unwrap(), &Vec::<String>::new());

        for (topic, kind) in [(FORWARDED, 'f'), (MADE, 'm')] {
            for (partition, numbers) in rig.numbers(topic) {
                let of_partition = |number: &i64| *number as usize % partitions == partition as usize;
                prop_assert_eq!(numbers, due(&all, kind).into_iter().filter(of_partition).collect::<Vec<_>>());
            }
            prop_assert_eq!(sorted(rig.numbers(topic).into_values().flatten().collect()), due(&all, kind));
        }
        prop_assert_eq!(sorted(rig.rows()), due(&all, 'r'));
        let mut letters = Vec::new();
        for (number, kinds) in (0..).zip(&all) {
            let stages = [('t', "guest"), ('x', "reject"), ('q', "sink"), ('b', "sink")];
            let stages = stages.iter().filter(|(kind, _)| kinds.contains(*kind));
            letters.extend(stages.map(|(_, stage)| (number, (*stage).to_owned())));
        }
        prop_assert_eq!(sorted(rig.letters()), sorted(letters));
    }
}

#[test]
fn a_seed_gives_the_same_run() {
    let run = |seed| {
        let mut rig = Rig::new(seed, 3);
        rig.write(&["fm", "r", "t", "f", "x", "mq", "rb", "f", "f", "f", "f"], 3);
        let running = rig.start(version(1), 2);
        rig.until_all_is_committed();
        rig.stop(&running).unwrap();
        (rig.schedule.turns(), rig.schedule.now(), rig.letters())
    };
    assert_eq!(run(3), run(3));
}

#[test]
fn a_topic_that_is_missing_ends_the_attempt_at_once() {
    let mut rig = Rig::new(1, 1);
    rig.memory = pelton_connect::memory::Memory::new(Arc::new(rig.schedule.clock(0)), std::time::Duration::ZERO);
    let running = rig.start(version(1), 1);
    let error = rig.stop(&running).unwrap_err().to_string();
    assert_eq!(error, "topic \"input\", which the job reads, does not exist; create it");
}
