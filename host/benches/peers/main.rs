//! Pelton beside its peers, on one Kafka and one Postgres: `cargo bench --bench peers`.
//!
//! - **Rate**: all arms read the same preloaded topic of two partitions with a parallelism of 1, and are measured from
//!   their first output to their last: alerts only (the article's filter), and alerts with every reading to a table.
//!   Beside the rate, CPU time of the arm's processes, their peak memory, and the time from the start to the first output.
//! - **Latency** (`PELTON_BENCH_ONLY=latency`): readings are sent at a steady rate, each when it is due and with that
//!   time in it, whatever became of those before; an alert's latency is from there to its append to the topic.
//!
//! Flink in Java runs embedded, in one process, without the network between its managers and without checkpoints, which
//! is in its favour; Kafka Streams as it is used; PyFlink as a session cluster. Pelton is this build's program, with the
//! example components of `usr_jobs/`.
//!
//! Needs Java 17 with Maven, and for PyFlink (only with `PELTON_BENCH_PYFLINK=yes`, or the folder of a virtual
//! environment that has it) Python 3.11 or older and `curl`. `PELTON_BENCH_ARTICLE` is the author's file where GitHub
//! can't be reached. `PELTON_BENCH_RECORDS` (default 1,000,000; PyFlink takes a tenth) and `PELTON_BENCH_ROUNDS`
//! (default 3) size it. With `-- --save` the result replaces the one in `docs/benchmarks.md`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark may panic, as tests may"
)]

mod java;
mod latency;
mod outputs;
mod pyflink;

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use pelton::api::types::Submit;
use pelton::cli::client::Client;
use pelton::kafka::StartFrom;
use pelton_demo::{Hundredths, Sensors};
use pelton_local::postgres::{LocalPostgres, Options};
use pelton_model::parallelism::Parallelism;
use pelton_testkit::kafka;
use pelton_testkit::process::{HostProcess, tree};
use pelton_testkit::report::{self, Run, Table};

use outputs::Outputs;

const SOURCE: &str = "sensors";
const SINK: &str = "alerts";
const TABLE: &str = "raw_sensors_data";
const PARTITIONS: i32 = 2;
const PATIENCE: Duration = Duration::from_secs(900);

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?} failed: {status}");
}

/// A process that is ended with all its children.
pub(crate) struct Peer(Child);

impl Peer {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self(command.process_group(0).spawn().unwrap())
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let group = nix::unistd::Pid::from_raw(self.0.id().cast_signed());
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

/// What runs in an arm; it ends when it is dropped.
pub(crate) enum Running {
    Pelton(HostProcess),
    Java(Peer),
    PyFlink(pyflink::Flink),
}

impl Running {
    fn processes(&self) -> Vec<u32> {
        match self {
            Self::Pelton(host) => vec![host.id()],
            Self::Java(peer) => vec![peer.id()],
            Self::PyFlink(flink) => flink.processes.iter().map(Peer::id).collect(),
        }
    }

    /// Whether one of its processes has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.processes().into_iter().any(tree::has_ended)
    }

    /// CPU time so far, seconds.
    fn cpu(&self) -> f64 {
        self.processes().into_iter().flat_map(tree::of).filter_map(tree::cpu).sum()
    }

    /// Most memory so far, MiB.
    fn peak_mib(&self) -> f64 {
        self.processes().into_iter().flat_map(tree::of).filter_map(tree::peak_mib).sum()
    }
}

/// The servers, and what peers are made of.
pub(crate) struct Peers {
    broker: kafka::Kafka,
    postgres: LocalPostgres,
    flink: PathBuf,
    streams: PathBuf,
}

impl Peers {
    /// Starts an arm, which reads from the start of the topic, or from its end.
    pub(crate) fn start(&self, arm: &str, from: &str) -> Running {
        let (broker, group) = (self.broker.bootstrap(), kafka::unique(arm));
        let url = self.postgres.url();
        match arm {
            "pelton-alerts" | "pelton-rows" => {
                let host = HostProcess::start(
                    env!("CARGO_BIN_EXE_pelton"),
                    &["--kafka", &broker, "--postgres", &url],
                    &[("PELTON_API__SAMPLE_RECORDS", "0")],
                );
                let name = if arm == "pelton-rows" { "sensor_pipeline" } else { "sensor_alerts" };
                let wasm = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../usr_jobs/{name}.wasm"));
                let wasm = fs::read(wasm).unwrap();
                let client = Client::new(&host.url, None, None).unwrap();
                let digest = Some(client.upload(wasm.as_slice(), wasm.len()).unwrap().digest);
                let from = if from == "latest" { StartFrom::Latest } else { StartFrom::Earliest };
                // As the others have.
                let parallelism = Some(Parallelism::Of(1));
                client.submit(&Submit { digest, from: Some(from), parallelism, ..Submit::default() }).unwrap();
                Running::Pelton(host)
            }
            "flink-alerts" => Running::Java(java::start(&self.flink, &[&broker, &group, from])),
            "flink-rows" => {
                let (user, rest) = url.strip_prefix("postgresql://").unwrap().split_once('@').unwrap();
                let (name, password) = user.split_once(':').unwrap_or((user, ""));
                let mark = if rest.contains('?') { '&' } else { '?' };
                let url =
                    format!("jdbc:postgresql://{rest}{mark}user={name}&password={password}&reWriteBatchedInserts=true");
                Running::Java(java::start(&self.flink, &[&broker, &group, from, &url]))
            }
            "streams-alerts" => Running::Java(java::start(&self.streams, &[&broker, &group, from])),
            "pyflink-rows" => {
                let flink = pyflink::Flink::start(&pyflink::article(&self.broker, &self.postgres));
                flink.submit();
                Running::PyFlink(flink)
            }
            _ => panic!("there is no arm {arm}"),
        }
    }
}

