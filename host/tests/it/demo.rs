//! `pelton demo` as its users run it: readings become alerts and rows, and nothing stays behind, however it ends.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pelton::files::cache_folder;
use serde_json::Value;
use tempfile::TempDir;

use crate::eventually::eventually;
use crate::skip::{skip, test_name};

/// Fetching Postgres may be part of it.
const START: Duration = Duration::from_secs(180);
const END: Duration = Duration::from_secs(60);

/// A running demo, whose temporary files all go to a folder that can be looked into.
struct Demo {
    process: Child,
    folder: TempDir,
    said: Arc<Mutex<String>>,
}

impl Demo {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // As /tmp: for root, Postgres runs as another user, who makes and removes things here.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).unwrap();
        // Not a folder with `usr_jobs` in it: the jobs built in are run.
        let mut process = Command::new(env!("CARGO_BIN_EXE_pelton"))
            .arg("demo")
            .current_dir(folder.path())
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        collect(process.stdout.take().unwrap(), &said);
        collect(process.stderr.take().unwrap(), &said);
        Self { process, folder, said }
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until readings have become alerts and rows, and returns the API's address.
    #[track_caller]
    fn wait_until_it_works(&mut self) -> String {
        let api = eventually(START, "the demo says where its API is", || {
            assert_eq!(self.process.try_wait().unwrap(), None, "the demo ended: {}", self.said());
            let said = self.said();
            let (_, after) = said.split_once("curl ")?;
            Some(after.split_once('\n')?.0.to_owned())
        });
        eventually(START, "both jobs have written to all their sinks", || {
            let jobs: Value = ureq::get(&api).call().ok()?.body_mut().read_json().ok()?;
            let sinks: Vec<&Value> =
                jobs["jobs"].as_array()?.iter().flat_map(|job| job["counts"]["sinks"].as_array().unwrap()).collect();
            assert_eq!(sinks.len(), 3, "{jobs:#}");
            sinks.iter().all(|sink| sink["records_out"].as_u64() > Some(0)).then_some(())
        });
        api
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id().try_into().unwrap()), signal).unwrap();
    }

    /// Waits for the end: the exit code, or none where a signal ended it.
    #[track_caller]
    fn exit_code(&mut self) -> Option<i32> {
        let status = eventually(END, "the demo has ended", || self.process.try_wait().unwrap());
        status.code()
    }

    /// The command lines of the processes that have to do with the folder.
    fn processes(&self) -> Vec<String> {
        let folder = self.folder.path().to_str().unwrap();
        let of = |entry: fs::DirEntry| fs::read(entry.path().join("cmdline")).ok();
        fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| Some(String::from_utf8_lossy(&of(entry.ok()?)?).replace('\0', " ")))
            .filter(|line| line.contains(folder))
            .collect()
    }

    fn files(&self) -> usize {
        fs::read_dir(self.folder.path()).unwrap().count()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It has ended already where the test passed; its Postgres ends with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            eprintln!("the demo said:\n{}", self.said());
        }
    }
}

/// Reads to the end, on a thread that ends with the process.
fn collect(from: impl Read + Send + 'static, said: &Arc<Mutex<String>>) {
    let said = Arc::clone(said);
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            said.lock().unwrap().extend([&line, "\n"]);
        }
    });
}

#[test]
fn it_works_and_ctrl_c_leaves_nothing() {
    let mut demo = Demo::start();
    demo.wait_until_it_works();
    assert!(!demo.processes().is_empty() && demo.files() > 0, "Postgres is to be seen while it runs");

    demo.signal(Signal::SIGINT);
    assert_eq!(demo.exit_code(), Some(0), "{}", demo.said());
    assert_eq!(demo.processes(), Vec::<String>::new());
    assert_eq!(demo.files(), 0);
    let last = eventually(END, "the last counts are printed", || {
        demo.said().lines().last().filter(|line| line.contains("first alert after")).map(str::to_owned)
    });
    let [readings, alerts, rows, dead] = ["readings", "alerts", "rows", "dead letters"].map(|name| count(&last, name));
    assert!(readings > 0 && rows == readings && dead == 0, "{last}");
    assert!(alerts > 0 && alerts % 2 == 0, "each job has sent its alerts: {last}");
    // The jobs were well all the time.
    let said = demo.said();
    assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
}

