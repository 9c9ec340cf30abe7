use std::sync::Barrier;

use pelton_connect::SourceConnector as _;
use pelton_connect::memory::Record;
use pelton_delivery::clock::SystemClock;
use pelton_model::partition::Moved;

use super::fake::{TestHost, eventually};
use crate::catalog::memory::Memory;
use crate::error::Error;
use crate::types::{Hold, Seek, Sought, Submit};

/// A host with a job that reads two partitions of ten records each, from their beginning.
fn host() -> TestHost {
    let host = TestHost::start(Memory::default());
    host.topics.create_topic("in", 2);
    for i in 0..20 {
        host.topics.append("in", Record { partition: i % 2, timestamp: i64::from(i) * 1000, ..Record::new("x") });
    }
    host.submit("a").unwrap();
    host.topics.seek("pelton-a", &["in".to_owned()], &"earliest".parse().unwrap()).unwrap();
    host
}

fn seek(host: &TestHost, from: &str) -> Result<Vec<(i32, Option<i64>, i64)>, Error> {
    let Sought { partitions } =
        host.jobs.seek("a", &Seek { from: from.parse().unwrap(), by: Some("ana".to_owned()) })?;
    Ok(partitions.into_iter().map(|Moved { partition, before, after, .. }| (partition, before, after)).collect())
}

fn pause(host: &TestHost) {
    host.jobs.pause("a", &Hold::default()).unwrap().wait(&SystemClock).unwrap();
}

fn whys(host: &TestHost) -> Vec<String> {
    host.jobs.show("a").unwrap().history.into_iter().map(|change| change.why).collect()
}

#[test]
fn a_job_that_is_held_goes_on_where_it_is_told() {
    let host = host();
    pause(&host);
    assert_eq!(seek(&host, "in/1=7").unwrap(), [(1, Some(0), 7)], "the other stays");
    let view = host.jobs.show("a").unwrap();
    let lags: Vec<_> = view.partitions.iter().map(|view| (view.committed, view.end, view.lag)).collect();
    assert_eq!(lags, [(Some(0), Some(10), Some(10)), (Some(7), Some(10), Some(3))]);
    assert_eq!(view.lag, Some(13));
    let at = "1970-01-01T00:00:06Z";
    assert_eq!(seek(&host, at).unwrap(), [(0, Some(0), 3), (1, Some(7), 3)]);
    // What is so already is done, and no history.
    assert_eq!(seek(&host, at).unwrap(), [(0, Some(3), 3), (1, Some(3), 3)]);
    assert_eq!(seek(&host, "latest").unwrap(), [(0, Some(3), 10), (1, Some(3), 10)]);
    assert_eq!(host.jobs.show("a").unwrap().lag, Some(0));
    let done = ["submit", "pause", "seek in/1=7", "seek 1970-01-01T00:00:06Z", "seek latest"];
    assert_eq!(whys(&host), done);
    assert_eq!(host.jobs.show("a").unwrap().history.last().unwrap().by, "ana");
    host.jobs.resume("a", &Hold::default()).unwrap();
    host.flowing.current("a");
}

#[test]
fn of_two_submits_at_once_the_one_that_is_done_says_where_the_job_starts() {
    for _ in 0..30 {
        let host = TestHost::start(Memory::default());
        for topic in ["in", "a.dlq"] {
            host.topics.create_topic(topic, 1);
        }
        host.topics.append("in", Record::new("x"));
        let digest = Some(host.upload("a", 1).unwrap());
        let both = Barrier::new(2);
        let submit = |from: &str| {
            let from = Some(from.parse().unwrap());
            both.wait();
            host.jobs.submit(&Submit { digest: digest.clone(), from, ..Submit::default() }).unwrap()
        };
        let (latest, earliest) = std::thread::scope(|scope| {
            let first = scope.spawn(|| submit("earliest"));
            (submit("latest"), first.join().unwrap())
        });
        pause(&host);
        let looked = || host.jobs.show("a").unwrap().partitions.first().and_then(|view| view.committed);
        eventually("it is looked at", || looked().is_some());
        let starts = looked().unwrap();
        assert!(latest.changed.is_some() != earliest.changed.is_some());
        assert_eq!(starts, i64::from(latest.changed.is_some()));
        assert!([latest, earliest].iter().all(|done| done.changed.is_some() != done.notice.is_some()));
    }
}

