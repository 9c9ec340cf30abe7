//! What a host with many jobs costs, and what changing a job costs, on a real Kafka: `cargo bench --bench session`.
//!
//! `PELTON_BENCH_JOBS` (default 500) is how many jobs are idle together. All arms are of this very run, so that figures
//! can be held against each other. With `-- --save` the result replaces the one in `docs/benchmarks.md`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark may panic, as tests may"
)]

mod dropped;
mod paint;

use std::fmt::Write as _;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pelton::api::types::{Reload, Submit};
use pelton::cli::client::Client;
use pelton::config::Limits;
use pelton::engine::Engine;
use pelton::kafka::StartFrom;
use pelton_model::parallelism::Parallelism;
use pelton_testkit::files::guest;
use pelton_testkit::process::HostProcess;
use pelton_testkit::{eventually, kafka, report};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, ThreadedProducer};

const PATIENCE: Duration = Duration::from_secs(600);
const SOURCE: &str = "sensors";
const SINK: &str = "alerts";
/// How long CPU time is looked at.
const WINDOW: Duration = Duration::from_secs(20);

fn identity() -> Vec<u8> {
    fs::read(guest("identity")).unwrap()
}

/// A host with one component.
struct Host {
    process: HostProcess,
    client: Client,
    digest: String,
}

impl Host {
    fn start(broker: &kafka::Kafka) -> Self {
        Self::start_with(broker, &[])
    }

    fn start_with(broker: &kafka::Kafka, environment: &[(&str, &str)]) -> Self {
        let process = HostProcess::start(env!("CARGO_BIN_EXE_pelton"), &["--kafka", &broker.bootstrap()], environment);
        let wasm = identity();
        let client = Client::new(&process.url, None, None).unwrap();
        let digest = client.upload(wasm.as_slice(), wasm.len()).unwrap().digest;
        Self { process, client, digest }
    }

    /// The share of one core that the host takes while nothing happens, percent.
    fn idle_cpu(&self) -> f64 {
        let before = self.process.cpu();
        std::thread::sleep(WINDOW);
        (self.process.cpu() - before) / WINDOW.as_secs_f64() * 100.0
    }

    fn submit(&self, name: &str, from: StartFrom) {
        let (digest, name) = (Some(self.digest.clone()), Some(name.to_owned()));
        let parallelism = Some(Parallelism::Of(1));
        self.client.submit(&Submit { digest, name, from: Some(from), parallelism, ..Submit::default() }).unwrap();
    }

    fn wait_for_partitions(&self, jobs: usize) {
        eventually::eventually(PATIENCE, "all jobs have their partitions", || {
            let list = self.client.list().ok()?.jobs;
            (list.len() == jobs && list.iter().all(|job| !job.partitions.is_empty())).then_some(())
        });
    }

    fn wait_for_records(&self, records: u64) {
        eventually::eventually(PATIENCE, "all records are through", || {
            // Each look costs the host something.
            std::thread::sleep(Duration::from_millis(500));
            let list = self.client.list().ok()?.jobs;
            list.iter().all(|job| job.counts.sinks[0].records_out == records).then_some(())
        });
    }
}

