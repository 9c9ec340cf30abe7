//! Seeds by the thousand, and defects that they must find. `SIMULATION_SEED=N` runs one and prints what happened;
//! `SIMULATION_SEEDS=N` runs so many.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

use std::sync::atomic::{AtomicU64, Ordering};

use pelton_simulation::defects::Defect;
use pelton_simulation::run::run;

/// How many seeds are run where nothing else is said.
const SEEDS: u64 = 2_000;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// Calls `each` with numbers from 0, on all cores, until it gives something or the last number is over.
fn first<T: Send>(count: u64, each: impl Fn(u64) -> Option<T> + Sync) -> Option<T> {
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let run = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return None;
                }
                if let Some(found) = each(number) {
                    next.store(count, Ordering::Relaxed);
                    return Some(found);
                }
            }
        };
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        all.into_iter().filter_map(|thread| thread.join().unwrap()).next()
    })
}

#[test]
fn every_seed_delivers_everything() {
    if let Some(seed) = setting("SIMULATION_SEED") {
        println!("{:?}", run(seed, None).unwrap_or_else(|error| panic!("{error}")));
        return;
    }
    let failed = first(setting("SIMULATION_SEEDS").unwrap_or(SEEDS), |seed| run(seed, None).err());
    if let Some(error) = failed {
        panic!("{error}");
    }
}

#[test]
fn a_seed_gives_the_same_run_each_time() {
    for seed in 0..10 {
        assert_eq!(run(seed, None), run(seed, None), "seed {seed}");
    }
}

/// Asserts that a defect is found within a few hundred seeds, and by what is said of it.
fn finds(defect: Defect, says: &[&str]) {
    let found = first(500, |seed| run(seed, Some(defect)).err());
    let found = found.unwrap_or_else(|| panic!("{defect:?} is not found"));
    assert!(says.iter().any(|says| found.contains(says)), "{found}");
}

#[test]
fn finds_an_offset_that_is_stored_too_early() {
    finds(Defect::EarlyOffset, &["is committed, and"]);
}

#[test]
fn finds_an_output_that_is_dropped_at_a_reload() {
    finds(Defect::DroppedAtReload, &["is committed, and"]);
}

#[test]
fn finds_an_order_that_halving_has_broken() {
    finds(Defect::HalvedOutOfOrder, &["comes after"]);
}

#[test]
fn finds_a_dead_letter_that_a_crash_has_lost() {
    finds(Defect::LetterAfterAcknowledgement, &["dead letter"]);
}

#[test]
fn finds_a_verb_that_is_half_done() {
    finds(Defect::HalfVerb, &["the job is None", "neither"]);
}
