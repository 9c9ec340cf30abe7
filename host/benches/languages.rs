//! What a job costs in each language: `cargo bench --bench languages`. Size, start and CPU per record of the two
//! example jobs, against the same parsing in native Rust; and how long it takes from `pelton new` to the first output.
//!
//! The components are built by `pelton build --install`; `PELTON_BENCH_COMPONENTS` names a folder where they are kept
//! and taken from (`<language>-<job>.wasm`). Batches of 1,000 records go straight into an instance, no Kafka, no
//! Postgres. The languages take turns, round by round, and a figure per record is CPU time of the thread, the median of
//! the rounds. `PELTON_BENCH_ONLY` is one of `cost` and `first-output`, which needs pytest and a Kafka (Java 17 and
//! Maven). With `-- --save` the results replace those in `docs/languages.md`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark may panic, as tests may"
)]

mod languages {
    pub(crate) mod first_output;
    pub(crate) mod plain;
}
mod native;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pelton::engine::{CompiledJob, Engine, Host, Instance, Process as _, Program as _};
use pelton::record::Batch;
use pelton_demo::Sensors;
use pelton_model::settings::Limits;
use pelton_testkit::{process, report};

use languages::{first_output, plain};

const SOURCE: &str = "sensors";
const SINK: &str = "alerts";
const JOBS: [&str; 2] = ["sensor_alerts", "sensor_pipeline"];
const LANGUAGES: [(&str, &str); 5] =
    [("Rust", "."), ("C", "c"), ("Go", "go"), ("JavaScript", "js"), ("Python", "python")];
const BATCH: usize = 1000;
const ROUNDS: usize = 15;
const STARTS: usize = 7;

struct Silent;

impl Host for Silent {
    fn log(&self, level: tracing::Level, message: &str) {
        assert!(level > tracing::Level::WARN, "{message}");
    }
    fn count(&self, _: &str, _: u64) {}
    fn gauge(&self, _: &str, _: f64) {}
}

fn median<T: PartialOrd + Copy>(values: &mut [T]) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    values[values.len() / 2]
}

/// The median of the ratios, round by round.
fn ratio(times: &[f64], to: &[f64]) -> f64 {
    median(&mut times.iter().zip(to).map(|(one, other)| one / other).collect::<Vec<_>>())
}

fn cpu() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

fn component(folder: &Path, language: &str, job: &str) -> Vec<u8> {
    let kept = folder.join(format!("{language}-{job}.wasm"));
    if !kept.is_file() {
        let (_, project) = LANGUAGES.iter().find(|(name, _)| *name == language).unwrap();
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-jobs").join(project).join(job);
        let out = tempfile::tempdir().unwrap();
        let mut build = process::pelton(env!("CARGO_BIN_EXE_pelton"));
        let build = build.args(["build", "--install"]).arg(project).arg("--out").arg(out.path());
        assert!(build.status().unwrap().success(), "{build:?} failed");
        fs::copy(out.path().join(format!("{job}.wasm")), &kept).unwrap();
    }
    fs::read(kept).unwrap()
}

fn instance(job: &CompiledJob) -> Instance {
    job.instantiate(&job.parameters(&[]).unwrap(), Arc::new(Silent)).unwrap()
}

/// What a language is measured by.
#[derive(Default)]
struct Figures {
    bytes: usize,
    compile: Duration,
    cold: Duration,
    cached: Duration,
    /// Nanoseconds per record of each job, by round.
    rounds: [Vec<f64>; 2],
    memory: usize,
}

/// The starts of a component: compiled, and from the cache, each up to the first outcome.
fn starts(wasm: &[u8], one: &Batch, figures: &mut Figures) {
    let folder = tempfile::tempdir().unwrap();
    // An engine of its own has nothing in memory.
    let engine = || Engine::new(Limits::default(), Some(folder.path())).unwrap();
    let first = engine();
    let began = Instant::now();
    let job = first.load(wasm).unwrap();
    figures.compile = began.elapsed();
    instance(&job).process(one).unwrap();
    figures.cold = began.elapsed();
    let mut times = [Duration::ZERO; STARTS].map(|_| {
        let engine = engine();
        let began = Instant::now();
        instance(&engine.cached(job.digest()).unwrap()).process(one).unwrap();
        began.elapsed()
    });
    figures.cached = median(&mut times);
    figures.bytes = wasm.len();
}