/// Memory of each idle job beyond the first, and the CPU of all: as members of their groups, and where they may sleep.
fn idle(broker: &kafka::Kafka, jobs: usize, text: &mut String) {
    for keep in [jobs, pelton::config::Kafka::default().idle_members] {
        let sleeping = jobs.saturating_sub(keep);
        let settings = [("PELTON_KAFKA__IDLE_AFTER", "5s"), ("PELTON_KAFKA__IDLE_MEMBERS", &keep.to_string())];
        let host = Host::start_with(broker, &settings);
        // The groups of the first host have members until their session is over.
        host.submit(&format!("idle-{keep}-0"), StartFrom::Latest);
        host.wait_for_partitions(1);
        let cpu_of_one = host.idle_cpu();
        let one = host.process.memory();
        for n in 1..jobs {
            host.submit(&format!("idle-{keep}-{n}"), StartFrom::Latest);
        }
        host.wait_for_partitions(jobs);
        eventually::eventually(PATIENCE, "so many sleep", || {
            std::thread::sleep(Duration::from_secs(1));
            let jobs = host.client.list().ok()?.jobs;
            (jobs.iter().filter(|job| !job.conditions.is_empty()).count() == sleeping).then_some(())
        });
        // Once the group coordinator has settled.
        std::thread::sleep(WINDOW);
        let (all, cpu) = (host.process.memory(), host.idle_cpu());
        let each = (all - one) / (jobs - 1).max(1) as f64;
        let how = if sleeping == 0 { "all of them members".to_owned() } else { format!("{sleeping} of them asleep") };
        writeln!(text, "| memory of each of {jobs} idle jobs beyond the first, {how} | {each:.0} KiB | ≤ 1024 KiB |")
            .unwrap();
        let target = if sleeping == 0 { "" } else { "not measurable" };
        writeln!(
            text,
            "| CPU of {jobs} idle jobs, {how}; of one | {cpu:.1} %; {cpu_of_one:.1} % of a core | {target} |"
        )
        .unwrap();
    }
}

/// Jobs on one topic, with and without sharing its fetches, against one job that handles as many records.
fn busy(broker: &kafka::Kafka, jobs: usize, records: usize, text: &mut String) {
    let write = |count: usize| {
        let record = |n| kafka::Record::new(format!("{n:0>150}"));
        broker.produce(SOURCE, &(0..count).map(record).collect::<Vec<_>>());
    };
    let cost = |jobs: usize, records: usize, share: &str| {
        let host = Host::start_with(broker, &[("PELTON_KAFKA__SHARE_FETCHES", share)]);
        for n in 0..jobs {
            host.submit(&format!("busy-{share}-{jobs}-{n}"), StartFrom::Latest);
        }
        host.wait_for_partitions(jobs);
        let before = host.process.cpu();
        write(records);
        host.wait_for_records(records as u64);
        host.process.cpu() - before
    };
    let one = cost(1, records * jobs, "true");
    for (how, share, target) in [("sharing its fetches", "true", "≤ 1.5"), ("each by itself", "false", "")] {
        let many = cost(jobs, records, share);
        writeln!(
            text,
            "| CPU of {jobs} jobs on one topic, {how}, {records} records each, against one job with {} | {:.2} ({many:.1} s, {one:.1} s) | {target} |",
            records * jobs,
            many / one
        )
        .unwrap();
    }
}

/// The longest times without output under load: while versions are swapped, and while they are not.
fn swaps(broker: &kafka::Kafka, text: &mut String) {
    let host = Host::start(broker);
    host.submit("swapped", StartFrom::Latest);
    host.wait_for_partitions(1);
    let digests = [1, 2].map(|number| {
        // The same component with another digest: with a custom section at its end.
        let mut wasm = identity();
        wasm.extend([0, 3, 1, b'v', number]);
        host.client.upload(wasm.as_slice(), wasm.len()).unwrap().digest
    });
    let stop = AtomicBool::new(false);
    let (mut quiet, mut swapped) = (Duration::ZERO, Duration::ZERO);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let settings = ClientConfig::new().set("bootstrap.servers", broker.bootstrap()).clone();
            let producer: ThreadedProducer<DefaultProducerContext> = settings.create().unwrap();
            let value = [b'x'; 150];
            while !stop.load(Ordering::Acquire) {
                for _ in 0..10 {
                    // A full queue is a loaded host all the same.
                    let _ = producer.send(BaseRecord::<(), _>::to(SOURCE).payload(&value));
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let outputs: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", broker.bootstrap())
            .set("group.id", "session-bench")
            .set("fetch.wait.max.ms", "5")
            .create()
            .unwrap();
        outputs.subscribe(&[SINK]).unwrap();
        while outputs.poll(Duration::from_secs(1)).is_none() {}
        // Gaps by turns without and with a swap in them, so that what else the machine does falls on both.
        for round in 0..40 {
            let swap = round % 2 == 1;
            let reload = scope.spawn({
                let (host, digest) = (&host, digests[(round / 2) % 2].clone());
                move || {
                    if swap {
                        let reload = Reload { digest: Some(digest), ..Reload::default() };
                        host.client.change("swapped", "reload", &reload).unwrap();
                    }
                }
            });
            let until = Instant::now() + Duration::from_millis(500);
            let mut last = Instant::now();
            let longest = if swap { &mut swapped } else { &mut quiet };
            while Instant::now() < until {
                if outputs.poll(Duration::from_millis(100)).is_some() {
                    *longest = (*longest).max(last.elapsed());
                    last = Instant::now();
                }
            }
            reload.join().unwrap();
        }
        stop.store(true, Ordering::Release);
    });
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    writeln!(
        text,
        "| longest pause in output over 20 swaps; over as long without | {:.0} ms; {:.0} ms | ≤ 50 ms |",
        ms(swapped),
        ms(quiet)
    )
    .unwrap();
}

