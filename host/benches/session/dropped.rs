//! How soon a file in `usr_jobs` is told of on an open stream of events, as the page has one: from the end of whatever
//! wrote it. Each way, with a component that the host knows and with one that it has to compile.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use pelton::api::types::{Available, JobsEvent};

use pelton_testkit::files;
use pelton_testkit::process::HostProcess;

const ROUNDS: u32 = 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// The two example jobs, by turns, so that what a file declares changes with its content.
fn example(name: &str) -> Vec<u8> {
    fs::read(files::example(name)).unwrap()
}

/// The same component with another digest: with a custom section at its end.
fn variant(name: &str, number: u32) -> Vec<u8> {
    let mut wasm = example(name);
    wasm.extend([0, 6, 1, b'v']);
    wasm.extend(number.to_le_bytes());
    wasm
}

/// The folder, as the host tells of it.
struct FolderEvents {
    events: Receiver<Vec<Available>>,
    last: Vec<Available>,
}

impl FolderEvents {
    fn open(url: &str) -> Self {
        let (sender, events) = mpsc::channel();
        let url = format!("{url}/api/v1/events");
        std::thread::spawn(move || {
            let body = ureq::get(url).call().unwrap().into_body().into_reader();
            for line in BufReader::new(body).lines().map_while(Result::ok) {
                let Some(data) = line.strip_prefix("data:") else { continue };
                let event: JobsEvent = serde_json::from_str(data).unwrap();
                if event.available.is_some_and(|files| sender.send(files).is_err()) {
                    return;
                }
            }
        });
        Self { events, last: Vec::new() }
    }

    /// Waits until it is told that a file is, or is not, there and declares a job.
    fn wait(&mut self, file: &str, declares: Option<&str>) {
        let declared = |files: &[Available]| {
            let found = files.iter().find(|found| found.file == file);
            found.filter(|found| !found.checking).and_then(|found| found.spec.as_ref().map(|spec| spec.name.clone()))
        };
        let gone = |files: &[Available]| files.iter().all(|found| found.file != file);
        let is_told = |files: &[Available]| match declares {
            Some(name) => declared(files).as_deref() == Some(name),
            None => gone(files),
        };
        while !is_told(&self.last) {
            self.last = self.events.recv_timeout(PATIENCE).expect("the file is told of");
        }
    }
}

/// Writes a component to a file; what comes before the last step does not count.
type Way = fn(&Path, &[u8]) -> Instant;

fn copy(to: &Path, wasm: &[u8]) -> Instant {
    let _ = fs::remove_file(to);
    let from = to.with_extension("original");
    fs::write(&from, wasm).unwrap();
    fs::copy(&from, to).unwrap();
    Instant::now()
}

fn rename(to: &Path, wasm: &[u8]) -> Instant {
    let _ = fs::remove_file(to);
    let from = to.with_extension("elsewhere");
    fs::write(&from, wasm).unwrap();
    fs::rename(from, to).unwrap();
    Instant::now()
}

fn in_place(to: &Path, wasm: &[u8]) -> Instant {
    let mut file = File::create(to).unwrap();
    for part in wasm.chunks(16 << 10) {
        file.write_all(part).unwrap();
    }
    Instant::now()
}

/// As editors save: a new file beside the old one, moved over it.
fn over(to: &Path, wasm: &[u8]) -> Instant {
    let beside: PathBuf = to.with_file_name(".job.wasm.swp");
    fs::write(&beside, wasm).unwrap();
    fs::rename(beside, to).unwrap();
    Instant::now()
}

pub(crate) fn dropped(broker: &str, text: &mut String) {
    let host = HostProcess::start(env!("CARGO_BIN_EXE_pelton"), &["--kafka", broker], &[]);
    let folder = host.usr_jobs();
    let mut events = FolderEvents::open(&host.url);
    let jobs = ["sensor_alerts", "sensor_pipeline"];
    for (n, job) in jobs.iter().enumerate() {
        fs::write(folder.join(format!("known-{n}.wasm")), example(job)).unwrap();
        events.wait(&format!("known-{n}.wasm"), Some(job));
    }
    let ways: [(&str, Way); 4] =
        [("copied", copy), ("moved", rename), ("written in place", in_place), ("saved by an editor", over)];
    let mut number = 0;
    for is_new in [false, true] {
        for (name, way) in ways {
            let mut times = BTreeMap::new();
            for round in 0..ROUNDS {
                number += 1;
                let job = jobs[round as usize % 2];
                let wasm = if is_new { variant(job, number) } else { example(job) };
                let file = folder.join("job.wasm");
                let began = way(&file, &wasm);
                events.wait("job.wasm", Some(job));
                times.insert(began.elapsed(), round);
            }
            let times: Vec<_> = times.into_keys().collect();
            writeln!(
                text,
                "| file {name}, {} component, until it is told of: median and longest of {ROUNDS} | {} ms; {} ms | ≤ 500 ms |",
                if is_new { "new" } else { "known" },
                times[times.len() / 2].as_millis(),
                times[times.len() - 1].as_millis()
            )
            .unwrap();
        }
    }
}
