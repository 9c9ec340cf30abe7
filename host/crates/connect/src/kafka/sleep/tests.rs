use super::*;
use proptest::prelude::*;

fn sleep(keep: usize, after: Duration) -> Sleep {
    Sleep::new(&settings::Kafka { idle_members: keep, idle_after: after, ..settings::Kafka::default() })
}

/// Longer than any job here is a member.
const LONG: Duration = Duration::from_secs(3600);

proptest! {
    #[test]
    fn those_that_were_idle_longest_sleep(
        keep in 0usize..5,
        jobs in 0usize..10,
        busy in prop::collection::vec(0usize..10, 0..20),
    ) {
        let sleep = sleep(keep, Duration::ZERO);
        let sleepers: Vec<_> = (0..jobs).map(|_| sleep.job()).collect();
        let mut order: Vec<usize> = (0..jobs).collect();
        for job in busy.into_iter().filter(|job| *job < jobs) {
            sleepers[job].is_busy();
            order.retain(|other| *other != job);
            order.push(job);
        }
        // All have said that they are idle.
        sleepers.iter().for_each(|sleeper| { sleeper.may_sleep(LONG); });
        let may: Vec<bool> = order.iter().map(|job| sleepers[*job].may_sleep(LONG)).collect();
        let expected: Vec<bool> = (0..jobs).map(|place| jobs - place > keep).collect();
        prop_assert_eq!(may, expected);
    }
}

#[test]
fn who_had_a_record_or_has_just_joined_stays_awake() {
    assert!(!sleep(0, LONG).job().may_sleep(LONG), "a record came within the hour");
    let job = sleep(0, Duration::from_millis(1)).job();
    while lock(&job.last_record).elapsed() < Duration::from_millis(1) {
        std::thread::yield_now();
    }
    assert!(!job.may_sleep(Duration::ZERO));
    assert!(job.may_sleep(LONG));
}

#[test]
fn a_job_without_an_attempt_is_not_idle() {
    let sleep = sleep(1, Duration::ZERO);
    let (one, other) = (sleep.job(), sleep.job());
    assert!(!one.may_sleep(LONG));
    other.may_sleep(LONG);
    assert!(one.may_sleep(LONG));
    other.rest();
    assert!(!one.may_sleep(LONG));
    let third = sleep.job();
    third.may_sleep(LONG);
    assert!(one.may_sleep(LONG));
    drop(third);
    assert!(!one.may_sleep(LONG));
}

fn asleep(topic: &str, committed: Option<i64>) -> Sleeping {
    let view = |partition| PartitionView {
        topic: topic.to_owned(),
        partition,
        instance: None,
        shared: false,
        committed,
        end: committed,
        lag: Some(0),
    };
    Sleeping { partitions: vec![view(0), view(1)], wake: Arc::default(), woken: Arc::default() }
}

#[test]
fn it_looks_from_the_first_that_anybody_reads_and_wakes_who_reads_it() {
    let sleep = sleep(0, Duration::ZERO);
    lock(&sleep.0.state).sleeping = [asleep("a", Some(7)), asleep("a", Some(5)), asleep("b", None)]
        .into_iter()
        .enumerate()
        .map(|(n, s)| (n as u64, s))
        .collect();
    let key = |topic: &str, partition| (topic.to_owned(), partition);
    let all = [(key("a", 0), 5), (key("a", 1), 5), (key("b", 0), 0), (key("b", 1), 0)];
    assert_eq!(sleep.0.looked_at(), HashMap::from(all));
    sleep.0.came("a", 1);
    sleep.0.came("b", 2);
    assert_eq!(sleep.0.looked_at(), HashMap::from([(key("b", 0), 0), (key("b", 1), 0)]));
    assert!(lock(&sleep.0.state).is_looking);
    sleep.0.wake_all("test");
    assert_eq!(sleep.0.looked_at(), HashMap::new());
    assert!(!lock(&sleep.0.state).is_looking);
}