/// How soon the page shows a job.
fn paint(broker: &kafka::Kafka, text: &mut String) {
    let host = Host::start(broker);
    host.submit("painted", StartFrom::Latest);
    host.wait_for_partitions(1);
    // The broker has just started, and shares the cores.
    std::thread::sleep(WINDOW);
    paint::paint(&host.process.url, text);
}

/// A start from the compiled cache, against compiling. `PELTON_BENCH_COMPONENT` adds a component of one's own.
fn cache(text: &mut String) {
    let folder = tempfile::tempdir().unwrap();
    let own = std::env::var("PELTON_BENCH_COMPONENT").ok().map(|path| fs::read(path).unwrap());
    for wasm in std::iter::once(identity()).chain(own) {
        let began = Instant::now();
        let digest =
            Engine::new(Limits::default(), Some(folder.path())).unwrap().load(&wasm).unwrap().digest().to_owned();
        let compiled = began.elapsed();
        // An engine of its own has nothing in memory.
        let engine = Engine::new(Limits::default(), Some(folder.path())).unwrap();
        let began = Instant::now();
        engine.cached(&digest).unwrap();
        let cached = began.elapsed();
        writeln!(
            text,
            "| start of a component of {} KiB from the cache; compiled | {:.1} ms; {:.0} ms | ≤ {} ms |",
            wasm.len() >> 10,
            cached.as_secs_f64() * 1e3,
            compiled.as_secs_f64() * 1e3,
            if wasm.len() < 1 << 20 { 5 } else { 40 }
        )
        .unwrap();
    }
}

fn main() {
    // `cargo test --benches` runs this too, as `--test`: a benchmark is not a test.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run me by `cargo bench --bench session`");
        return;
    }
    let jobs =
        std::env::var("PELTON_BENCH_JOBS").map_or(500, |jobs| jobs.parse().expect("PELTON_BENCH_JOBS is a number"));
    let only = std::env::var("PELTON_BENCH_ONLY").unwrap_or_default();
    let mut text = "| what | figure | target |\n|---|---|---|\n".to_owned();
    let is_due = |name: &str| only.is_empty() || only == name;
    if is_due("cache") {
        cache(&mut text);
    }
    for (name, run) in [
        ("swaps", &swaps as &dyn Fn(&kafka::Kafka, &mut String)),
        ("dropped", &|broker, text| dropped::dropped(&broker.bootstrap(), text)),
        ("paint", &paint),
        ("busy", &|broker, text| busy(broker, 50, 100_000, text)),
        ("idle", &|broker, text| idle(broker, jobs, text)),
    ] {
        if is_due(name) {
            let broker = kafka::Kafka::start().unwrap();
            broker.create_topic(SOURCE, 1, &[]);
            broker.create_topic(SINK, 1, &[]);
            run(&broker, &mut text);
            eprintln!("{text}");
        }
    }
    println!("{text}");
    if std::env::args().any(|argument| argument == "--save") {
        report::save("benchmarks.md", "cargo bench --bench session", &text);
    }
}
