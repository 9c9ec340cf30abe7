//! From `pelton new` to the first output, in each language, as a user goes: the project's own tests, `pelton build`,
//! `pelton test`, `pelton submit` to a host that has just started, on a real Kafka.
//!
//! The toolchain is there, with zig's C library and what package managers have fetched; nothing is compiled yet.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use clap::ValueEnum as _;
use pelton_build::Language;

use pelton_testkit::eventually::eventually;
use pelton_testkit::kafka::{Kafka, Record};
use pelton_testkit::process::{self, HostProcess};

const LANGUAGES: [(&str, Language); 5] = [
    ("Rust", Language::Rust),
    ("C", Language::C),
    ("Go", Language::Go),
    ("JavaScript", Language::JavaScript),
    ("Python", Language::Python),
];
/// What the template reads and writes, and its records: the same in each language.
const SOURCE: &str = "words";
const SINK: &str = "long_words";
const RECORDS: &str = include_str!("../../crates/build/templates/kinds/words/records.jsonl");
const PATIENCE: Duration = Duration::from_secs(600);
const TARGET: u32 = 60;

/// A user's shell in a folder that holds one new project.
struct Shell {
    folder: tempfile::TempDir,
    api: String,
}

impl Shell {
    fn new(folder: tempfile::TempDir, api: &str) -> Self {
        let cache = folder.path().join("cache/pelton");
        fs::create_dir_all(&cache).unwrap();
        let real = std::env::var_os("XDG_CACHE_HOME")
            .map_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"), PathBuf::from);
        std::os::unix::fs::symlink(real.join("pelton/tools"), cache.join("tools")).unwrap();
        Self { folder, api: api.to_owned() }
    }

    /// Runs a command in the folder, or in the project's, and gives the time that it took.
    fn run(&self, command: &mut Command, inside: &str) -> Duration {
        let log = self.folder.path().join("log");
        let write = || File::options().create(true).append(true).open(&log).unwrap();
        let began = Instant::now();
        let status = command
            .current_dir(self.folder.path().join(inside))
            .env("XDG_CACHE_HOME", self.folder.path().join("cache"))
            .env("PELTON_API", &self.api)
            .env_remove("CARGO_TARGET_DIR")
            .stdout(write())
            .stderr(write())
            .status()
            .unwrap();
        assert!(status.success(), "{command:?} failed ({status}):\n{}", fs::read_to_string(&log).unwrap());
        began.elapsed()
    }

    fn pelton(&self, arguments: &str, inside: &str) -> Duration {
        let mut pelton = process::pelton(env!("CARGO_BIN_EXE_pelton"));
        pelton.args(arguments.split(' '));
        let records = self.folder.path().join(inside).join("records.jsonl");
        if let Ok(records) = File::open(records) {
            pelton.stdin(records);
        }
        self.run(&mut pelton, inside)
    }
}

/// The seconds of each step, as a row of the table.
fn row(broker: &Kafka, title: &str, language: Language) -> String {
    let folder = tempfile::tempdir().unwrap();
    // One account, thus one cache folder.
    let cache = folder.path().join("cache").display().to_string();
    let host = HostProcess::start(
        env!("CARGO_BIN_EXE_pelton"),
        &["--kafka", &broker.bootstrap()],
        &[("XDG_CACHE_HOME", &cache)],
    );
    let shell = Shell::new(folder, &host.url);
    let outputs = || broker.end_offsets(SINK).iter().sum::<i64>();
    let before = outputs();
    let of = language.to_possible_value().unwrap();
    let of = of.get_name();
    let name = format!("{of}_words");
    let component = format!("usr_jobs/{name}.wasm");

    let began = Instant::now();
    let new = shell.pelton(&format!("new {name} --lang {of}"), "");
    let own = shell.run(Command::new("sh").args(["-c", language.test_command()]), &name);
    let build = shell.pelton("build . --out usr_jobs", &name);
    let test = shell.pelton(&format!("test {component} --golden golden.jsonl"), &name);
    let submitted = Instant::now();
    shell.pelton(&format!("submit {component} --from earliest"), &name);
    eventually(PATIENCE, "the first output", || (outputs() > before).then_some(()));
    let (submit, all) = (submitted.elapsed(), began.elapsed());
    let cells = [new, own, build, test, submit, all].map(|time| format!(" {:.1} s |", time.as_secs_f64()));
    format!("| {title} |{} ≤ {TARGET} s |\n", cells.concat())
}

/// The table of all languages.
pub(crate) fn table() -> String {
    let broker = Kafka::start().unwrap();
    broker.create_topic(SOURCE, 1, &[]);
    broker.create_topic(SINK, 1, &[]);
    broker.produce(SOURCE, &RECORDS.lines().map(Record::new).collect::<Vec<_>>());
    let mut text =
        "| language | `pelton new` | its own tests | `pelton build` | `pelton test` | `pelton submit` to the first \
                    output | all | target |\n|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for (title, language) in LANGUAGES {
        eprintln!("{title}: from nothing to the first output");
        write!(text, "{}", row(&broker, title, language)).unwrap();
        eprintln!("{text}");
    }
    text
}