/// The arms, in their order: what each is called here, and in the table.
const ARMS: [(&str, &str); 6] = [
    ("pelton-alerts", "Pelton, alerts"),
    ("flink-alerts", "Flink in Java, alerts"),
    ("streams-alerts", "Kafka Streams, alerts"),
    ("pelton-rows", "Pelton, rows and alerts"),
    ("flink-rows", "Flink in Java, rows and alerts, 5,000 rows a batch, rewritten"),
    ("pyflink-rows", "PyFlink, the article's job"),
];

/// A run of an arm until it has made so many alerts and rows, which are those of `records`, and the time from its start
/// to its first output.
fn measure(peers: &Peers, outputs: &mut Outputs, arm: &str, alerts: u64, rows: u64) -> (Run, f64) {
    outputs.begin();
    let started = Instant::now();
    let running = peers.start(arm, "earliest");
    outputs.wait(&running, 1, 0);
    let first = started.elapsed().as_secs_f64();
    let (began, cpu) = (Instant::now(), running.cpu());
    let idle = report::Idle::begin();
    outputs.wait(&running, alerts, rows);
    let run = Run {
        seconds: began.elapsed().as_secs_f64(),
        cpu: Some(running.cpu() - cpu),
        peak_mib: Some(running.peak_mib()),
        idle: Some(idle.end()),
    };
    (run, first)
}

fn main() {
    // `cargo test --benches` runs this too, as `--test`: a benchmark is not a test.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run me by `cargo bench --bench peers`");
        return;
    }
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
    };
    let records = number("PELTON_BENCH_RECORDS", 1_000_000);
    let rounds = number("PELTON_BENCH_ROUNDS", 3);
    let has_pyflink = std::env::var_os("PELTON_BENCH_PYFLINK").is_some();
    let broker = kafka::Kafka::start().unwrap();
    let postgres = LocalPostgres::start(&Options::default()).unwrap();
    let peers = Peers { flink: java::build("flink"), streams: java::build("streams"), broker, postgres };
    peers.broker.create_topic(SOURCE, PARTITIONS, &[]);
    peers.broker.create_topic(SINK, PARTITIONS, &[("message.timestamp.type", "LogAppendTime")]);
    let mut outputs = Outputs::new(&peers.broker, &peers.postgres);
    let saves = std::env::args().any(|argument| argument == "--save");
    if std::env::var("PELTON_BENCH_ONLY").is_ok_and(|only| only == "latency") {
        let text = latency::table(&peers, &mut outputs);
        println!("{text}");
        if saves {
            report::save("benchmarks.md", "PELTON_BENCH_ONLY=latency cargo bench --bench peers", &text);
        }
        return;
    }

    // The author's job ends for good at a time on the second, which its format doesn't take.
    let readings = Sensors::new(7).filter(|reading| reading.timestamp.timestamp_subsec_micros() > 0);
    let readings: Vec<_> = readings.take(records as usize).collect();
    let alerts = readings.iter().filter(|reading| reading.temperature > Hundredths(30_00)).count() as u64;
    let messages: Vec<_> = readings.iter().map(|reading| kafka::Record::new(reading.to_string())).collect();
    peers.broker.produce(SOURCE, &messages);
    drop((readings, messages));

    let mut table = Table::new(records, rounds);
    let mut starts: Vec<(&str, Vec<f64>)> = Vec::new();
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        for (arm, name) in ARMS.iter().filter(|(arm, _)| has_pyflink || *arm != "pyflink-rows") {
            let rows = if arm.ends_with("rows") { records } else { 0 };
            // At a tenth of the alerts a tenth of the records are through, about.
            let part = if *arm == "pyflink-rows" { 10 } else { 1 };
            let (run, first) = measure(&peers, &mut outputs, arm, alerts / part, rows / part);
            let whole = |value: f64| value * part as f64;
            table.add(name, Run { seconds: whole(run.seconds), cpu: run.cpu.map(whole), ..run });
            eprintln!("    first output after {first:.2} s");
            match starts.iter_mut().find(|(one, _)| one == name) {
                Some((_, times)) => times.push(first),
                None => starts.push((name, vec![first])),
            }
        }
    }
    for peer in [1, 2] {
        table.ratio(&format!("Pelton / {}", ARMS[peer].1), ARMS[0].1, ARMS[peer].1, Some(4.0));
    }
    table.ratio(&format!("Pelton / {}", ARMS[4].1), ARMS[3].1, ARMS[4].1, Some(3.0));
    table.ratio(&format!("Pelton / {}", ARMS[5].1), ARMS[3].1, ARMS[5].1, Some(20.0));
    let mut text = table.markdown();
    text.push_str("\n| arm | start → first output, s |\n|---|---|\n");
    for (name, times) in &starts {
        let (low, high) = report::spread(times);
        text.push_str(&format!("| {name} | {:.2} ({low:.2}–{high:.2}) |\n", report::median(times)));
    }
    println!("{text}");
    if saves {
        report::save("benchmarks.md", "cargo bench --bench peers", &text);
    }
}
