use pelton_model::record::Batch;
use proptest::prelude::*;

use super::super::feed::*;
use super::*;

const TOPIC: &str = "in";

/// Feeds whose fetcher is the test.
fn feeds() -> Feeds {
    let feeds = Feeds::new(&settings::Kafka::default(), &Batching::default());
    lock(&feeds.0.registry).is_running = true;
    feeds
}

fn enter(feeds: &Feeds) -> Place {
    feeds.enter(&TOPIC.into(), 0, &Arc::default())
}

/// The feed that the fetcher sees.
fn followed(feeds: &Feeds) -> Option<(Arc<Feed>, u64, i64)> {
    let followed = feeds.0.followed();
    lock(&feeds.0.registry).is_running = true;
    followed.into_iter().next()
}

fn batch(offsets: &[i64]) -> Batch {
    let mut batch = Batch { topic: TOPIC.into(), ..Batch::default() };
    for &offset in offsets {
        batch.offsets.push(offset);
        batch.timestamps.push(-1);
        batch.keys.push(None);
        batch.values.push(Some(&[0; 100]));
        batch.headers.end_record();
    }
    batch
}

/// All that a job can take from `next` on, and whether it has lost the feed then.
fn take_all(place: &Place, mut next: i64) -> (Vec<i64>, bool) {
    let mut taken = Vec::new();
    loop {
        match place.take(next) {
            Taken::Batch(batch) => {
                taken.extend(batch.offsets.iter().filter(|&&offset| offset >= next));
                next = batch.offsets.last().unwrap() + 1;
            }
            Taken::Passed(end) => {
                assert!(end > next);
                next = end;
            }
            Taken::Nothing => return (taken, false),
            Taken::Lost => return (taken, true),
        }
    }
}

#[test]
fn who_is_alone_follows_nothing() {
    let feeds = feeds();
    let one = enter(&feeds);
    assert!(!one.follow(0));
    let two = enter(&feeds);
    assert!(one.follow(0));
    drop(two);
    assert!(matches!(one.take(0), Taken::Lost), "alone again it reads by itself");
    one.leave();
    assert!(followed(&feeds).is_none());
}

#[test]
fn nothing_is_shared_where_it_is_switched_off() {
    let feeds =
        Feeds::new(&settings::Kafka { share_fetches: false, ..settings::Kafka::default() }, &Batching::default());
    let (one, _two) = (enter(&feeds), enter(&feeds));
    assert!(!one.follow(0));
}

#[test]
fn nothing_is_shared_right_after_a_failure() {
    let feeds = feeds();
    let (one, two) = (enter(&feeds), enter(&feeds));
    assert!(one.follow(0));
    feeds.0.fail("a test");
    assert!(matches!(one.take(0), Taken::Lost));
    assert!(!two.follow(0));
}

#[test]
fn a_feed_begins_where_its_first_reader_is_and_others_join_where_it_reaches() {
    let feeds = feeds();
    let [one, two, three] = [(); 3].map(|()| enter(&feeds));
    assert!(one.follow(10));
    let (feed, id, start) = followed(&feeds).unwrap();
    assert_eq!(start, 10);
    feed.put(id, batch(&[10, 11, 15]));
    assert!(!two.follow(9), "offset 9 is not in it");
    assert!(!two.follow(17), "it has not come to 17");
    // In the middle of a batch, and where a record would be that there is not.
    assert!(two.follow(11) && three.follow(13));
    assert_eq!(take_all(&one, 10), (vec![10, 11, 15], false));
    assert_eq!(take_all(&two, 11), (vec![11, 15], false));
    assert_eq!(take_all(&three, 13), (vec![15], false));
    assert_eq!(one.end(), Some(16));
    feed.is_at(id, 20);
    assert_eq!(one.end(), Some(20));
}

#[test]
fn jobs_are_given_the_same_batch() {
    let feeds = feeds();
    let (one, two) = (enter(&feeds), enter(&feeds));
    assert!(one.follow(0) && two.follow(0));
    let (feed, id, _) = followed(&feeds).unwrap();
    feed.put(id, batch(&[0, 1]));
    let (Taken::Batch(first), Taken::Batch(second)) = (one.take(0), two.take(0)) else { panic!("nothing to take") };
    assert!(Arc::ptr_eq(&first, &second));
}

