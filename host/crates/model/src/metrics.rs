//! All metrics, by name. They are counted per batch, not per record, and rendered for Prometheus by `/metrics`.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::sync::lock;

/// A counter of real numbers.
pub type FloatCounter = Counter<f64, AtomicU64>;
/// A gauge of real numbers.
pub type FloatGauge = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct JobLabel {
    job: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SinkLabels {
    job: String,
    sink: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StageLabels {
    job: String,
    stage: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PartitionLabels {
    job: String,
    topic: String,
    partition: i32,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct NameLabels {
    job: String,
    name: String,
}

/// All metrics of a host.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    records_in: Family<JobLabel, Counter>,
    bytes_in: Family<JobLabel, Counter>,
    records_out: Family<SinkLabels, Counter>,
    bytes_out: Family<SinkLabels, Counter>,
    rejects: Family<JobLabel, Counter>,
    expired: Family<JobLabel, Counter>,
    dead_letters: Family<StageLabels, Counter>,
    guest_failures: Family<JobLabel, Counter>,
    batch_time: Family<JobLabel, Histogram, fn() -> Histogram>,
    cpu: Family<JobLabel, FloatCounter>,
    memory: Family<JobLabel, Gauge>,
    lag: Family<PartitionLabels, Gauge>,
    commit_age: Family<JobLabel, FloatGauge>,
    in_flight: Family<JobLabel, Gauge>,
    instances: Family<JobLabel, Gauge>,
    up: Family<JobLabel, Gauge>,
    guest_counters: Family<NameLabels, Counter>,
    guest_gauges: Family<NameLabels, FloatGauge>,
    spans: Family<ResultLabel, Counter>,
}

/// The bounds of batch times: 50 µs to 1.6 s, doubling.
const BATCH_BOUNDS: usize = 16;
const FIRST_BOUND: Duration = Duration::from_micros(50);

fn batch_buckets() -> Histogram {
    let bounds = exponential_buckets(FIRST_BOUND.as_secs_f64(), 2.0, BATCH_BOUNDS as u16);
    Histogram::new(bounds)
}

/// The bucket of a batch's time.
fn bucket(took: Duration) -> usize {
    (0..BATCH_BOUNDS).find(|&doubled| took <= FIRST_BOUND * (1 << doubled)).unwrap_or(BATCH_BOUNDS)
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("pelton"),
            records_in: Family::default(),
            bytes_in: Family::default(),
            records_out: Family::default(),
            bytes_out: Family::default(),
            rejects: Family::default(),
            expired: Family::default(),
            dead_letters: Family::default(),
            guest_failures: Family::default(),
            batch_time: Family::new_with_constructor(batch_buckets as fn() -> Histogram),
            cpu: Family::default(),
            memory: Family::default(),
            lag: Family::default(),
            commit_age: Family::default(),
            in_flight: Family::default(),
            instances: Family::default(),
            up: Family::default(),
            guest_counters: Family::default(),
            guest_gauges: Family::default(),
            spans: Family::default(),
        };
        let r = &mut metrics.registry;
        r.register("records_in", "Records read from Kafka", metrics.records_in.clone());
        r.register_with_unit("in", "Bytes of keys and values read", Unit::Bytes, metrics.bytes_in.clone());
        r.register("records_out", "Messages or rows that a sink has acknowledged", metrics.records_out.clone());
        r.register_with_unit("out", "Bytes that a sink has acknowledged", Unit::Bytes, metrics.bytes_out.clone());
        r.register("rejects", "Records that the job itself rejected", metrics.rejects.clone());
        r.register("records_expired", "Records that Kafka deleted before they were read", metrics.expired.clone());
        r.register(
            "dead_letters",
            "Records kept as dead letters, by who gave up on them",
            metrics.dead_letters.clone(),
        );
        r.register(
            "guest_failures",
            "Failed calls of the job: traps, time, memory, broken answers",
            metrics.guest_failures.clone(),
        );
        r.register_with_unit("batch", "Time of the job for one batch", Unit::Seconds, metrics.batch_time.clone());
        r.register_with_unit("cpu", "CPU time of the job's instances", Unit::Seconds, metrics.cpu.clone());
        r.register_with_unit("memory", "Linear memory of the job's instances", Unit::Bytes, metrics.memory.clone());
        r.register("lag_records", "Records of an assigned partition that are not committed yet", metrics.lag.clone());
        r.register_with_unit(
            "commit_age",
            "Time since all that had been read was committed",
            Unit::Seconds,
            metrics.commit_age.clone(),
        );
        r.register_with_unit(
            "in_flight",
            "Bytes read and not yet acknowledged by every sink",
            Unit::Bytes,
            metrics.in_flight.clone(),
        );
        r.register("instances", "Instances of the job that run", metrics.instances.clone());
        r.register("job_up", "1 while the job is running and nothing is wrong", metrics.up.clone());
        r.register("job_counter", "Counters of the job's own", metrics.guest_counters.clone());
        r.register("job_gauge", "Gauges of the job's own", metrics.guest_gauges.clone());
        r.register("spans", "Spans of traces, by whether they were exported or dropped", metrics.spans.clone());
        metrics
    }
}

impl Metrics {
    /// The metrics of one job.
    pub fn job(self: &Arc<Self>, job: &str) -> JobMetrics {
        let label = JobLabel { job: job.to_owned() };
        let stage = |stage: &str| {
            self.dead_letters.get_or_create_owned(&StageLabels { job: job.to_owned(), stage: stage.to_owned() })
        };
        JobMetrics {
            records_in: self.records_in.get_or_create_owned(&label),
            bytes_in: self.bytes_in.get_or_create_owned(&label),
            rejects: self.rejects.get_or_create_owned(&label),
            expired: self.expired.get_or_create_owned(&label),
            dead_letters: [stage("reject"), stage("guest"), stage("sink")],
            guest_failures: self.guest_failures.get_or_create_owned(&label),
            batch_time: self.batch_time.get_or_create_owned(&label),
            guest_time: Arc::default(),
            cpu: self.cpu.get_or_create_owned(&label),
            memory: self.memory.get_or_create_owned(&label),
            commit_age: self.commit_age.get_or_create_owned(&label),
            in_flight: self.in_flight.get_or_create_owned(&label),
            instances: self.instances.get_or_create_owned(&label),
            work: Arc::default(),
            up: self.up.get_or_create_owned(&label),
            guest_names: Arc::default(),
            all: Arc::clone(self),
            job: job.to_owned(),
        }
    }

    /// The counter of spans with a result, `exported` or `dropped`.
    pub fn spans(&self, result: &'static str) -> Counter {
        self.spans.get_or_create_owned(&ResultLabel { result })
    }

    /// The text format of OpenMetrics.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string can't fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

/// What one sink of a job has acknowledged.
#[derive(Debug, Clone)]
pub struct SinkMetrics {
    /// Messages or rows.
    pub records: Counter,
    /// Bytes.
    pub bytes: Counter,
}

/// The metrics of one job. Cheap to use: everything is looked up once.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the registered help texts describe them")]
pub struct JobMetrics {
    pub records_in: Counter,
    pub bytes_in: Counter,
    pub rejects: Counter,
    pub expired: Counter,
    dead_letters: [Counter; 3],
    pub guest_failures: Counter,
    batch_time: Histogram,
    guest_time: Arc<GuestTime>,
    pub cpu: FloatCounter,
    pub memory: Gauge,
    pub commit_age: FloatGauge,
    pub in_flight: Gauge,
    pub instances: Gauge,
    work: Arc<Work>,
    pub up: Gauge,
    guest_names: Arc<Mutex<BTreeSet<String>>>,
    all: Arc<Metrics>,
    job: String,
}

/// The histogram of batch times, which the one of the registry does not tell.
#[derive(Debug, Default)]
struct GuestTime {
    batches: [AtomicU64; BATCH_BOUNDS + 1],
    nanos: AtomicU64,
}

/// What a job's instances have done, all together.
#[derive(Debug, Default)]
struct Work {
    nanos: AtomicU64,
    done: Arc<AtomicU64>,
}

/// Calls of a guest since it was first counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Batches {
    /// How many there were.
    pub count: u64,
    /// Their time.
    pub seconds: f64,
    /// How many took up to 50 µs, up to twice that, and so on until 1.6 s, and longer.
    pub times: Vec<u64>,
}

impl JobMetrics {
    /// Counts a call of the guest.
    pub fn batch(&self, took: Duration) {
        self.batch_time.observe(took.as_secs_f64());
        if let Some(batches) = self.guest_time.batches.get(bucket(took)) {
            batches.fetch_add(1, Ordering::Relaxed);
        }
        self.guest_time.nanos.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Calls of the guest since this was made.
    pub fn batches(&self) -> Batches {
        let time = &self.guest_time;
        let times: Vec<u64> = time.batches.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let seconds = time.nanos.load(Ordering::Relaxed) as f64 / 1e9;
        Batches { count: times.iter().sum(), seconds, times }
    }

    /// Adds time that an instance was at work: in the guest, or waiting for room for what it made.
    pub fn was_at_work(&self, time: Duration) {
        self.work.nanos.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Time that instances were at work, all together.
    pub fn at_work(&self) -> Duration {
        Duration::from_nanos(self.work.nanos.load(Ordering::Relaxed))
    }

    /// Records that every sink has taken what was made of, for whoever counts them.
    pub fn done(&self) -> &Arc<AtomicU64> {
        &self.work.done
    }

    /// The counters of a sink.
    pub fn sink(&self, sink: &str) -> SinkMetrics {
        let labels = SinkLabels { job: self.job.clone(), sink: sink.to_owned() };
        SinkMetrics {
            records: self.all.records_out.get_or_create_owned(&labels),
            bytes: self.all.bytes_out.get_or_create_owned(&labels),
        }
    }

    /// The counter of dead letters of a stage.
    pub fn dead_letters(&self, stage: crate::stage::Stage) -> &Counter {
        use crate::stage::Stage;
        let [reject, guest, sink] = &self.dead_letters;
        match stage {
            Stage::Reject => reject,
            Stage::Guest => guest,
            Stage::Sink => sink,
        }
    }

    /// All dead letters so far.
    pub fn dead_letters_total(&self) -> u64 {
        self.dead_letters.iter().map(Counter::get).sum()
    }

    /// Sets the lag of a partition.
    pub fn set_lag(&self, topic: &str, partition: i32, records: i64) {
        self.all.lag.get_or_create(&self.partition(topic, partition)).set(records);
    }

    /// Forgets the lag of a partition that was given up.
    pub fn remove_lag(&self, topic: &str, partition: i32) {
        self.all.lag.remove(&self.partition(topic, partition));
    }

    fn partition(&self, topic: &str, partition: i32) -> PartitionLabels {
        PartitionLabels { job: self.job.clone(), topic: topic.to_owned(), partition }
    }

    /// Forgets a job that is no more; these are its sinks. Its counters begin anew should it come back.
    pub fn forget<'a>(&self, sinks: impl Iterator<Item = &'a str>) {
        let (all, label) = (&self.all, JobLabel { job: self.job.clone() });
        for family in [&all.records_in, &all.bytes_in, &all.rejects, &all.expired, &all.guest_failures] {
            family.remove(&label);
        }
        for family in [&all.in_flight, &all.instances, &all.up, &all.memory] {
            family.remove(&label);
        }
        all.batch_time.remove(&label);
        all.cpu.remove(&label);
        all.commit_age.remove(&label);
        for stage in ["reject", "guest", "sink"] {
            all.dead_letters.remove(&StageLabels { job: self.job.clone(), stage: stage.to_owned() });
        }
        for sink in sinks {
            let labels = SinkLabels { job: self.job.clone(), sink: sink.to_owned() };
            all.records_out.remove(&labels);
            all.bytes_out.remove(&labels);
        }
        for name in std::mem::take(&mut *lock(&self.guest_names)) {
            let labels = NameLabels { job: self.job.clone(), name };
            all.guest_counters.remove(&labels);
            all.guest_gauges.remove(&labels);
        }
    }

    /// A counter of the job's own.
    pub fn guest_counter(&self, name: &str) -> Counter {
        lock(&self.guest_names).insert(name.to_owned());
        self.all.guest_counters.get_or_create_owned(&NameLabels { job: self.job.clone(), name: name.to_owned() })
    }

    /// A gauge of the job's own.
    pub fn guest_gauge(&self, name: &str) -> FloatGauge {
        lock(&self.guest_names).insert(name.to_owned());
        self.all.guest_gauges.get_or_create_owned(&NameLabels { job: self.job.clone(), name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_counted_by_their_time() {
        let metrics = Arc::new(Metrics::default()).job("a");
        for micros in [0, 50, 51, 100, 1_638_400, 1_638_401, 60_000_000] {
            metrics.batch(Duration::from_micros(micros));
        }
        let batches = metrics.batches();
        assert_eq!(batches.times, [vec![2, 2], vec![0; 13], vec![1, 2]].concat());
        assert_eq!((batches.count, batches.times.len()), (7, BATCH_BOUNDS + 1));
        assert!((batches.seconds - 63.277_002).abs() < 1e-6, "{}", batches.seconds);
    }
}
