//! Throughput against a real Kafka and a real Postgres, all arms interleaved in one run: `cargo bench --bench
//! pipeline`.
//!
//! Each round runs every arm once over the same preloaded topic; an arm is measured from its first record to its last
//! acknowledgement, in a process of its own. Ratios are taken within a round, so that what else the machine does falls
//! on both sides; the first arm runs twice a round, and its ratio to itself says how much a ratio may be off.
//!
//! `PELTON_BENCH_RECORDS` (default 1,000,000) and `PELTON_BENCH_ROUNDS` (default 5) size the run, `PELTON_BENCH_ONLY`
//! names the arms that are to run, with commas between. With `-- --save` the result replaces the one in
//! `docs/benchmarks.md`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark may panic, as tests may"
)]

mod arms;
#[path = "../native/mod.rs"]
mod native;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pelton_demo::Sensors;
use pelton_local::postgres::{LocalPostgres, Options};
use pelton_testkit::kafka;
use pelton_testkit::report::{self, Measuring, Run, Table};

use arms::Arms;

const SOURCE: &str = "sensors";
const SINK: &str = "alerts";
const TABLE: &str = "raw_sensors_data";
const PATIENCE: Duration = Duration::from_secs(600);
const SEED: u64 = 7;

/// The arms, in their order: what each is called here, and in the table.
const ARMS: [(&str, &str); 8] = [
    ("raw", RAW),
    ("identity", "Pelton, identity job"),
    ("filter", "Pelton, sensor_alerts"),
    ("native", "Pelton, the same filter in native Rust"),
    ("raw-again", "raw rdkafka passthrough, again"),
    ("pipeline", "Pelton, sensor_pipeline"),
    ("sink", "Pelton's sink, rows given"),
    ("copy", "psql \\copy"),
];
const RAW: &str = "raw rdkafka passthrough, two threads";

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

struct Bench {
    broker: kafka::Kafka,
    postgres: LocalPostgres,
    folder: tempfile::TempDir,
    records: u64,
    alerts: u64,
}

impl Bench {
    fn psql(&self, command: &str) {
        let psql =
            Command::new("psql").args([&self.postgres.url(), "-qAt", "-v", "ON_ERROR_STOP=1", "-c", command]).status();
        assert!(psql.expect("psql is needed").success(), "{command}");
    }

    fn empty_table(&self) {
        self.psql(&format!(
            "DROP TABLE IF EXISTS {TABLE}; CREATE TABLE {TABLE} (message_id VARCHAR(255) PRIMARY KEY, \
             sensor_id INT NOT NULL, message TEXT NOT NULL, timestamp TIMESTAMPTZ NOT NULL); CHECKPOINT"
        ));
    }

    fn csv(&self) -> PathBuf {
        self.folder.path().join("rows.csv")
    }

    fn run(&self, arm: &str) -> Run {
        match arm {
            "pipeline" | "sink" => self.empty_table(),
            "copy" => return self.copy(),
            _ => {}
        }
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--arm", arm.strip_suffix("-again").unwrap_or(arm)])
            .env("PELTON_BENCH_KAFKA", self.broker.bootstrap())
            .env("PELTON_BENCH_POSTGRES", self.postgres.url())
            .env("PELTON_BENCH_FOLDER", self.folder.path())
            .env("PELTON_BENCH_RECORDS", self.records.to_string())
            .env("PELTON_BENCH_ALERTS", self.alerts.to_string())
            .stderr(std::process::Stdio::inherit())
            .output()
            .unwrap();
        assert!(child.status.success(), "arm {arm} failed: {}", child.status);
        let run = serde_json::from_slice(&child.stdout).unwrap();
        if !self.csv().exists() && arm == "pipeline" {
            self.psql(&format!("\\copy {TABLE} TO '{}' CSV", self.csv().display()));
        }
        run
    }

    fn copy(&self) -> Run {
        self.empty_table();
        let measuring = Measuring::begin();
        self.psql(&format!("\\copy {TABLE} FROM '{}' CSV", self.csv().display()));
        // Its CPU time and memory are not this process's.
        Run { cpu: None, peak_mib: None, ..measuring.end() }
    }
}

/// How many of the readings are alerts.
fn expected_alerts(readings: &[String]) -> u64 {
    let hot =
        |text: &&String| native::Reading::parse(text).is_ok_and(|reading| reading.temperature > native::THRESHOLD);
    readings.iter().filter(hot).count() as u64
}

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--arm") {
        let run = Arms::of_environment().run(&arguments[at + 1]).expect("there is no such arm");
        println!("{}", serde_json::to_string(&run).unwrap());
        return;
    }
    // `cargo test --benches` runs this too, as `--test`: a benchmark is not a test.
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("run me by `cargo bench --bench pipeline`");
        return;
    }
    let records = number("PELTON_BENCH_RECORDS", 1_000_000);
    let rounds = number("PELTON_BENCH_ROUNDS", 5);
    let only = std::env::var("PELTON_BENCH_ONLY").unwrap_or_default();
    let runs = |arm: &str| only.is_empty() || only.split(',').any(|one| one == arm);
    let broker = kafka::Kafka::start().unwrap();
    for topic in [SOURCE, SINK] {
        broker.create_topic(topic, 2, &[]);
    }
    let readings: Vec<_> = Sensors::new(SEED).take(records as usize).map(|reading| reading.to_string()).collect();
    let alerts = expected_alerts(&readings);
    broker.produce(SOURCE, &readings.into_iter().map(kafka::Record::new).collect::<Vec<_>>());
    let postgres = LocalPostgres::start(&Options::default()).unwrap();
    let bench = Bench { broker, postgres, folder: tempfile::tempdir().unwrap(), records, alerts };
    std::fs::create_dir_all(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let mut table = Table::new(records, rounds);
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        for (arm, name) in ARMS.iter().filter(|(arm, _)| runs(arm)) {
            table.add(name, bench.run(arm));
        }
    }
    table.ratio("the passthrough / itself, which says how far a ratio may be off", ARMS[4].1, RAW, None);
    table.ratio("identity job / raw passthrough", ARMS[1].1, RAW, Some(0.95));
    table.ratio("Wasm filter / native filter", ARMS[2].1, ARMS[3].1, Some(0.9));
    table.ratio("rows and alerts / \\copy", ARMS[5].1, ARMS[7].1, Some(0.95));
    table.ratio("the sink alone / \\copy", ARMS[6].1, ARMS[7].1, Some(1.0));
    let text = table.markdown();
    println!("{text}");
    if arguments.iter().any(|argument| argument == "--save") {
        report::save("benchmarks.md", "cargo bench --bench pipeline", &text);
    }
}
