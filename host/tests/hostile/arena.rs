//! The host that is attacked: one for the whole corpus, with the settings that it has by default but for some times.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::eventually::eventually;
use crate::kafka::{Kafka, Record};
use crate::neighbour::Neighbour;
use crate::pelton::{Host, Said};
use crate::skip;
use crate::stage::{SETTINGS, Servers, guest};
use crate::{Fate, Guest, assemble, guests};

/// MiB that a host may hold while guests do their worst: 256 (`limits.memory_mib`) of theirs, and what docs/security.md
/// allows the host beside that.
pub(crate) const MOST_MEMORY: u64 = 512;
/// Records that each guest gets. Those that fail on some fail on number 7.
const RECORDS: i64 = 12;
/// Bytes of whatever the host says of a guest: in a refusal, in a list, in metrics.
const MOST_SAID: usize = 64 << 10;

/// For a guest to meet its fate.
const FATE: Duration = Duration::from_secs(60);
/// What takes its time by default.
const PATIENCE: &str = "[limits]\nstart_time = \"2s\"\ncompile_time = \"10s\"\n[kafka.properties]\n\"topic.metadata.refresh.interval.ms\" = \"5000\"\n";

static ARENA: Mutex<Option<Arena>> = Mutex::new(None);

struct Arena {
    // Fields drop in this order: the neighbour goes before the servers that it uses.
    neighbour: Neighbour,
    host: Host,
    servers: Servers,
    /// Whether a guest is at it; still so in the next test where it has failed.
    attacked: bool,
}

/// Lets a guest attack, and checks what becomes of it and of everybody else.
#[track_caller]
pub(crate) fn attack(guest: &Guest) {
    if let Err(reason) = Kafka::available() {
        return skip::skip(guest.test, &reason);
    }
    let mut arena = Arena::take();
    arena.as_mut().unwrap().attack(guest);
}

