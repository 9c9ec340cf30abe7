//! Jobs that fail.

use std::time::Duration;

use pelton_delivery::streak::{MOST_BAD, MOST_BAD_AT_FIRST};
use pelton_model::stage::Stage;
use pelton_model::status::State;
use pelton_simulation::guest::FORWARDED;

use crate::rig::{Rig, version};

#[test]
fn a_job_that_never_works_is_held_before_it_fills_its_dead_letters() {
    let mut rig = Rig::new(1, 1);
    rig.write(&["t"; 40], 1);
    let running = rig.start(version(1), 1);
    rig.until("it is held", || running.status.get().0 == State::Failed);
    rig.pass(Duration::from_secs(300));
    assert_eq!(running.letters(Stage::Guest), u64::from(MOST_BAD_AT_FIRST));
    let (_, conditions) = running.status.get();
    assert!(conditions[0].reason.contains("the job fails on every record: "), "{}", conditions[0].reason);
    assert!(conditions[0].reason.contains("trying again in "), "{}", conditions[0].reason);
    // What waits for a retry is given up at a stop, and read again by the next attempt.
    let before = rig.uncommitted();
    rig.stop(&running).unwrap();
    // The first batch of seven is with the dead letters whole; of the second three records are.
    assert_eq!((before, rig.uncommitted()), (33, 33));
}

#[test]
fn a_job_that_has_worked_is_held_later_and_goes_on_with_a_version_that_works() {
    let mut rig = Rig::new(2, 1);
    let most = MOST_BAD as usize;
    let mut kinds = vec!["f"];
    kinds.extend(vec!["T"; most + 50]);
    kinds.push("f");
    rig.write(&kinds, 1);
    let running = rig.start(version(2), 1);
    rig.until("it is held", || running.status.get().0 == State::Failed);
    rig.pass(Duration::from_secs(100));
    assert_eq!(running.letters(Stage::Guest), u64::from(MOST_BAD));
    running.current.set(version(1));
    rig.until_all_is_committed();
    assert_eq!(running.letters(Stage::Guest), u64::from(MOST_BAD));
    assert_eq!(running.status.get().0, State::Running);
    assert_eq!(rig.numbers(FORWARDED)[&0], [0, most as i64 + 51]);
    rig.stop(&running).unwrap();
}

#[test]
fn a_version_on_probation_that_fails_gives_way_to_the_one_before() {
    for seed in 0..20 {
        let mut rig = Rig::new(seed, 2);
        let running = rig.start(version(1), 2);
        rig.write(&["f"; 20], 2);
        rig.until_all_is_committed();
        running.current.set(version(2).on_probation(10, 0.0));
        rig.write(&["Tf"; 40], 2);
        rig.until_all_is_committed();
        assert_eq!(running.current.get().0.number, 1);
        let told = running.current.take_rolled_back().unwrap();
        assert!(told.reason.contains("failed: "), "{}", told.reason);
        rig.stop(&running).unwrap();
        let forwarded = rig.numbers(FORWARDED).into_values().map(|numbers| numbers.len()).sum::<usize>();
        assert!(rig.letters().len() + forwarded == 60, "every record is a letter or forwarded");
    }
}

#[test]
fn versions_change_between_batches_without_a_loss_or_another_order() {
    for seed in 0..30 {
        let mut rig = Rig::new(seed, 2);
        rig.write(&["fm"; 300], 2);
        let running = rig.start(version(1), 2);
        for number in [2, 1, 2, 1] {
            rig.pass(Duration::ZERO);
            running.current.set(version(number));
        }
        rig.until_all_is_committed();
        rig.stop(&running).unwrap();
        for (partition, numbers) in rig.numbers(FORWARDED) {
            let due: Vec<i64> = (0..300).filter(|number| number % 2 == i64::from(partition)).collect();
            assert_eq!(numbers, due, "seed {seed}");
        }
    }
}

#[test]
fn records_that_no_job_can_be_given_are_no_fault_of_the_job() {
    let mut rig = Rig::new(5, 1);
    let most = MOST_BAD as usize;
    let mut kinds = vec!["u"; most + 50];
    kinds.push("f");
    rig.write(&kinds, 1);
    let running = rig.start(version(2).on_probation(10, 0.0), 1);
    rig.until_all_is_committed();
    assert_eq!(running.letters(Stage::Guest), u64::from(MOST_BAD) + 50);
    assert_eq!(rig.numbers(FORWARDED)[&0], [most as i64 + 50]);
    assert_eq!((running.status.get().0, running.metrics.guest_failures.get()), (State::Running, 0));
    rig.stop(&running).unwrap();
}