#[test]
fn a_job_that_is_not_held_and_offsets_that_are_not_there_move_nothing() {
    let host = host();
    let before = host.topics.group("pelton-a").committed;
    let refused = seek(&host, "latest").unwrap_err();
    assert!(matches!(&refused, Error::NotPaused(job) if job == "a"), "{refused}");
    assert!(refused.to_string().contains("hold it first (`pelton pause a`)"), "{refused}");
    pause(&host);
    let refused = seek(&host, "in/0=5,in/1=11").unwrap_err();
    let Error::NoSuchOffset { causes } = &refused else { panic!("{refused}") };
    assert_eq!(*causes, ["in/1 has the offsets 0 to 9, and the next is 10: it can't start at 11"]);
    assert!(matches!(seek(&host, "in/2=0"), Err(Error::NoSuchOffset { .. })));
    host.topics.set_topics_away(Some("the cable is cut"));
    assert!(matches!(seek(&host, "latest"), Err(Error::Away { cause, .. }) if cause.contains("cable")));
    assert_eq!(host.topics.group("pelton-a").committed, before);
    assert_eq!(whys(&host), ["submit", "pause"]);
    let nobody = Seek { from: "latest".parse().unwrap(), by: None };
    assert!(matches!(host.jobs.seek("b", &nobody), Err(Error::NoSuchJob(_))));
}

#[test]
fn a_seek_waits_until_what_is_in_flight_is_delivered() {
    let host = host();
    host.flowing.current("a");
    host.flowing.hold_up("a");
    drop(host.jobs.pause("a", &Hold::default()).unwrap());
    std::thread::scope(|scope| {
        let sought = scope.spawn(|| seek(&host, "latest"));
        eventually("it waits", || host.flowing.is_running("a"));
        assert_eq!(host.topics.group("pelton-a").committed.values().copied().collect::<Vec<_>>(), [0, 0]);
        host.flowing.let_go("a");
        assert_eq!(sought.join().unwrap().unwrap(), [(0, Some(0), 10), (1, Some(0), 10)]);
    });
    // One that is resumed instead is not moved.
    host.jobs.resume("a", &Hold::default()).unwrap();
    host.flowing.current("a");
    host.flowing.hold_up("a");
    drop(host.jobs.pause("a", &Hold::default()).unwrap());
    std::thread::scope(|scope| {
        let sought = scope.spawn(|| seek(&host, "earliest"));
        host.jobs.resume("a", &Hold::default()).unwrap();
        assert!(matches!(sought.join().unwrap(), Err(Error::NotPaused(_))));
        host.flowing.let_go("a");
    });
    assert_eq!(host.topics.group("pelton-a").committed.values().copied().collect::<Vec<_>>(), [10, 10]);
}

#[test]
fn the_lag_of_a_job_that_is_held_follows_what_comes() {
    let host = host();
    pause(&host);
    eventually("it is seen where it is", || host.jobs.show("a").unwrap().lag == Some(20));
    // Also after a restart, of which the job knows nothing but its record.
    let topics = host.topics.clone();
    let catalog = host.stop();
    let host = TestHost::start_with(catalog, topics);
    eventually("it is seen again", || host.jobs.show("a").unwrap().lag == Some(20));
    host.topics.append("in", Record::new("x"));
    eventually("what has come is seen", || host.jobs.show("a").unwrap().lag == Some(21));
    // Who counts it each second shows what was seen, and looks no further.
    let tallies = host.jobs.tallies();
    assert_eq!(tallies.iter().map(|tally| (tally.name.as_str(), tally.lag)).collect::<Vec<_>>(), [("a", Some(21))]);
    host.jobs.resume("a", &Hold::default()).unwrap();
    host.flowing.current("a");
    assert_eq!(host.jobs.show("a").unwrap().lag, None, "what it does tells of it now");
}
