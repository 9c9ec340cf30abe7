//! The last two minutes of each job, so that a page that is opened shows them at once: a ring of one value a second for
//! each figure, 480 bytes. Nothing else is kept, on no disk: a host that starts begins anew, and so does a job that is
//! submitted anew.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use pelton_control::Jobs;
use pelton_control::tally::Tally;
use pelton_model::sync::lock;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, MissedTickBehavior};

const EVERY: Duration = Duration::from_secs(1);
/// Values of each figure.
const POINTS: usize = 120;
/// The upper bound of the first of a job's batch times, seconds; each further one is twice the one before.
const FIRST_BOUND: f64 = 0.000_05;

/// The answer to `GET /api/v1/recent`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RecentFigures {
    /// By the job's name.
    pub jobs: BTreeMap<String, JobFigures>,
}

/// What a job did lately.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobFigures {
    /// How long ago the newest values were taken, seconds.
    pub ago: f64,
    /// How many values there are of each figure: one a second, at most 120.
    pub points: usize,
    /// Values to four digits, the newest last, null where not known; a single one where all of them are the same. Each
    /// second: `in` (records), `out SINK` (messages or rows), `topic TOPIC` (records committed, of a job that reads
    /// several), `refused` (rejects and dead letters) and `cpu` (seconds). At the time: `lag` (records) and `memory`
    /// (bytes). Of the second's batches: `p50` and `p99` (seconds).
    pub figures: BTreeMap<String, Vec<Option<f32>>>,
}

/// The last two minutes of each job.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<BTreeMap<String, Ring>>);

/// Of one job.
#[derive(Debug)]
struct Ring {
    last: Tally,
    at: Instant,
    /// All of the same length; NaN is what is not known.
    figures: BTreeMap<String, VecDeque<f32>>,
    points: usize,
}

impl Recent {
    /// Takes the figures of all jobs each second, as long as there are jobs.
    pub(crate) async fn keep(self: Arc<Self>, jobs: Weak<Jobs>) {
        let mut each = tokio::time::interval(EVERY);
        each.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            each.tick().await;
            let Some(jobs) = jobs.upgrade() else { return };
            self.take(jobs.tallies(), Instant::now());
        }
    }

    /// Notes what is counted now; jobs that are no more are forgotten.
    fn take(&self, tallies: Vec<Tally>, at: Instant) {
        let mut rings = lock(&self.0);
        rings.retain(|name, _| tallies.iter().any(|tally| tally.name == *name));
        for tally in tallies {
            match rings.get_mut(&tally.name) {
                Some(ring) if ring.last.submitted == tally.submitted => ring.take(tally, at),
                _ => drop(rings.insert(tally.name.clone(), Ring::begin(tally, at))),
            }
        }
    }

    /// What is kept, as it is answered.
    pub(crate) fn get(&self, now: Instant) -> RecentFigures {
        let rings = lock(&self.0);
        let shown = |ring: &Ring| JobFigures {
            ago: now.saturating_duration_since(ring.at).as_secs_f64(),
            points: ring.points,
            figures: ring.figures.iter().map(|(name, values)| (name.clone(), listed(values))).collect(),
        };
        RecentFigures { jobs: rings.iter().map(|(name, ring)| (name.clone(), shown(ring))).collect() }
    }
}

/// The values of a figure, or the one that all of them are.
fn listed(values: &VecDeque<f32>) -> Vec<Option<f32>> {
    let known = |value: &f32| (!value.is_nan()).then_some(*value);
    let first = values.front().and_then(known);
    let are_the_same = values.iter().all(|value| known(value) == first);
    values.iter().map(known).take(if are_the_same { 1 } else { values.len() }).collect()
}

impl Ring {
    fn begin(tally: Tally, at: Instant) -> Self {
        let mut ring = Self { at, figures: BTreeMap::new(), points: 0, last: tally };
        ring.push(&figures(&ring.last, None));
        ring
    }

    fn take(&mut self, tally: Tally, at: Instant) {
        let time = at.saturating_duration_since(self.at).as_secs_f64();
        // A process that was suspended has counted nothing meanwhile.
        let missed = (time.round() as usize).saturating_sub(1).min(POINTS);
        (0..missed).for_each(|_| self.push(&[]));
        let before = (time > 0.0).then_some((&self.last, time));
        let figures = figures(&tally, before);
        self.figures.retain(|name, _| figures.iter().any(|(figure, _)| figure == name));
        self.push(&figures);
        (self.last, self.at) = (tally, at);
    }

