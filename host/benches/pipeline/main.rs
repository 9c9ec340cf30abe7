//! Throughput against a real Kafka and a real Postgres, all arms interleaved in one run: `cargo bench --bench
//! pipeline`.
//!
//! Each round runs every arm once over the same preloaded topic; an arm is timed from its first record to its last
//! acknowledgement. Ratios are taken within a round, so that what else the machine does falls on both sides.
//!
//! `PELTON_BENCH_RECORDS` (default 300,000) and `PELTON_BENCH_ROUNDS` (default 5) size the run. With `-- --save` the
//! result replaces the one in `docs/benchmarks.md`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark may panic, as tests may"
)]

mod native;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pelton::config::Config;
use pelton::connect::{AtLeastOnce, Connectors, Requests};
use pelton::engine::{Engine, Host, Program};
use pelton::metrics::Metrics;
use pelton::pipeline::sample::Samples;
use pelton::pipeline::{Attempt, CurrentVersion, Job, JobEnvironment, Pace, Version};
use pelton_demo::Sensors;
use pelton_local::postgres::{LocalPostgres, Options};
use pelton_testkit::{kafka, report};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, NoCustomPartitioner, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Message};

const SOURCE: &str = "sensors";
const SINK: &str = "alerts";
const TABLE: &str = "raw_sensors_data";
const PATIENCE: Duration = Duration::from_secs(600);

struct Silent;

impl Host for Silent {
    fn log(&self, _: tracing::Level, _: &str) {}
    fn count(&self, _: &str, _: u64) {}
    fn gauge(&self, _: &str, _: f64) {}
}

/// What all arms share.
struct Bench {
    config: Arc<Config>,
    runtime: tokio::runtime::Runtime,
    engine: Engine,
    records: u64,
    alerts: u64,
    postgres: LocalPostgres,
}

