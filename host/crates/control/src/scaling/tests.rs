//! A job is modelled by what it could do, and shown to its policy second by second.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A job, and what comes to it.
#[derive(Debug, Clone)]
struct Model {
    partitions: usize,
    most: usize,
    is_spare: bool,
    /// Records a second that an instance does, and that all its sinks take.
    each: f64,
    sinks: f64,
    /// Records a second that come.
    input: f64,
    /// How far figures are off, as a share.
    noise: f64,
    /// What runs.
    instances: usize,
    lag: f64,
    busy: f64,
    done: f64,
    now: Instant,
    random: u64,
}

impl Model {
    fn new(partitions: usize, most: usize, each: f64, input: f64) -> Self {
        Self {
            partitions,
            most,
            is_spare: true,
            each,
            sinks: f64::INFINITY,
            input,
            noise: 0.0,
            instances: 1,
            lag: 0.0,
            busy: 0.0,
            done: 0.0,
            now: Instant::now(),
            random: 1,
        }
    }

    /// About 1.
    fn about(&mut self) -> f64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        1.0 + self.noise * (2.0 * (self.random >> 33) as f64 / f64::from(1u32 << 31) - 1.0)
    }

    /// A second goes by.
    fn second(&mut self) -> Load {
        self.now += SECOND;
        self.lag += self.input * self.about();
        let workers = self.instances.min(self.partitions) as f64;
        let can = (workers * self.each).min(self.sinks) * self.about();
        let done = can.min(self.lag);
        self.lag -= done;
        self.done += done;
        self.busy += (done / self.each).min(workers);
        let is_sink_bound = self.lag > 0.0 && self.sinks < workers * self.each;
        Load {
            instances: self.instances,
            partitions: self.partitions,
            lag: Some(self.lag as u64),
            in_flight: if is_sink_bound { 0.9 } else { 0.01 },
            busy: Duration::from_secs_f64(self.busy),
            done: self.done as u64,
        }
    }

    /// So many seconds go by; gives when the number changed, and to what.
    fn run(&mut self, policy: &mut Policy, seconds: usize) -> Vec<(usize, usize)> {
        let mut changes = Vec::new();
        for second in 0..seconds {
            let load = self.second();
            policy.see(self.now, load);
            let room = Room { most: self.most, is_spare: self.is_spare, is_crowded: false };
            if let Some(to) = policy.decide(self.now, room) {
                changes.push((second, to));
                self.instances = to;
            }
        }
        changes
    }
}

fn policy() -> Policy {
    Policy::new(SECOND)
}

fn numbers(changes: &[(usize, usize)]) -> Vec<usize> {
    changes.iter().map(|(_, to)| *to).collect()
}

#[test]
fn a_job_that_is_behind_gets_one_after_the_other_and_gives_them_back_when_idle() {
    let (mut model, mut policy) = (Model::new(4, 8, 1000.0, 3500.0), policy());
    assert_eq!(policy.reason(), "nothing has called for another number yet");
    let up = model.run(&mut policy, 120);
    assert_eq!(numbers(&up), [2, 3, 4]);
    assert!(up.windows(2).all(|pair| pair[1].0 - pair[0].0 >= COOL.as_secs() as usize), "{up:?}");
    let told = policy.reason().to_owned();
    assert!(told.contains("records were left, 3000 a second got done, and its instances were at work 100 %"), "{told}");
    assert!(told.contains("; that got 4000 records a second done instead of 3000"), "{told}");
    model.input = 0.0;
    let down = model.run(&mut policy, 3600);
    assert_eq!(numbers(&down), [1], "{}", policy.reason());
    assert!(down[0].0 >= CALM.as_secs() as usize);
    assert_eq!(policy.reason(), "4 were at work 0 % of the time for 3 min");
}

#[test]
fn a_job_that_could_do_with_less_goes_down_step_by_step_and_stops_with_a_margin() {
    let (mut model, mut policy) = (Model::new(8, 8, 1000.0, 1500.0), policy());
    model.instances = 8;
    let down = model.run(&mut policy, 7200);
    assert_eq!(numbers(&down), [7, 6, 5, 4, 3], "two would be at work three quarters of the time");
}

#[test]
fn what_brings_nothing_is_taken_back_and_not_tried_again_for_long() {
    let (mut model, mut policy) = (Model::new(4, 8, 1000.0, 2000.0), policy());
    model.sinks = 900.0;
    let changes = model.run(&mut policy, 1800);
    assert_eq!(numbers(&changes), [2, 1], "{}", policy.reason());
    let told = policy.reason();
    assert!(
        told.contains("2 got 900 records a second done, and 1 got 900; it is not tried again for 30 min"),
        "{told}"
    );
    let later = model.run(&mut policy, 8 * 3600);
    assert_eq!(numbers(&later), [2, 1].repeat(4), "after half an hour, then one, two and four hours");
}