    /// Adds a value to each figure: those that are given, others are not known.
    fn push(&mut self, given: &[(String, Option<f64>)]) {
        for (name, _) in given {
            if !self.figures.contains_key(name) {
                let mut values = VecDeque::with_capacity(POINTS);
                values.extend(std::iter::repeat_n(f32::NAN, self.points));
                self.figures.insert(name.clone(), values);
            }
        }
        let is_full = self.points == POINTS;
        self.points = (self.points + 1).min(POINTS);
        for (name, values) in &mut self.figures {
            let value = given.iter().find(|(figure, _)| figure == name).and_then(|(_, value)| *value);
            if is_full {
                values.pop_front();
            }
            values.push_back(value.map_or(f32::NAN, short));
        }
    }
}

/// To four digits: more can't be seen in a chart.
fn short(value: f64) -> f32 {
    if value == 0.0 || !value.is_finite() {
        return value as f32;
    }
    let scale = 10_f64.powi(3 - value.abs().log10().floor() as i32);
    ((value * scale).round() / scale) as f32
}

/// The figures of a job, with those of the seconds since it was counted before.
fn figures(now: &Tally, before: Option<(&Tally, f64)>) -> Vec<(String, Option<f64>)> {
    let counts = &now.counts;
    let before = before.map(|(before, time)| (before, &before.counts, time));
    let per = |now: f64, then: &dyn Fn(&Tally) -> Option<f64>| {
        let (before, _, time) = before?;
        Some((now - then(before)?).max(0.0) / time)
    };
    let refused = |tally: &Tally| (tally.counts.rejects + tally.counts.dead_letters) as f64;
    let batches: Vec<u64> = before.map_or_else(Vec::new, |(_, old, _)| {
        counts.batch_times.iter().zip(&old.batch_times).map(|(now, then)| now.saturating_sub(*then)).collect()
    });
    let mut figures = vec![
        ("in".to_owned(), per(counts.records_in as f64, &|then| Some(then.counts.records_in as f64))),
        ("refused".to_owned(), per(refused(now), &|then| Some(refused(then)))),
        ("cpu".to_owned(), per(counts.cpu_seconds, &|then| Some(then.counts.cpu_seconds))),
        ("lag".to_owned(), now.lag.map(|lag| lag as f64)),
        ("memory".to_owned(), Some(now.memory_bytes as f64)),
        ("p50".to_owned(), quantile(&batches, 0.5)),
        ("p99".to_owned(), quantile(&batches, 0.99)),
    ];
    for sink in &counts.sinks {
        let then = |then: &Tally| {
            let found = then.counts.sinks.iter().find(|old| old.name == sink.name);
            found.map(|old| old.records_out as f64)
        };
        figures.push((format!("out {}", sink.name), per(sink.records_out as f64, &then)));
    }
    let topics = committed(now);
    // Of a single one, the records read say it better.
    if topics.len() > 1 {
        for (topic, number) in topics {
            let rate = per(number as f64, &|then| committed(then).get(topic).map(|number| *number as f64));
            figures.push((format!("topic {topic}"), rate));
        }
    }
    figures
}

/// The sum of the offsets that are committed of each topic.
fn committed(tally: &Tally) -> BTreeMap<&str, i64> {
    let mut topics = BTreeMap::new();
    for partition in &tally.partitions {
        *topics.entry(partition.topic.as_str()).or_default() += partition.committed.unwrap_or(0).max(0);
    }
    topics
}

/// The time in seconds that a share of batches took at most, of counts per bucket; `None` where there is no batch. Those
/// in the last bucket took longer than all bounds, of which the longest is given.
fn quantile(counts: &[u64], share: f64) -> Option<f64> {
    let wanted = share * counts.iter().sum::<u64>() as f64;
    let (mut before, mut from, mut to) = (0.0, 0.0, FIRST_BOUND);
    for (bucket, count) in counts.iter().map(|count| *count as f64).enumerate() {
        if count > 0.0 && before + count >= wanted {
            let is_last = bucket + 1 == counts.len();
            return Some(if is_last { from } else { from + (to - from) * (wanted - before) / count });
        }
        before += count;
        (from, to) = (to, to * 2.0);
    }
    None
}

#[cfg(test)]
mod tests {
    use pelton_control::types::{Counts, SinkCounts};

    use super::*;

