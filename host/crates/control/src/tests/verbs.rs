use std::sync::{Arc, Barrier};

use crate::catalog::memory::Memory;
use pelton_delivery::clock::SystemClock;
use pelton_model::bounds;
use pelton_model::parallelism::Parallelism;

use super::fake::{TestHost, eventually};
use crate::error::Error;
use crate::types::{Apply, Done, Hold, Reload, Rollback, Scale, SetParameters, Submit};

fn set(value: &str) -> SetParameters {
    SetParameters { parameters: [("p".to_owned(), Some(value.to_owned()))].into(), force: false, by: None }
}

fn scale(instances: usize) -> Scale {
    Scale { parallelism: Parallelism::Of(instances), force: false, by: None }
}

#[test]
fn every_verb_does_its_work_and_may_be_repeated() {
    let host = TestHost::start(Memory::default());
    let jobs = &host.jobs;
    for _ in 0..2 {
        assert_eq!(host.submit("a").unwrap().version, 1);
    }
    let next = Reload { digest: Some(host.upload("a", 2).unwrap()), ..Reload::default() };
    for _ in 0..2 {
        assert_eq!(jobs.scale("a", &scale(3)).unwrap().job.parallelism, Parallelism::Of(3));
        assert_eq!(jobs.set("a", &set("7")).unwrap().job.parameters["p"], "7");
        assert_eq!(jobs.reload("a", &next).unwrap().job.version, 2);
    }
    assert!(jobs.show("a").unwrap().probation.is_some(), "the version that was opened for it is at work");
    assert_eq!(host.flowing.current("a").get().0.number, 2);
    for _ in 0..2 {
        assert_eq!(jobs.rollback("a", &Rollback { to: Some(1), ..Rollback::default() }).unwrap().job.version, 1);
    }
    for _ in 0..2 {
        jobs.pause("a", &Hold::default()).unwrap().wait(&SystemClock).unwrap();
        assert!(!host.flowing.is_running("a"));
    }
    for _ in 0..2 {
        jobs.resume("a", &Hold::default()).unwrap();
    }
    assert_eq!(host.flowing.current("a").get().0.number, 1);
    let why: Vec<_> = jobs.show("a").unwrap().history.into_iter().map(|change| change.why).collect();
    assert_eq!(why, ["submit", "scale 3", "set p", "reload", "rollback", "pause", "resume"]);

    let last = jobs.cancel("a", None).unwrap().wait(&SystemClock).unwrap().job;
    assert_eq!((last.name.as_str(), last.state), ("a", pelton_model::status::State::Stopped));
    assert!(matches!(jobs.cancel("a", None), Err(Error::NoSuchJob(job)) if job == "a"));
    assert!(host.desired("a").is_none() && jobs.list().is_empty());
}

#[test]
fn what_was_of_a_job_goes_on_where_it_is_submitted_again_and_what_does_not_is_told() {
    let host = TestHost::start(Memory::default());
    let jobs = &host.jobs;
    let submit = |number| {
        let digest = Some(host.upload("a", number).unwrap());
        jobs.submit(&Submit { digest, by: Some("ana".to_owned()), ..Submit::default() }).unwrap()
    };
    assert!(matches!(jobs.forget("a"), Err(Error::NoSuchJob(_))));
    assert_eq!(submit(1).notice, None);
    jobs.set("a", &set("7")).unwrap();
    jobs.reload("a", &Reload { digest: Some(host.upload("a", 2).unwrap()), ..Reload::default() }).unwrap();
    jobs.scale("a", &scale(3)).unwrap();
    assert!(matches!(jobs.forget("a"), Err(Error::StillSubmitted(_))));
    let cancel = || jobs.cancel("a", Some("ben")).unwrap().wait(&SystemClock).unwrap();
    cancel();

    let again = submit(3);
    let job = again.job;
    let told = again.notice.unwrap();
    let other =
        "UTC; other than then: version 3 (3) takes over from version 2 (2), p = 0 (was 7), parallelism is auto (was 3)";
    assert!(told.starts_with("a job of that name was cancelled at ") && told.ends_with(other), "{told}");
    assert_eq!((job.version, job.versions.len(), job.parameters["p"].as_str()), (3, 3, "0"));
    let history: Vec<_> = job.history.iter().map(|change| (change.by.as_str(), change.why.as_str())).collect();
    let by = |who| move |why| (who, why);
    let before = ["set p", "reload", "scale 3"].map(by("unknown"));
    assert_eq!(history, [&[("ana", "submit")], &before[..], &[("ben", "cancel"), ("ana", "submit")]].concat());
    let back = jobs.rollback("a", &Rollback { to: Some(1), ..Rollback::default() }).unwrap().job;
    assert_eq!((back.version, back.parameters["p"].as_str()), (1, "7"), "as it last ran");

    // The same as it was: nothing to tell. And what is purged is over.
    cancel();
    let same = jobs.submit(&Submit {
        parameters: [("p".to_owned(), "7".to_owned())].into(),
        ..Submit { digest: Some(host.upload("a", 1).unwrap()), ..Submit::default() }
    });
    let same = same.unwrap();
    assert_eq!((same.notice, same.job.version), (None, 1));
    cancel();
    jobs.forget("a").unwrap();
    let new = submit(1);
    assert_eq!((new.notice, new.job.version, new.job.history.len(), new.job.versions.len()), (None, 1, 1, 1));
}