fn guest(path: &str) -> Vec<u8> {
    std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

impl Bench {
    /// Waits until `count` says that all is done; the time since the first record came in.
    fn time(&self, first: impl Fn() -> bool, done: impl Fn() -> bool) -> f64 {
        let deadline = Instant::now() + PATIENCE;
        let until = |condition: &dyn Fn() -> bool| {
            while !condition() {
                assert!(Instant::now() < deadline, "an arm did not finish within {PATIENCE:?}");
                std::thread::sleep(Duration::from_millis(1));
            }
            Instant::now()
        };
        let began = until(&first);
        (until(&done) - began).as_secs_f64()
    }

    /// Consume and produce with nothing in between, by librdkafka's own means and our settings.
    fn raw(&self) -> f64 {
        let group = kafka::unique("raw");
        let interval = self.config.delivery.commit_interval;
        let consumer: BaseConsumer =
            pelton::kafka::consumer(&self.config.kafka, "raw", &group, interval).create().unwrap();
        let delivered = Arc::new(AtomicU64::new(0));
        let producer: ThreadedProducer<Delivered> = pelton::kafka::producer(&self.config.kafka, "raw")
            .create_with_context(Delivered(Arc::clone(&delivered)))
            .unwrap();
        consumer.subscribe(&[SOURCE]).unwrap();
        let mut began = None;
        let mut read = 0;
        while read < self.records {
            let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
            let message = message.unwrap();
            began.get_or_insert_with(Instant::now);
            let mut record = BaseRecord::<[u8], [u8]>::to(SINK);
            record.key = message.key();
            record.payload = message.payload();
            record.timestamp = message.timestamp().to_millis();
            producer.send(record).map_err(|(error, _)| error).unwrap();
            read += 1;
        }
        while delivered.load(Ordering::Acquire) < self.records {
            std::thread::sleep(Duration::from_millis(1));
        }
        let took = began.unwrap().elapsed().as_secs_f64();
        producer.flush(Duration::from_secs(10)).unwrap();
        took
    }

    /// A job in Pelton's pipeline, until every sink has acknowledged all that is due.
    fn pelton(&self, program: Arc<dyn Program>, due: &[(&str, u64)]) -> f64 {
        let name = kafka::unique("bench");
        let metrics = Arc::new(Metrics::default()).job(&name);
        let stop = Arc::new(AtomicBool::new(false));
        let parameters = program.spec().parameters.iter().map(|p| (p.name.clone(), p.default.clone().unwrap()));
        let version = Version::new(1, Arc::clone(&program), parameters.collect(), "");
        let connectors = Arc::new(Connectors::new(&self.config, self.runtime.handle()).unwrap());
        let attempt = Attempt {
            current: Arc::new(CurrentVersion::new(version, Samples::default())),
            source: connectors.sources().job(&name),
            group: name.clone(),
            committer: Arc::new(AtLeastOnce),
            requests: Requests { stop: Arc::clone(&stop), ..Requests::default() },
            job: Job { name: name.into(), host: Arc::new(Silent), metrics: metrics.clone(), tracer: None },
            status: Arc::default(),
            assignment: Arc::default(),
            environment: JobEnvironment { config: Arc::clone(&self.config), connectors, pace: Pace::default() },
        };
        let thread = std::thread::spawn(move || attempt.run().unwrap());
        let sinks: Vec<_> = due.iter().map(|(sink, count)| (metrics.sink(sink), *count)).collect();
        let took = self.time(
            || metrics.records_in.get() > 0,
            || {
                metrics.records_in.get() == self.records
                    && sinks.iter().all(|(sink, count)| sink.records.get() == *count)
            },
        );
        stop.store(true, Ordering::Release);
        thread.join().unwrap();
        took
    }

    fn component(&self, path: &str) -> Arc<dyn Program> {
        Arc::new(self.engine.load(&guest(path)).unwrap())
    }

    fn psql(&self, command: &str) {
        let psql =
            Command::new("psql").args([&self.postgres.url(), "-qAt", "-v", "ON_ERROR_STOP=1", "-c", command]).status();
        assert!(psql.expect("psql is needed").success(), "{command}");
    }

    fn table(&self) {
        self.psql(&format!(
            "DROP TABLE IF EXISTS {TABLE}; CREATE TABLE {TABLE} (message_id VARCHAR(255) PRIMARY KEY, \
             sensor_id INT NOT NULL, message TEXT NOT NULL, timestamp TIMESTAMPTZ NOT NULL); CHECKPOINT"
        ));
    }
}

struct Delivered(Arc<AtomicU64>);

impl ClientContext for Delivered {
    fn stats(&self, _: rdkafka::Statistics) {}
}

impl ProducerContext<NoCustomPartitioner> for Delivered {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        assert!(result.is_ok());
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// How many of the readings are alerts.
fn expected_alerts(readings: &[String]) -> u64 {
    let hot =
        |text: &&String| native::Reading::parse(text).is_ok_and(|reading| reading.temperature > native::THRESHOLD);
    readings.iter().filter(hot).count() as u64
}

fn main() {
    // `cargo test --benches` runs this too, as `--test`: a benchmark is not a test.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run me by `cargo bench --bench pipeline`");
        return;
    }
    let records = number("PELTON_BENCH_RECORDS", 300_000);
    let rounds = number("PELTON_BENCH_ROUNDS", 5);
    let broker = kafka::Kafka::start().unwrap();
    let postgres = LocalPostgres::start(&Options::default()).unwrap();
    let mut config = Config::default();
    config.kafka.bootstrap = broker.bootstrap();
    config.postgres.url = Some(pelton::config::Secret(postgres.url()));
    let folder = tempfile::tempdir().unwrap();
    config.data = folder.path().to_owned();
    for topic in [SOURCE, SINK] {
        broker.create_topic(topic, 2, &[]);
    }
    let readings: Vec<_> = Sensors::new(7).take(records as usize).map(|reading| reading.to_string()).collect();
    let hot = expected_alerts(&readings);
    broker.produce(SOURCE, &readings.into_iter().map(kafka::Record::new).collect::<Vec<_>>());
    let bench = Bench {
        engine: Engine::new(config.limits.clone(), None).unwrap(),
        config: Arc::new(config),
        runtime: tokio::runtime::Runtime::new().unwrap(),
        records,
        alerts: hot,
        postgres,
    };
    let (all, alerts) = (bench.records, bench.alerts);
    let csv = bench.config.data.join("rows.csv");
    let mut table = report::Table::new(records, rounds);
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        table.add("raw rdkafka passthrough", bench.raw());
        table.add("Pelton, identity job", bench.pelton(bench.component("tests/guests/identity.wasm"), &[(SINK, all)]));
        table.add(
            "Pelton, sensor_alerts",
            bench.pelton(bench.component("../usr_jobs/sensor_alerts.wasm"), &[(SINK, alerts)]),
        );
        table.add(
            "Pelton, the same filter in native Rust",
            bench.pelton(Arc::new(native::Filter::new(false)), &[(SINK, alerts)]),
        );
        bench.table();
        let pipeline = bench.component("../usr_jobs/sensor_pipeline.wasm");
        table.add("Pelton, sensor_pipeline", bench.pelton(pipeline, &[(TABLE, all), (SINK, alerts)]));
        if round == 0 {
            bench.psql(&format!("\\copy {TABLE} TO '{}' CSV", csv.display()));
        }
        bench.table();
        let began = Instant::now();
        bench.psql(&format!("\\copy {TABLE} FROM '{}' CSV", csv.display()));
        table.add("psql \\copy", began.elapsed().as_secs_f64());
    }
    table.ratio("identity job / raw passthrough", "Pelton, identity job", "raw rdkafka passthrough", 0.7);
    table.ratio("Wasm filter / native filter", "Pelton, sensor_alerts", "Pelton, the same filter in native Rust", 0.8);
    table.ratio("rows and alerts / \\copy", "Pelton, sensor_pipeline", "psql \\copy", 0.5);
    let text = table.markdown();
    println!("{text}");
    if std::env::args().any(|argument| argument == "--save") {
        report::save("benchmarks.md", "cargo bench --bench pipeline", &text);
    }
    drop(bench);
    drop(broker);
}