/// The number before a name in the line of counts.
fn count(line: &str, name: &str) -> u64 {
    let (before, _) = line.split_once(&format!(" {name}")).unwrap();
    before.rsplit(", ").next().unwrap().rsplit(' ').next().unwrap().replace(',', "").parse().unwrap()
}

#[test]
fn a_kill_leaves_nothing_either() {
    let mut demo = Demo::start();
    let api = demo.wait_until_it_works();
    // Other jobs run there, too: the broker makes their topics when it is asked for them.
    let api = api.strip_suffix("/api/v1/jobs").unwrap().to_owned();
    let guest = crate::stage::guest("identity");
    let said = crate::pelton::pelton(&["submit", guest.to_str().unwrap()], &[("PELTON_API", api.as_str())]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    eventually(START, "the third job works", || {
        let mut answer = ureq::get(format!("{api}/api/v1/jobs/identity")).call().ok()?;
        let job: Value = answer.body_mut().read_json().ok()?;
        (job["counts"]["sinks"][0]["records_out"].as_u64() > Some(0)).then_some(())
    });
    demo.signal(Signal::SIGKILL);
    assert_eq!(demo.exit_code(), None);
    eventually(END, "Postgres and the shells that watch have ended", || demo.processes().is_empty().then_some(()));
    eventually(END, "the folders are gone", || (demo.files() == 0).then_some(()));
}

#[test]
fn a_ctrl_c_while_it_starts_ends_it_well() {
    let mut demo = Demo::start();
    eventually(START, "it starts Postgres", || demo.said().contains("starting Postgres").then_some(()));
    demo.signal(Signal::SIGTERM);
    assert_eq!(demo.exit_code(), Some(0), "{}", demo.said());
    assert_eq!(demo.processes(), Vec::<String>::new());
    assert_eq!(demo.files(), 0);
}

/// The code of `docs/operations.md` sends a reading to the demo, with kafka-python from PyPI. Without `api_version` this
/// version waits for a broker for 30 s, and fails.
#[test]
fn kafka_python_writes_to_it_as_the_page_says() {
    const PACKAGE: &str = "kafka-python==3.0.12";
    let environment = cache_folder().unwrap().join(PACKAGE);
    if !environment.join("installed").is_file() {
        let script = r#"python3 -m venv "$0" && "$0/bin/pip" install --quiet "$1" && touch "$0/installed""#;
        let made = Command::new("sh").args(["-c", script]).arg(&environment).arg(PACKAGE).output().unwrap();
        if !made.status.success() {
            return skip(test_name!(), &format!("no {PACKAGE}: {}", String::from_utf8_lossy(&made.stderr)));
        }
    }
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md")).unwrap();
    let (_, section) = page.split_once("\n## The demo's broker\n").unwrap();
    let (_, code) = section.split_once("\n```python\n").unwrap();
    let (code, _) = code.split_once("\n```\n").unwrap();
    assert!(code.contains("127.0.0.1:9092"));

    let mut demo = Demo::start();
    demo.wait_until_it_works();
    let said = demo.said();
    let (_, broker) = said.split_once("in memory at ").unwrap();
    let (broker, _) = broker.split_once(": topics").unwrap();
    let sent = Command::new(environment.join("bin/python"))
        .args(["-c", &code.replace("127.0.0.1:9092", broker)])
        .output()
        .unwrap();
    let offset = String::from_utf8_lossy(&sent.stdout);
    assert!(offset.trim().parse::<u64>().is_ok(), "{offset}{}", String::from_utf8_lossy(&sent.stderr));
}