    fn tally(records: u64) -> Tally {
        let sinks = vec![SinkCounts { name: "s".to_owned(), records_out: records / 2, bytes_out: 0 }];
        let counts = Counts {
            records_in: records,
            batch_times: vec![0, 0, records / 16, 0],
            cpu_seconds: records as f64 / 100.0,
            sinks,
            ..Counts::default()
        };
        Tally {
            name: "j".to_owned(),
            submitted: time(0),
            counts,
            partitions: Vec::new(),
            lag: Some(3),
            memory_bytes: 65540,
        }
    }

    /// A time, of a crate that this one does without.
    fn time<T: serde::de::DeserializeOwned>(second: u32) -> T {
        serde_json::from_value(format!("2026-01-31T00:00:{second:02}Z").into()).unwrap()
    }

    /// A ring of figures each a second apart.
    fn taken(tallies: impl IntoIterator<Item = Tally>) -> (Recent, Instant) {
        let (recent, mut at) = (Recent::default(), Instant::now());
        for tally in tallies {
            at += EVERY;
            recent.take(vec![tally], at);
        }
        (recent, at)
    }

    #[test]
    fn rates_are_differences_over_the_time_between() {
        let (recent, at) = taken([100, 300, 310].map(tally));
        let found = &recent.get(at + EVERY / 2).jobs["j"];
        let values = |name: &str| found.figures[name].as_slice();
        assert_eq!((found.ago, found.points), (0.5, 3));
        assert_eq!(values("in"), [None, Some(200.0), Some(10.0)]);
        assert_eq!(values("out s"), [None, Some(100.0), Some(5.0)]);
        assert_eq!(values("cpu"), [None, Some(2.0), Some(0.1)]);
        assert_eq!(values("p50"), [None, Some(0.000_15), Some(0.000_15)]);
        // Of what is the same all the time, one.
        assert_eq!((values("lag"), values("memory")), ([Some(3.0)].as_slice(), [Some(65540.0)].as_slice()));
        assert!(!found.figures.contains_key("topic t"), "{found:?}");
    }

    #[test]
    fn a_day_takes_no_more_than_two_minutes() {
        let days = (0..86_400).map(|second| {
            let mut tally = tally(second * second);
            tally.counts.sinks[0].name = format!("s{}", second / 1000);
            tally
        });
        let (recent, at) = taken(days);
        let rings = lock(&recent.0);
        let ring = &rings["j"];
        assert_eq!((ring.points, ring.figures.len()), (POINTS, 8), "sinks that went are forgotten");
        assert!(ring.figures.values().all(|values| values.len() == POINTS && values.capacity() == POINTS));
        drop(rings);
        let values = &recent.get(at).jobs["j"].figures["in"];
        assert_eq!((values.len(), *values.last().unwrap()), (POINTS, Some(172_800.0)));
    }

    #[test]
    fn what_was_not_counted_is_not_known() {
        let (recent, at) = taken([100, 200].map(tally));
        recent.take(vec![tally(500)], at + EVERY * 4);
        let values = |recent: &Recent| recent.get(at).jobs["j"].figures["in"].clone();
        assert_eq!(values(&recent), [None, Some(100.0), None, None, None, Some(75.0)]);
        // Asleep for a night, it has two minutes of nothing.
        recent.take(vec![tally(600)], at + EVERY * 30_000);
        assert_eq!(values(&recent)[..POINTS - 1], [None; POINTS - 1]);
    }

    #[test]
    fn a_job_that_is_gone_or_submitted_anew_begins_anew() {
        let (recent, at) = taken([100, 200].map(tally));
        let anew = Tally { submitted: time(1), ..tally(0) };
        recent.take(vec![anew], at + EVERY);
        assert_eq!(recent.get(at).jobs["j"].points, 1);
        recent.take(vec![], at + EVERY * 2);
        assert_eq!(recent.get(at).jobs.len(), 0);
    }

    #[test]
    fn quantiles_of_batch_times() {
        let near = |counts: &[u64], share| quantile(counts, share).map(short);
        assert_eq!((near(&[], 0.5), near(&[0, 0, 0], 0.5)), (None, None));
        assert_eq!(near(&[4, 0, 0], 0.5), Some(0.000_025), "in the middle of the first bucket");
        assert_eq!(near(&[98, 0, 2, 0], 0.99), Some(0.000_15), "in the middle of the third");
        assert_eq!(near(&[1, 0, 3], 0.99), Some(0.000_1), "longer than the last bound");
    }

    #[test]
    fn four_digits_are_kept() {
        let cases = [(0.0, 0.0), (1234.5, 1235.0), (0.000_123_449, 0.000_123_4), (-2.5, -2.5), (98_765.0, 98_770.0)];
        for (value, kept) in cases {
            assert_eq!(short(value), kept, "{value}");
        }
    }
}