/// The table of what each costs.
fn cost() -> String {
    let kept = std::env::var_os("PELTON_BENCH_COMPONENTS").map(PathBuf::from);
    let temporary = tempfile::tempdir().unwrap();
    let folder = kept.as_deref().unwrap_or(temporary.path());

    let batch = native::batch(0, Sensors::new(7).take(BATCH).map(|reading| reading.to_string()));
    let one = batch.slice(0..1);

    let engine = Engine::new(Limits::default(), None).unwrap();
    let mut figures: Vec<Figures> = LANGUAGES.iter().map(|_| Figures::default()).collect();
    let mut instances = Vec::new();
    for (figures, (language, _)) in figures.iter_mut().zip(LANGUAGES) {
        eprintln!("{language}: building, compiling, starting");
        for job in JOBS {
            let wasm = component(folder, language, job);
            instances.push(instance(&engine.load(&wasm).unwrap()));
            if job == "sensor_pipeline" {
                starts(&wasm, &one, figures);
            }
        }
    }
    let mut natives = [false, true].map(native::Filter::new).map(|job| job.instantiate(&[], Arc::new(Silent)).unwrap());
    let mut native: [Vec<f64>; 2] = Default::default();
    let (mut plain, mut plain_times) = (plain::Plain, Vec::new());
    let per_record = |began: Duration| (cpu() - began).as_nanos() as f64 / BATCH as f64;
    for round in 0..=ROUNDS {
        let mut expected = Vec::new();
        for (times, program) in native.iter_mut().zip(&mut natives) {
            let began = cpu();
            expected.push(program.process(&batch).unwrap());
            times.push(per_record(began));
        }
        let began = cpu();
        let outcome = plain.process(&batch).unwrap();
        plain_times.push(per_record(began));
        assert!(outcome.rejects.is_empty());
        for (number, instance) in instances.iter_mut().enumerate() {
            let (language, job) = (number / 2, number % 2);
            let began = cpu();
            let outcome = instance.process(&batch).unwrap();
            figures[language].rounds[job].push(per_record(began));
            let outputs = |outcome: &pelton::record::Outcome| outcome.outputs.len();
            assert!(outcome.rejects.is_empty() && outputs(&outcome) == outputs(&expected[job]), "other outputs");
        }
        // The first one warms up.
        if round == 0 {
            plain_times.clear();
            native.iter_mut().chain(figures.iter_mut().flat_map(|f| &mut f.rounds)).for_each(Vec::clear);
        }
    }
    for (number, instance) in instances.iter().enumerate() {
        figures[number / 2].memory = figures[number / 2].memory.max(instance.memory());
    }

    let mut text = String::from(
        "| language | component | compile | start, compiling | start, from the cache | filter: ns/record | pipeline: ns/record | \
         against native, serde | filter, pipeline against the same code, native | memory |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (figures, (language, _)) in figures.iter().zip(LANGUAGES) {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        write!(
            text,
            "| {language} | {} | {:.0} ms | {:.0} ms | {:.1} ms |",
            size(figures.bytes),
            ms(figures.compile),
            ms(figures.cold),
            ms(figures.cached)
        )
        .unwrap();
        let [filter, pipeline] = &figures.rounds;
        writeln!(
            text,
            " {:.0} | {:.0} | {:.2} | {:.2}, {:.2} | {} |",
            median(&mut filter.clone()),
            median(&mut pipeline.clone()),
            ratio(pipeline, &plain_times),
            ratio(filter, &native[0]),
            ratio(pipeline, &native[1]),
            size(figures.memory)
        )
        .unwrap();
    }
    let [filter, pipeline] = native.map(|mut times| median(&mut times));
    writeln!(text, "| native Rust, serde | | | | | | {:.0} | 1 | | |", median(&mut plain_times)).unwrap();
    writeln!(text, "| native Rust, the same code | | | | | {filter:.0} | {pipeline:.0} | | 1 | |").unwrap();
    text
}

fn main() {
    // `cargo test --benches` runs this too, as `--test`: a benchmark is not a test.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run me by `cargo bench --bench languages`");
        return;
    }
    let only = std::env::var("PELTON_BENCH_ONLY").unwrap_or_default();
    for (name, table) in [("cost", &cost as &dyn Fn() -> String), ("first-output", &first_output::table)] {
        if only.is_empty() || only == name {
            let text = table();
            println!("{text}");
            if std::env::args().any(|argument| argument == "--save") {
                let command = format!("PELTON_BENCH_ONLY={name} cargo bench --bench languages");
                report::save("languages.md", &command, &text);
            }
        }
    }
}

fn size(bytes: usize) -> String {
    let kib = bytes as f64 / 1024.0;
    if kib < 1000.0 { format!("{kib:.0} KiB") } else { format!("{:.1} MiB", kib / 1024.0) }
}