/// A host with the neighbour's job.
fn host(servers: &Servers) -> Host {
    let mut host = servers.host().config(&format!("{SETTINGS}{PATIENCE}"));
    host.start();
    let said = host.cli(&[OsStr::new("submit"), guest("identity").as_os_str()]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    host
}

impl Arena {
    /// The arena, in order again where a test has failed there.
    fn take() -> MutexGuard<'static, Option<Self>> {
        let mut arena = ARENA.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *arena {
            Some(arena) if arena.attacked => arena.restore(),
            Some(_) => {}
            None => *arena = Some(Self::start()),
        }
        arena
    }

    fn start() -> Self {
        guests::check_all_have_tests();
        let servers = Servers::of(Kafka::start().unwrap());
        servers.topics(1);
        servers.kafka.create_topic("hostile", 1, &[]);
        servers.kafka.create_topic("describe_reads_its_own_letters.dlq", 1, &[]);
        let records: Vec<Record> = (0..RECORDS).map(|i| Record::new(format!("record {i}"))).collect();
        servers.kafka.produce("hostile", &records);
        servers.kafka.create_topic("spoils", 1, &[("retention.bytes", "50000000"), ("segment.bytes", "10000000")]);
        servers.sql("CREATE TABLE hostile_rows (id int4 NOT NULL, note text, amount numeric)");
        let host = host(&servers);
        let neighbour = Neighbour::start(&servers.kafka.bootstrap());
        neighbour.all_through();
        Self { neighbour, host, servers, attacked: false }
    }

    /// Another host, so that a guest is not blamed for what the one before has left behind.
    fn restore(&mut self) {
        self.host.kill9();
        self.host = host(&self.servers);
        self.neighbour.all_through();
        self.attacked = false;
    }

    #[track_caller]
    fn attack(&mut self, guest: &Guest) {
        self.attacked = true;
        let job = guest.job();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("guest.wasm");
        fs::write(&file, assemble::assemble(guest)).unwrap();
        self.neighbour.all_through();
        self.forget_peak();
        eprintln!("RSS before: {} MiB", self.peak());
        let said_before = self.host.log().len();

        let submitted = self.host.cli(&[Path::new("submit"), &file, Path::new("--from"), Path::new("earliest")]);
        check_said(&submitted.stdout);
        check_said(&submitted.stderr);
        let told = match guest.fate {
            Fate::Refused(words) => {
                assert_eq!((submitted.code, &*submitted.stdout), (1, ""), "{}", submitted.stderr);
                assert!(told(&submitted.stderr).contains(words), "{}", submitted.stderr);
                submitted.stderr
            }
            fate => {
                assert_eq!(submitted.code, 0, "{}", submitted.stderr);
                self.runs(&job, fate)
            }
        };
        let peak = self.peak();
        let slowest = self.neighbour.all_through();
        self.is_well(&job, matches!(guest.fate, Fate::Refused(_)));
        let cancelled = match guest.fate {
            Fate::Refused(_) => Said { code: 0, stdout: String::new(), stderr: String::new() },
            _ => self.host.cli(&["cancel", &job]),
        };
        assert_eq!(cancelled.code, 0, "{}", cancelled.stderr);
        check_log(&self.host.log()[said_before..]);
        eprintln!("{}: {peak} MiB, a neighbour's record took {slowest:?} at most\n    {}", guest.test, told.trim_end());
        assert!(peak <= MOST_MEMORY, "the host held {peak} MiB");
        self.attacked = false;
    }

    /// Waits until a guest that was submitted has met its fate; returns what its user is told.
    #[track_caller]
    fn runs(&self, job: &str, fate: Fate) -> String {
        let asked: &[&str] = match fate {
            Fate::Refused(_) | Fate::Runs | Fate::Fails(_) => &["show", job],
            Fate::Letters(_) => &["dlq", "list", job],
            Fate::Logs(_) => &["logs", job],
        };
        let (words, ends) = match fate {
            Fate::Refused(words) | Fate::Fails(words) => (words, false),
            Fate::Letters(words) | Fate::Logs(words) => (words, true),
            Fate::Runs => ("", true),
        };
        let last = Mutex::new(String::new());
        let shown = std::panic::AssertUnwindSafe(|| {
            eventually(FATE, &format!("{job} meets its fate"), || {
                let said = self.host.cli(asked);
                check_said(&said.stderr);
                check_terminal(&said.stdout);
                last.lock().unwrap().clone_from(&said.stdout);
                (said.code == 0 && told(&said.stdout).contains(words)).then_some(said.stdout)
            })
        });
        let shown = std::panic::catch_unwind(shown)
            .unwrap_or_else(|_| panic!("{job} is not shown with {words:?}:\n{}", last.lock().unwrap()));
        if ends {
            eventually(FATE, &format!("{job} has handled all its records"), || {
                let view = self.host.show(job);
                (view["partitions"][0]["committed"] == RECORDS).then_some(())
            });
        }
        match fate {
            Fate::Runs => shown,
            _ => shown.lines().find(|line| told(line).contains(words)).unwrap_or(&shown).to_owned(),
        }
    }

    /// The host answers, and what it says of the guest is bounded.
    #[track_caller]
    fn is_well(&self, job: &str, refused: bool) {
        assert_eq!(self.host.get("/livez").0, 200);
        let (status, list) = self.host.get("/api/v1/jobs");
        assert_eq!(status, 200);
        let names: Vec<&str> =
            list["jobs"].as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect();
        assert_eq!(names.contains(&job), !refused, "{names:?}");
        assert!(list.to_string().len() < MOST_SAID, "the list of jobs has {} bytes", list.to_string().len());
        let (status, metrics) = self.host.get("/metrics");
        let metrics = metrics.as_str().unwrap();
        assert_eq!(status, 200);
        assert!(metrics.len() < 4 * MOST_SAID, "the metrics have {} bytes", metrics.len());
        assert!(!metrics.lines().any(|line| line.starts_with("pelton_job_up{job=\"others\"")), "{metrics}");
        let said = self.host.cli(&["list"]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        check_said(&said.stdout);
        let neighbour = self.host.show("identity");
        assert_eq!(neighbour["state"], "running", "{neighbour}");
        assert_eq!(self.servers.query("SELECT 1 FROM pg_class WHERE relname = 'hostile_rows'").len(), 1);
    }

    /// From now on the peak is another.
    fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.host.pid()), "5").unwrap();
    }

    /// MiB that the host held at most.
    fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.host.pid())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() / 1024
    }
}

/// A text with each run of white space as one space: tables have more, and reasons have lines.
fn told(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What commands say is bounded, and does nothing to a terminal.
#[track_caller]
fn check_said(text: &str) {
    assert!(text.len() < MOST_SAID, "{} bytes were said", text.len());
    check_terminal(text);
}

#[track_caller]
fn check_terminal(text: &str) {
    let acts = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if let Some(found) = text.chars().find(|&c| acts(c)) {
        let mut shown = String::new();
        write!(shown, "{text:?}").unwrap();
        panic!("{found:?} is in what is said: {shown}");
    }
}

/// The host has not panicked, and each line of its log is its own.
#[track_caller]
fn check_log(log: &str) {
    check_terminal(log);
    assert!(!log.contains("panicked"), "{log}");
    assert!(!log.lines().any(|line| line.starts_with("2026-01-01 ERROR")), "{log}");
}