type Forced<'a> = &'a dyn Fn(bool) -> Result<Done, Error>;

#[test]
fn what_a_job_remembers_is_not_ended_unless_that_is_meant() {
    let host = TestHost::start(Memory::default());
    let jobs = &host.jobs;
    host.submit("counts").unwrap();
    host.flowing.current("counts");
    let digest = Some(host.upload("counts", 2).unwrap());
    let reload = |force| jobs.reload("counts", &Reload { digest: digest.clone(), force, ..Reload::default() });
    let set = |force| jobs.set("counts", &SetParameters { force, ..set("7") });
    let scaled = |force| jobs.scale("counts", &Scale { force, ..scale(2) });
    let rollback = |force| jobs.rollback("counts", &Rollback { to: Some(1), force, ..Rollback::default() });
    let pause = |force| jobs.pause("counts", &Hold { force, by: None })?.wait(&SystemClock);
    let verbs: [(_, Forced<'_>); 5] =
        [("reload", &reload), ("set", &set), ("scale", &scaled), ("rollback", &rollback), ("pause", &pause)];
    for (verb, call) in verbs {
        let before = jobs.show("counts").unwrap().history.len();
        let told = call(false).unwrap_err();
        assert!(matches!(&told, Error::WouldForget { what, .. } if what == "how many there were"), "{verb}: {told}");
        assert_eq!(jobs.show("counts").unwrap().history.len(), before, "{verb}");
        call(true).unwrap();
        assert_eq!(jobs.show("counts").unwrap().history.len(), before + 1, "{verb}");
        // What is so already ends nothing, and one that is held remembers nothing.
        call(false).unwrap();
    }
    jobs.scale("counts", &scale(3)).unwrap();
    // An apply says it among what it changes.
    jobs.resume("counts", &Hold::default()).unwrap();
    let job = Submit { digest, parameters: [("p".to_owned(), "8".to_owned())].into(), ..Submit::default() };
    let applied = jobs.apply(&Apply { job, dry_run: true }).unwrap();
    assert_eq!(applied.changes.last().unwrap(), "it forgets what it remembers: how many there were");
}

#[test]
fn a_large_value_is_set_whole_and_cut_where_the_job_is_shown() {
    let host = TestHost::start(Memory::default());
    let jobs = &host.jobs;
    host.submit("a").unwrap();
    let large = "ä".repeat(500_000);
    assert!(large.len() < bounds::VALUE_BYTES);
    let done = jobs.set("a", &set(&large)).unwrap();
    assert!(done.changed.unwrap().len() < 300);
    let next = Reload { digest: Some(host.upload("a", 2).unwrap()), ..Reload::default() };
    let shown = jobs.reload("a", &next).unwrap().job;
    assert!(shown.parameters["p"].ends_with("ää… (1000000 bytes)") && shown.parameters["p"].len() < 1100);
    assert_eq!(shown.parameters_cut, ["p"]);
    assert!(shown.versions.iter().all(|version| version.parameters["p"].len() < 1100));
    assert_eq!(jobs.parameters("a").unwrap()["p"], large);
    assert_eq!(*host.flowing.current("a").get().0.parameters, [("p".to_owned(), large.clone())]);
    // Once more as large as that: refused, and what was set stays.
    let told = jobs.set("a", &set(&(large.clone() + &large))).unwrap_err().to_string();
    assert!(told.contains("the value of the parameter \"p\" is longer than 1048576 bytes"), "{told}");
    assert_eq!(jobs.parameters("a").unwrap()["p"], large);
    jobs.set("a", &set("1")).unwrap();
    jobs.rollback("a", &Rollback::default()).unwrap();
    assert_eq!(jobs.parameters("a").unwrap()["p"], large, "a version's values come back whole");
    assert!(matches!(jobs.parameters("b"), Err(Error::NoSuchJob(_))));
}

type Verb<'a> = &'a dyn Fn() -> Result<Done, Error>;

#[test]
fn each_verb_tells_what_it_has_changed_and_a_repeated_one_that_nothing_is() {
    let host = TestHost::start(Memory::default());
    let jobs = &host.jobs;
    let submit = Submit { digest: Some(host.upload("a", 1).unwrap()), ..Submit::default() };
    let next = Reload { digest: Some(host.upload("a", 2).unwrap()), ..Reload::default() };
    let back = Rollback { to: Some(1), ..Rollback::default() };
    let (seven, three) = (set("7"), scale(3));
    let verbs: [(Verb<'_>, &str); 7] = [
        (&|| jobs.submit(&submit), "submitted, version 1 (1) reads in"),
        (&|| jobs.set("a", &seven), "p = 7 (was 0)"),
        (&|| jobs.scale("a", &three), "parallelism is 3 (was auto)"),
        (&|| jobs.reload("a", &next), "version 2 (2) takes over from version 1 (1)"),
        (&|| jobs.rollback("a", &back), "version 1 (1) takes over from version 2 (2)"),
        (&|| jobs.pause("a", &Hold::default())?.wait(&SystemClock), "paused"),
        (&|| jobs.resume("a", &Hold::default()), "resumed"),
    ];
    for (verb, told) in verbs {
        assert_eq!(verb().unwrap().changed.as_deref(), Some(told));
        assert_eq!(verb().unwrap().changed, None, "{told}");
    }
    let told = "cancelled; the offsets of group \"pelton-a\" and its dead letters are kept, its versions and history until they \
                are purged";
    assert_eq!(jobs.cancel("a", None).unwrap().wait(&SystemClock).unwrap().changed.as_deref(), Some(told));
}

#[test]
fn what_is_refused_leaves_the_job_as_it_was() {
    let host = TestHost::start(Memory::default());
    host.submit("a").unwrap();
    let before = host.desired("a").unwrap();
    assert!(matches!(host.jobs.set("a", &set("bad")), Err(Error::BadParameters(_))));
    assert!(matches!(host.jobs.scale("a", &scale(0)), Err(Error::BadParallelism(0))));
    let other = Reload { digest: Some(host.upload("b", 1).unwrap()), ..Reload::default() };
    assert!(matches!(host.jobs.reload("a", &other), Err(Error::WouldDrop { .. })));
    assert!(host.jobs.show("a").unwrap().conditions.is_empty(), "who asked has the answer");
    let none = Reload { digest: Some("0".repeat(64)), ..Reload::default() };
    assert!(matches!(host.jobs.reload("a", &none), Err(Error::NoSuchComponent(_))));
    let to = Rollback { to: Some(7), ..Rollback::default() };
    assert!(matches!(host.jobs.rollback("a", &to), Err(Error::NoEarlierVersion { .. })));
    assert!(host.jobs.show("a").unwrap().conditions.is_empty(), "nothing of it goes on");
    let log: Vec<_> = host.jobs.log("a").unwrap().since(0, 100).iter().map(|kept| kept.line.message.clone()).collect();
    for part in ["reload", "rollback"] {
        let is_told = |line: &&String| line.starts_with(&format!("{part}: ")) && line.ends_with("version 1 goes on");
        assert_eq!(log.iter().filter(is_told).count(), 1, "{log:?}");
    }
    assert_eq!(host.desired("a").unwrap(), before);
    assert_eq!(host.flowing.current("a").get().0.number, 1);
}

#[test]
fn other_jobs_and_other_verbs_do_not_wait_for_a_drain() {
    let host = TestHost::start(Memory::default());
    let jobs = &host.jobs;
    host.submit("slow").unwrap();
    host.flowing.current("slow");
    host.flowing.hold_up("slow");
    let gone = jobs.cancel("slow", None).unwrap();
    host.submit("other").unwrap();
    jobs.scale("other", &scale(2)).unwrap();
    jobs.pause("other", &Hold::default()).unwrap().wait(&SystemClock).unwrap();
    assert!(gone.answer().is_none() && jobs.show("slow").is_ok(), "it drains yet");
    assert!(matches!(jobs.scale("slow", &scale(2)), Err(Error::Ending(_))));
    assert!(matches!(jobs.pause("slow", &Hold::default()), Err(Error::Ending(_))));
    let again = jobs.cancel("slow", None).unwrap();
    // One of the same name is another run, which comes once this one is gone.
    let waits = Arc::new(Barrier::new(2));
    std::thread::scope(|scope| {
        let anew = scope.spawn(|| {
            waits.wait();
            host.submit("slow")
        });
        waits.wait();
        host.flowing.let_go("slow");
        assert_eq!(gone.wait(&SystemClock).unwrap().job.name, "slow");
        assert_eq!(again.wait(&SystemClock).unwrap().job.name, "slow");
        let whys = anew.join().unwrap().unwrap().history.into_iter().map(|change| change.why);
        assert_eq!(whys.collect::<Vec<_>>(), ["submit", "cancel", "submit"]);
    });
    assert!(!host.desired("slow").unwrap().record.cancelled);
    assert_eq!(host.flowing.current("slow").get().0.number, 1);
}

#[test]
fn a_pause_that_is_taken_back_is_over() {
    let host = TestHost::start(Memory::default());
    host.submit("a").unwrap();
    host.flowing.current("a");
    host.flowing.hold_up("a");
    let paused = host.jobs.pause("a", &Hold::default()).unwrap();
    assert!(paused.answer().is_none());
    host.jobs.resume("a", &Hold::default()).unwrap();
    paused.wait(&SystemClock).unwrap();
    host.flowing.let_go("a");
    eventually("it goes on", || host.flowing.is_running("a"));
}

#[test]
fn a_verb_that_nobody_waits_for_is_done() {
    let host = TestHost::start(Memory::default());
    host.submit("a").unwrap();
    drop(host.jobs.pause("a", &Hold::default()).unwrap());
    eventually("it is held", || !host.flowing.is_running("a"));
    host.flowing.hold_up("a");
    drop(host.jobs.cancel("a", None).unwrap());
    host.flowing.let_go("a");
    eventually("it is gone", || host.desired("a").is_none() && host.jobs.show("a").is_err());
}

#[test]
fn changes_at_the_same_time_come_one_after_the_other() {
    let host = TestHost::start(Memory::default());
    host.submit("a").unwrap();
    let digests = [2, 3].map(|number| host.upload("a", number).unwrap());
    std::thread::scope(|scope| {
        for digest in digests {
            let reload = Reload { digest: Some(digest), ..Reload::default() };
            scope.spawn(|| host.jobs.reload("a", &{ reload }).unwrap());
        }
        for n in 2..6 {
            let host = &host;
            scope.spawn(move || host.jobs.scale("a", &scale(n)).unwrap());
            scope.spawn(move || host.jobs.set("a", &set(&n.to_string())).unwrap());
        }
        // A job is submitted once, however many ask for it.
        for _ in 0..4 {
            scope.spawn(|| host.submit("b").unwrap());
        }
    });
    let view = host.jobs.show("a").unwrap();
    assert_eq!((view.history.len(), view.versions.len()), (11, 3));
    let record = host.desired("a").unwrap().record;
    assert_eq!((record.version, record.parallelism), (view.version, view.parallelism));
    assert_eq!(host.flowing.current("a").get().0.number, view.version);
    assert_eq!(host.jobs.show("b").unwrap().history.len(), 1);
}

#[test]
fn a_version_that_the_pipeline_has_rolled_back_is_kept_so() {
    let host = TestHost::start(Memory::default());
    host.submit("a").unwrap();
    let next = Reload { digest: Some(host.upload("a", 2).unwrap()), ..Reload::default() };
    host.jobs.reload("a", &next).unwrap();
    let current = host.flowing.current("a");
    assert!(current.hopeless(&current.get().0, "it traps"));
    eventually("the record says so", || host.desired("a").unwrap().record.version == 1);
    eventually("it is shown", || host.jobs.show("a").unwrap().version == 1);
    let view = host.jobs.show("a").unwrap();
    let told = "version 2 was rolled back by the host: it fails on every record: it traps";
    assert_eq!((view.conditions[0].reason.as_str(), view.conditions[0].part.as_str()), (told, "rollback"));
    assert_eq!(view.history.last().map(|change| (change.by.as_str(), change.why.as_str())), Some(("host", told)));
    // It is told until another version is put to work, which new parameters are not.
    host.jobs.set("a", &set("7")).unwrap();
    assert_eq!(host.jobs.show("a").unwrap().conditions[0].reason, told);
    let catalog = host.stop();
    let host = TestHost::start(catalog);
    assert_eq!(host.flowing.current("a").get().0.number, 1);
    let current = host.flowing.current("a");
    let next = Reload { digest: Some(host.upload("a", 3).unwrap()), ..Reload::default() };
    host.jobs.reload("a", &next).unwrap();
    assert!(current.hopeless(&current.get().0, "it traps once more"));
    eventually("it is told", || !host.jobs.show("a").unwrap().conditions.is_empty());
    let mended = Reload { digest: Some(host.upload("a", 4).unwrap()), ..Reload::default() };
    assert_eq!(host.jobs.reload("a", &mended).unwrap().job.conditions, []);
}

#[test]
fn what_a_file_asks_for_is_told_until_another_version_comes() {
    let host = TestHost::start(Memory::default());
    host.submit("a").unwrap();
    let by_its_file =
        |digest: String| Reload { digest: Some(digest), by: Some("usr_jobs".to_owned()), ..Reload::default() };
    host.jobs.reload("a", &by_its_file("0".repeat(64))).unwrap_err();
    let told = || host.jobs.show("a").unwrap().conditions.pop().map(|told| (told.part, told.reason));
    let (part, reason) = told().unwrap();
    assert!(part == "reload" && reason.ends_with("version 1 goes on"), "{reason}");
    host.jobs.set("a", &set("7")).unwrap();
    host.jobs.scale("a", &scale(2)).unwrap();
    assert_eq!(told(), Some((part, reason)), "the file asks for it yet");
    let next = Reload { digest: Some(host.upload("a", 2).unwrap()), ..Reload::default() };
    assert_eq!(host.jobs.reload("a", &next).unwrap().job.conditions, []);
    host.jobs.reload("a", &by_its_file("0".repeat(64))).unwrap_err();
    assert!(told().is_some());
    host.jobs.rollback("a", &Rollback::default()).unwrap();
    assert_eq!(told(), None);
}

#[test]
fn another_submit_of_a_name_is_refused() {
    let host = TestHost::start(Memory::default());
    host.submit("a").unwrap();
    let other = Submit { digest: Some(host.upload("a", 2).unwrap()), ..Submit::default() };
    assert!(matches!(host.jobs.submit(&other), Err(Error::AlreadySubmitted(_))));
    assert!(!Error::AlreadySubmitted(String::new()).is_temporary());
}

#[test]
fn jobs_are_as_they_were_after_a_stop() {
    let host = TestHost::start(Memory::default());
    for job in ["a", "b", "c"] {
        host.submit(job).unwrap();
    }
    host.jobs.scale("b", &scale(4)).unwrap();
    host.jobs.pause("c", &Hold::default()).unwrap().wait(&SystemClock).unwrap();
    let host = TestHost::start(host.stop());
    let names: Vec<_> = host.jobs.list().into_iter().map(|job| (job.name, job.parallelism.to_string())).collect();
    assert_eq!(names, [("a", "auto"), ("b", "4"), ("c", "auto")].map(|(job, is)| (job.to_owned(), is.to_owned())));
    host.flowing.current("a");
    host.flowing.current("b");
    assert!(!host.flowing.is_running("c"));
}

#[test]
fn a_group_is_one_jobs() {
    let host = TestHost::start(Memory::default());
    host.submit("a").unwrap();
    let thief = || Submit {
        digest: Some(host.upload("b", 1).unwrap()),
        group: Some("pelton-a".to_owned()),
        ..Submit::default()
    };
    let refused = host.jobs.submit(&thief()).unwrap_err();
    assert!(matches!(&refused, Error::GroupTaken { group, job } if group == "pelton-a" && job == "a"), "{refused}");
    assert!(refused.to_string().contains("they would take each other's records"), "{refused}");
    assert!(host.desired("b").is_none());
    host.flowing.current("a");
    // Until the last record is delivered, and not longer.
    host.flowing.hold_up("a");
    let cancelled = host.jobs.cancel("a", None).unwrap();
    assert!(matches!(host.jobs.submit(&thief()), Err(Error::GroupTaken { .. })));
    host.flowing.let_go("a");
    cancelled.wait(&SystemClock).unwrap();
    host.jobs.submit(&thief()).unwrap();
    assert!(matches!(host.submit("a"), Err(Error::GroupTaken { job, .. }) if job == "b"));
}

#[test]
fn two_that_come_at_once_get_no_group_together() {
    let host = TestHost::start(Memory::default());
    let barrier = Barrier::new(2);
    let both = std::thread::scope(|scope| {
        let submits = ["a", "b"].map(|name| {
            let (host, barrier) = (&host, &barrier);
            let digest = host.upload(name, 1).unwrap();
            let submit = Submit { digest: Some(digest), group: Some("g".to_owned()), ..Submit::default() };
            scope.spawn(move || {
                barrier.wait();
                host.jobs.submit(&submit).is_ok()
            })
        });
        submits.map(|submit| submit.join().unwrap())
    });
    assert_eq!(both.into_iter().filter(|is_there| *is_there).count(), 1);
}

#[test]
fn what_feeds_itself_is_refused_unless_it_is_meant() {
    let host = TestHost::start(Memory::default());
    assert!(matches!(host.submit("letters"), Err(Error::OwnLetters { topic, .. }) if topic == "letters.dlq"));
    let as_another = Submit {
        digest: Some(host.upload("letters", 1).unwrap()),
        name: Some("reads_letters".to_owned()),
        ..Submit::default()
    };
    host.jobs.submit(&as_another).unwrap();
    assert!(matches!(host.submit("loops"), Err(Error::OwnSource { topics, .. }) if topics == ["in"]));
    assert!(host.desired("loops").is_none());
    let digest = Some(host.upload("loops", 1).unwrap());
    let meant = Submit { digest: digest.clone(), allow_loop: true, ..Submit::default() };
    host.jobs.submit(&meant).unwrap();
    assert!(host.desired("loops").unwrap().record.allow_loop);
    let next = Reload { digest: Some(host.upload("loops", 2).unwrap()), ..Reload::default() };
    assert_eq!(host.jobs.reload("loops", &next).unwrap().job.version, 2, "it stays meant");
    // Nor does a reload get there.
    host.submit("a").unwrap();
    let looping = Reload { digest, force: true, ..Reload::default() };
    assert!(matches!(host.jobs.reload("a", &looping), Err(Error::OwnSource { .. })));
    assert_eq!(host.desired("a").unwrap().record.version, 1);
}

#[test]
fn jobs_in_a_circle_are_told_so_until_it_is_broken() {
    let host = TestHost::start(Memory::default());
    let told = |job: &str| {
        let conditions = host.jobs.show(job).unwrap().conditions;
        conditions.into_iter().find(|told| told.part == "flow").map(|told| told.reason)
    };
    host.submit("there").unwrap();
    host.submit("a").unwrap();
    assert_eq!(told("there"), None);
    host.submit("back").unwrap();
    assert!(told("there").unwrap().contains("there → between → back → in → there"));
    assert!(told("back").unwrap().contains("back → in → there → between → back"));
    assert_eq!(told("a"), None, "it reads there and writes nothing");
    host.jobs.cancel("back", None).unwrap().wait(&SystemClock).unwrap();
    eventually("the circle is no more told of", || told("there").is_none());
}

#[test]
fn a_job_that_remembers_keeps_its_instances_whatever_the_load() {
    let host = TestHost::start(Memory::default());
    host.submit("counts").unwrap();
    let view = host.jobs.show("counts").unwrap();
    let reason = view.scaled.unwrap().reason;
    assert_eq!(reason, "it remembers how many there were, which another number would end");
}

#[test]
fn a_submit_without_a_number_is_that_of_a_record_from_before_auto() {
    let host = TestHost::start(Memory::default());
    host.submit("a").unwrap();
    host.jobs.scale("a", &scale(1)).unwrap();
    host.submit("a").unwrap();
    assert_eq!(host.jobs.show("a").unwrap().parallelism, Parallelism::Of(1), "it stays as it is");
    host.jobs.scale("a", &scale(2)).unwrap();
    let told = host.submit("a").unwrap_err();
    assert!(matches!(told, Error::AlreadySubmitted(_)), "{told}");
}