#[test]
fn the_fetcher_waits_for_the_fastest_and_not_for_the_slowest() {
    let feeds = feeds();
    let (fast, slow) = (enter(&feeds), enter(&feeds));
    assert!(fast.follow(0) && slow.follow(0));
    let (feed, id, _) = followed(&feeds).unwrap();
    feed.with(id, |recent| recent.keep = 4000);
    let mut offset = 0;
    while !feed.holds(id) {
        feed.put(id, batch(&[offset]));
        offset += 1;
    }
    assert!((1..40).contains(&offset));
    let (taken, lost) = take_all(&fast, 0);
    assert!(!lost && taken.len() as i64 == offset, "what was held for it is there");
    assert!(!feed.holds(id));
    for _ in 0..100 {
        feed.put(id, batch(&[offset]));
        assert_eq!(take_all(&fast, offset), (vec![offset], false));
        offset += 1;
    }
    assert!(matches!(slow.take(0), Taken::Lost));
    slow.leave();
    assert!(fast.follow(offset));
}

#[test]
fn a_reader_of_a_feed_that_has_ended_has_lost_it_also_where_another_began() {
    let feeds = feeds();
    let (one, two) = (enter(&feeds), enter(&feeds));
    assert!(one.follow(0));
    followed(&feeds).unwrap().0.end();
    assert!(two.follow(0));
    assert!(matches!(one.take(0), Taken::Lost));
    // A fetcher that has not noticed yet does nothing to the new one.
    let (feed, id, _) = followed(&feeds).unwrap();
    feed.put(id - 1, batch(&[0]));
    assert!(matches!(two.take(0), Taken::Nothing));
}

#[test]
fn places_that_are_given_up_leave_nothing() {
    let feeds = feeds();
    let (one, two) = (enter(&feeds), enter(&feeds));
    assert!(one.follow(0) && two.follow(0));
    drop(one);
    assert!(followed(&feeds).is_some());
    drop(two);
    assert!(followed(&feeds).is_none());
    assert!(lock(&feeds.0.registry).feeds.is_empty());
}

#[derive(Debug, Clone)]
enum Step {
    /// The fetcher keeps so many further records.
    Put(usize),
    /// A job takes what is there, follows, or reads so many by itself.
    Read(usize, usize),
    /// Nothing has come for a while.
    Rest,
    /// The feed ends.
    End,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (1usize..20).prop_map(Step::Put),
        8 => (0usize..3, 0usize..30).prop_map(|(job, n)| Step::Read(job, n)),
        1 => Just(Step::Rest),
        1 => Just(Step::End),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn every_job_reads_every_record_once_and_in_order(gaps in prop::collection::vec(1i64..4, 2000), steps in steps()) {
        // The log: offsets that rise, with gaps as compaction leaves them.
        let log: Vec<i64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
        let feeds = feeds();
        let places = [(); 3].map(|()| enter(&feeds));
        let mut read = [(); 3].map(|()| Vec::<i64>::new());
        let mut follows = [false; 3];
        for step in steps {
            match step {
                Step::Put(records) => if let Some((feed, id, next)) = followed(&feeds) {
                    feed.with(id, |recent| recent.keep = 3000);
                    let from = log.partition_point(|&offset| offset < next);
                    feed.put(id, batch(&log[from.min(log.len())..(from + records).min(log.len())]));
                },
                Step::Read(job, alone) => {
                    let next = read[job].last().map_or(0, |last| last + 1);
                    if follows[job] {
                        let (taken, lost) = take_all(&places[job], next);
                        read[job].extend(taken);
                        if lost {
                            places[job].leave();
                            follows[job] = false;
                        }
                    } else if places[job].follow(next) {
                        follows[job] = true;
                    } else {
                        let from = read[job].len();
                        read[job].extend(&log[from..(from + alone).min(log.len())]);
                    }
                }
                Step::Rest => if let Some((feed, id, _)) = followed(&feeds) { feed.rest(id) },
                Step::End => if let Some((feed, ..)) = followed(&feeds) { feed.end() },
            }
        }
        for read in read {
            prop_assert_eq!(&read[..], &log[..read.len()]);
        }
    }
}

#[test]
fn offsets_without_records_are_passed() {
    let feeds = feeds();
    let (one, two) = (enter(&feeds), enter(&feeds));
    assert!(one.follow(0) && two.follow(0));
    let (feed, id, _) = followed(&feeds).unwrap();
    feed.put(id, batch(&[0, 1]));
    feed.passed(id, 5);
    feed.passed(id, 4);
    assert!(matches!(one.take(2), Taken::Passed(5)) && matches!(one.take(5), Taken::Nothing));
    feed.put(id, batch(&[7]));
    assert_eq!(take_all(&one, 5), (vec![7], false));
    assert_eq!(take_all(&two, 0), (vec![0, 1, 7], false));
    // A job that stands behind the marker follows as well as one that stands before it.
    let three = enter(&feeds);
    assert!(three.follow(5));
    assert_eq!(take_all(&three, 5), (vec![7], false));
}
