//! Jobs of automatic parallelism on whole hosts, in virtual time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::time::Duration;

use pelton_connect::memory::Record;
use pelton_control::catalog::memory::Memory as Catalog;
use pelton_control::types::{JobView, Scale};
use pelton_model::parallelism::Parallelism;
use pelton_simulation::guest::{FORWARDED, INPUT, parse};
use pelton_simulation::world::{Host, JOB, World};

const PARTITIONS: usize = 4;
const SECOND: Duration = Duration::from_secs(1);

/// A world whose jobs take a hundredth of a second for a record.
fn world(seed: u64, instances: usize) -> World {
    let mut world = World::new(seed, PARTITIONS, None);
    world.record_time = Duration::from_millis(10);
    world.config.batch.max_records = 20;
    world.config.limits.auto_instances = Some(instances);
    world
}

fn write(world: &World, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let partition = (number % PARTITIONS) as i32;
        world.memory.append(INPUT, Record { partition, ..Record::new(format!("{number}:fr")) });
    }
}

#[track_caller]
fn until(world: &World, host: &Host, job: &str, what: &str, holds: impl Fn(&JobView) -> bool) -> Vec<usize> {
    let mut instances = vec![host.jobs.show(job).unwrap().instances];
    for _ in 0..7200 {
        let view = host.jobs.show(job).unwrap();
        if instances.last() != Some(&view.instances) {
            instances.push(view.instances);
        }
        if holds(&view) {
            return instances;
        }
        world.pass(SECOND);
    }
    panic!("{what}: {:#?}", host.jobs.show(job).unwrap());
}

/// Records that are done.
fn committed(view: &JobView) -> i64 {
    view.partitions.iter().filter_map(|partition| partition.committed).sum()
}

fn log(host: &Host) -> Vec<String> {
    let lines = host.jobs.log(JOB).unwrap().since(0, 1000);
    let messages = lines.into_iter().map(|kept| kept.line.message.clone());
    messages.filter(|message| message.starts_with("parallelism auto")).collect()
}

/// Each record once, in the order of its partition.
fn assert_all_is_there(world: &World, count: usize) {
    let mut forwarded: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for record in world.memory.records(FORWARDED) {
        let (number, _) = parse(record.value.as_deref().unwrap()).unwrap();
        forwarded.entry(record.partition).or_default().push(number as usize);
    }
    for (partition, numbers) in forwarded {
        let due: Vec<_> = (partition as usize..count).step_by(PARTITIONS).collect();
        let wrong = numbers.iter().zip(&due).position(|(is, due)| is != due);
        let around = wrong.and_then(|at| numbers.get(at.saturating_sub(30)..numbers.len().min(at + 30)));
        assert_eq!((around, numbers.len()), (None, due.len()), "partition {partition}");
    }
    assert_eq!(world.memory.records(FORWARDED).len(), count);
}

#[test]
fn a_job_that_is_behind_gets_instances_and_gives_them_back_when_nothing_comes() {
    for seed in 0..5 {
        let mut world = world(seed, 4);
        let host = world.start(&Catalog::default());
        host.submit(1, Parallelism::Auto).unwrap();
        let view = host.jobs.show(JOB).unwrap();
        let scaled = view.scaled.unwrap();
        assert_eq!((view.instances, scaled.reason.as_str()), (1, "nothing has called for another number yet"));
        write(&world, 0..20_000);
        let up = until(&world, &host, JOB, "it has four", |view| view.instances == 4);
        assert_eq!(up, [1, 2, 3, 4]);
        let view = host.jobs.show(JOB).unwrap();
        let scaled = view.scaled.unwrap();
        assert!(scaled.since > view.submitted && scaled.most == 4, "{scaled:?}");
        assert!(scaled.reason.contains("a second got done, and its instances were at work"), "{scaled:?}");
        until(&world, &host, JOB, "all is done", |view| committed(view) == 20_000);
        assert_all_is_there(&world, 20_000);
        let down = until(&world, &host, JOB, "it has one", |view| view.instances == 1);
        assert_eq!(down, [4, 1]);
        let told = log(&host);
        let begins = ["2 (was 1)", "3 (was 2)", "4 (was 3)", "1 (was 4)"];
        assert_eq!(told.len(), begins.len(), "{told:?}");
        for (told, begins) in told.iter().zip(begins) {
            assert!(told.starts_with(&format!("parallelism auto: {begins}, because ")), "{told}");
        }
        let view = host.jobs.show(JOB).unwrap();
        assert_eq!((view.parallelism, view.history.len()), (Parallelism::Auto, 1), "nobody has changed it");
        write(&world, 20_000..20_100);
        until(&world, &host, JOB, "the rest is done", |view| committed(view) == 20_100);
        assert_all_is_there(&world, 20_100);
        world.crash(host);
    }
}

#[test]
fn a_number_that_is_given_stays_and_auto_goes_on_from_it() {
    let mut world = world(1, 4);
    let host = world.start(&Catalog::default());
    host.submit(1, Parallelism::Of(2)).unwrap();
    write(&world, 0..12_000);
    world.pass(SECOND * 40);
    let view = host.jobs.show(JOB).unwrap();
    assert_eq!((view.parallelism, view.instances, view.scaled), (Parallelism::Of(2), 2, None));
    assert!(view.lag > Some(0));
    let scale = |parallelism| host.jobs.scale(JOB, &Scale { parallelism, force: false, by: None }).unwrap();
    let done = scale(Parallelism::Auto);
    assert_eq!(done.changed.as_deref(), Some("parallelism is auto (was 2)"));
    assert_eq!(until(&world, &host, JOB, "it has more", |view| view.instances > 2), [2, 3]);
    scale(Parallelism::Of(1));
    assert_eq!(until(&world, &host, JOB, "all is done", |view| committed(view) == 12_000), [1]);
    assert_all_is_there(&world, 12_000);
    world.crash(host);
}

#[test]
fn jobs_of_a_host_share_its_cores() {
    let mut world = world(2, 3);
    let host = world.start(&Catalog::default());
    let names = [JOB, "second", "third"];
    for name in names {
        host.submit_as(name, 1, Parallelism::Auto).unwrap();
    }
    write(&world, 0..60_000);
    world.pass(SECOND * 60);
    let instances = || names.map(|name| host.jobs.show(name).map_or(0, |view| view.instances));
    assert_eq!(instances(), [1, 1, 1], "each has a core");
    let _ = host.jobs.cancel("third", None).unwrap();
    until(&world, &host, JOB, "one has one more", |_| instances().iter().sum::<usize>() == 3);
    // The job that comes back needs its core.
    host.submit_as("third", 1, Parallelism::Auto).unwrap();
    let what = "each has a core";
    until(&world, &host, JOB, what, |_| instances() == [1, 1, 1]);
    let gave = ["second", JOB].map(|name| host.jobs.show(name).unwrap().scaled.unwrap().reason);
    assert!(gave.iter().any(|reason| reason == "other jobs of the host need the core"), "{gave:?}");
    world.crash(host);
}