#[test]
fn sinks_that_take_more_by_more_connections_are_told() {
    let (mut model, mut policy) = (Model::new(2, 2, 10_000.0, 5000.0), policy());
    for seconds in 1..40 {
        model.sinks = if model.instances == 1 { 1000.0 } else { 1900.0 };
        model.run(&mut policy, seconds);
    }
    assert_eq!(model.instances, 2);
    assert!(policy.reason().contains("its sinks kept 90 % of what may be in flight waiting"), "{}", policy.reason());
    assert!(policy.reason().contains("that got 1900 records a second done instead of 1000"), "{}", policy.reason());
}

#[test]
fn what_waits_for_the_reader_gets_no_instance() {
    let (mut model, mut policy) = (Model::new(4, 4, 1000.0, 0.0), policy());
    for _ in 0..600 {
        let load = Load { lag: Some(1_000_000), ..model.second() };
        policy.see(model.now, load);
        assert_eq!(policy.decide(model.now, Room { most: 4, is_spare: true, is_crowded: false }), None);
    }
}

#[test]
fn a_host_without_a_core_to_spare_gives_none_and_takes_one_back() {
    let (mut model, mut policy) = (Model::new(4, 4, 1000.0, 5000.0), policy());
    model.is_spare = false;
    assert!(model.run(&mut policy, 600).is_empty());
    assert_eq!(policy.at_work(), 1);
    model.is_spare = true;
    model.run(&mut policy, 30);
    assert!(model.instances > 1 && policy.at_work() == model.instances);
    let (before, mut took) = (model.instances, 0);
    for second in 0..120 {
        let load = model.second();
        policy.see(model.now, load);
        assert!(policy.at_work() <= model.instances);
        if let Some(to) = policy.decide(model.now, Room { most: 4, is_spare: false, is_crowded: took == 0 }) {
            (model.instances, took) = (to, second);
            assert_eq!(policy.reason(), "other jobs of the host need the core");
        }
    }
    assert_eq!(model.instances, before - 1);
    assert!(took >= CROWDED.as_secs());
}

#[test]
fn a_partition_that_goes_for_a_moment_ends_no_instance_and_one_that_stays_away_does() {
    let (mut model, mut policy) = (Model::new(4, 8, 1000.0, 3900.0), policy());
    model.instances = 4;
    model.run(&mut policy, 30);
    model.partitions = 0;
    assert!(model.run(&mut policy, 60).is_empty(), "all are about to be dealt out");
    model.partitions = 3;
    assert!(model.run(&mut policy, 5).is_empty());
    assert_eq!(numbers(&model.run(&mut policy, 60)), [3]);
    assert_eq!(policy.reason(), "4 are above the 3 partitions that it has here");
}

#[test]
fn a_load_that_comes_back_makes_each_further_step_down_later() {
    let (mut model, mut policy) = (Model::new(2, 2, 1000.0, 0.0), policy());
    let mut downs = Vec::new();
    for _ in 0..5 {
        model.input = 1800.0;
        model.run(&mut policy, 60);
        assert_eq!(model.instances, 2);
        model.input = 0.0;
        model.lag = 0.0;
        let mut seconds = 0;
        while model.instances == 2 {
            model.run(&mut policy, 1);
            seconds += 1;
            assert!(seconds < 7200);
        }
        downs.push(seconds / 60);
    }
    assert!(downs.windows(2).all(|pair| pair[1] > pair[0]), "{downs:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the load does, there are never more than partitions, bound and cores allow, and changes are rare.
    #[test]
    fn it_stays_within_bounds(
        partitions in 1usize..9, most in 1usize..9, noise in 0.0..0.9f64, seed in any::<u64>(),
        phases in proptest::collection::vec((0.0..9000.0f64, 500.0..9000.0f64, any::<bool>(), 1usize..600), 1..8),
    ) {
        let (mut model, mut policy) = (Model::new(partitions, most, 1000.0, 0.0), policy());
        (model.noise, model.random) = (noise, seed);
        for (input, sinks, is_spare, seconds) in phases {
            (model.input, model.sinks, model.is_spare) = (input, sinks, is_spare);
            let mut before = model.instances;
            let changes = model.run(&mut policy, seconds);
            for (_, to) in &changes {
                prop_assert!((1..=partitions.min(most)).contains(to));
                prop_assert!(*to <= before + 1 && *to != before && (is_spare || *to < before));
                before = *to;
            }
            prop_assert!(changes.windows(2).all(|pair| pair[1].0 - pair[0].0 >= COOL.as_secs() as usize), "{changes:?}");
        }
    }

    /// A steady load ends at a number that stays, with figures that are off by a third.
    #[test]
    fn a_steady_load_comes_to_rest(
        partitions in 1usize..9, most in 1usize..9, input in 0.0..8000.0f64, seed in any::<u64>(),
    ) {
        let (mut model, mut policy) = (Model::new(partitions, most, 1000.0, input), policy());
        (model.noise, model.random) = (0.3, seed);
        model.run(&mut policy, 3600);
        let bound = partitions.min(most);
        let changes = model.run(&mut policy, 3600);
        // What is bound by its instances has all that it may have, or keeps up.
        prop_assert!(model.instances == bound || model.lag < 10.0 * input.max(1.0), "{model:?} {policy:?}");
        prop_assert!(changes.len() <= 2, "{changes:?} {model:?}");
        if input < 500.0 {
            prop_assert_eq!(model.instances, 1);
        }
    }
}
