//! Jobs that run on memory in virtual time.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pelton_connect::memory::{Memory, Record, Row, Rules};
use pelton_connect::{Assignment, AtLeastOnce, Committer, Connectors, Error as ConnectError, Head, Offsets, Requests};
use pelton_delivery::clock::{Clock, Task};
use pelton_delivery::wake::Wake;
use pelton_model::metrics::{JobMetrics, Metrics};
use pelton_model::settings::Config;
use pelton_model::spec::Target;
use pelton_model::stage::Stage;
use pelton_model::status::Status;
use pelton_pipeline::sample::Samples;
use pelton_pipeline::{Attempt, CurrentVersion, Ended, Error, Job, JobEnvironment, Pace, Version};
use pelton_runtime::{Host, Program};
use pelton_simulation::clock::{Schedule, VirtualClock};
use pelton_simulation::guest::{FORWARDED, INPUT, MADE, REFUSED_MESSAGE, REFUSED_ROW, ROWS, Scripted, parse};

pub(crate) const JOB: &str = "job";
pub(crate) const GROUP: &str = "group";
/// Where dead letters go.
pub(crate) const DLQ: &str = "job.dlq";
/// Virtual time, which costs nothing.
const PATIENCE: Duration = Duration::from_secs(600);

/// A guest's log and metrics, which nobody reads.
pub(crate) struct Silent;

impl Host for Silent {
    fn log(&self, _: tracing::Level, _: &str) {}
    fn count(&self, _: &str, _: u64) {}
    fn gauge(&self, _: &str, _: f64) {}
}

/// A memory, a time, and settings.
pub(crate) struct Rig {
    pub(crate) schedule: Arc<Schedule>,
    pub(crate) memory: Memory,
    pub(crate) config: Config,
    driver: VirtualClock,
    hosts: u32,
    _folder: tempfile::TempDir,
}

impl Rig {
    /// With so many partitions to read.
    pub(crate) fn new(seed: u64, partitions: usize) -> Self {
        let schedule = Schedule::new(seed);
        let driver = schedule.clock(0);
        let memory = Memory::new(Arc::new(driver.clone()), Duration::ZERO);
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config { data: folder.path().to_owned(), ..Config::default() };
        config.batch.max_records = 7;
        for topic in [INPUT, FORWARDED, MADE] {
            memory.create_topic(topic, partitions);
        }
        memory.create_topic(DLQ, 1);
        for sink in &Scripted::new(1).spec().sinks {
            if let Target::Table(table) = &sink.target {
                memory.create_table(table);
            }
        }
        let refused = format!("{REFUSED_MESSAGE}");
        memory.set_rules(Rules {
            message: Some(Arc::new(move |topic, record: &Record| {
                let value = record.value.as_deref().unwrap_or_default();
                (topic == MADE && value.ends_with(refused.as_bytes())).then(|| "too large".to_owned())
            })),
            row: Some(Arc::new(|_, row: &Row| {
                row.iter().flatten().any(|cell| cell == REFUSED_ROW).then(|| "violates a check".to_owned())
            })),
        });
        Self { schedule, memory, config, driver, hosts: 0, _folder: folder }
    }

    /// Writes records of these kinds, numbered from 0, over the partitions in turn.
    pub(crate) fn write<K: AsRef<str>>(&self, kinds: &[K], partitions: usize) {
        for (number, kinds) in kinds.iter().enumerate() {
            let value = format!("{number}:{}", kinds.as_ref());
            let partition = (number % partitions) as i32;
            self.memory.append(INPUT, Record { partition, ..Record::new(value) });
        }
    }

    /// Starts the job on a host of its own.
    pub(crate) fn start(&mut self, version: Version, instances: usize) -> Running {
        self.start_with(version, instances, Arc::new(AtLeastOnce))
    }

    pub(crate) fn start_with(&mut self, version: Version, instances: usize, committer: Arc<dyn Committer>) -> Running {
        self.hosts += 1;
        let clock = self.schedule.clock(self.hosts);
        let memory = self.memory.host(Arc::new(clock.clone()));
        let connectors = Arc::new(Connectors::memory(&memory));
        let (metrics, status) = (Arc::new(Metrics::default()).job(JOB), Arc::<Status>::default());
        let requests = Requests::default();
        requests.parallelism.store(instances, Ordering::Release);
        let current = Arc::new(CurrentVersion::new(version, Samples::default()));
        let assignment = Arc::<Mutex<Arc<Assignment>>>::default();
        let attempt = Attempt {
            job: Job { name: JOB.into(), host: Arc::new(Silent), metrics: metrics.clone(), tracer: None },
            current: Arc::clone(&current),
            source: connectors.sources().job(JOB),
            group: GROUP.to_owned(),
            committer,
            requests: requests.clone(),
            status: Arc::clone(&status),
            assignment: Arc::clone(&assignment),
            environment: JobEnvironment {
                config: Arc::new(self.config.clone()),
                connectors,
                pace: Pace { clock: Arc::new(clock.clone()), seed: Arc::new(|| 1) },
            },
        };
        let ended = Arc::new(Mutex::new(None));
        let result = Arc::clone(&ended);
        let run = move || {
            let ran = attempt.run();
            *result.lock().unwrap() = Some(ran);
        };
        let task = clock.spawn("attempt", Box::new(run)).unwrap();
        Running { host: self.hosts, memory, current, requests, status, metrics, assignment, task, ended }
    }

    /// Lets time go on until something holds.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let until = self.schedule.now() + PATIENCE;
        while !holds() {
            assert!(self.schedule.now() < until, "{what}");
            self.pass(Duration::from_millis(10));
        }
    }

    /// Lets some time go by.
    pub(crate) fn pass(&self, time: Duration) {
        self.driver.wait(&Wake::default(), time);
    }

    /// Waits until all that was written is committed.
    #[track_caller]
    pub(crate) fn until_all_is_committed(&self) {
        self.until("all is committed", || self.uncommitted() == 0);
    }

    /// Records that are not committed.
    pub(crate) fn uncommitted(&self) -> usize {
        let committed = self.memory.group(GROUP).committed;
        let is_open = |record: &&Record| {
            committed.get(&(INPUT.to_owned(), record.partition)).is_none_or(|next| record.offset >= *next)
        };
        self.memory.records(INPUT).iter().filter(is_open).count()
    }

    /// Tells a job to stop, and waits for it.
    #[track_caller]
    pub(crate) fn stop(&self, running: &Running) -> Result<Ended, Error> {
        running.requests.stop.store(true, Ordering::Release);
        running.requests.wake.call();
        assert!(running.task.join(&self.driver, PATIENCE), "it stops");
        running.ended.lock().unwrap().take().expect("it has ended")
    }

    /// The host of a job crashes.
    pub(crate) fn crash(&self, running: &Running) {
        running.memory.crash();
        self.schedule.crash(running.host);
    }

    /// The numbers of the messages in a topic, by partition, in order.
    pub(crate) fn numbers(&self, topic: &str) -> BTreeMap<i32, Vec<i64>> {
        let mut numbers: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
        for record in self.memory.records(topic) {
            let value = String::from_utf8(record.value.unwrap()).unwrap();
            let end = value.find(|c: char| !c.is_ascii_digit()).unwrap();
            numbers.entry(record.partition).or_default().push(value[..end].parse().unwrap());
        }
        numbers
    }

    /// The dead letters: number and stage of each record, in order.
    pub(crate) fn letters(&self) -> Vec<(i64, String)> {
        let letters = self.memory.records(DLQ).into_iter().map(|record| {
            let stage = record.headers.iter().rfind(|(name, _)| **name == *b"pelton.stage").unwrap();
            let stage = String::from_utf8(stage.1.clone().unwrap().into()).unwrap();
            (parse(record.value.as_deref().unwrap()).unwrap().0, stage)
        });
        letters.collect()
    }

    /// The numbers of the rows.
    pub(crate) fn rows(&self) -> Vec<i64> {
        self.memory.rows(ROWS).into_iter().map(|row| row[0].as_ref().unwrap().parse().unwrap()).collect()
    }
}

/// Version `number` of the job.
pub(crate) fn version(number: u32) -> Version {
    Version::new(number, Arc::new(Scripted::new(number)), Vec::new(), &format!("digest-{number}"))
}

/// A job on a host of its own.
pub(crate) struct Running {
    host: u32,
    pub(crate) memory: Memory,
    pub(crate) current: Arc<CurrentVersion>,
    pub(crate) requests: Requests,
    pub(crate) status: Arc<Status>,
    pub(crate) metrics: JobMetrics,
    pub(crate) assignment: Arc<Mutex<Arc<Assignment>>>,
    task: Task,
    ended: Arc<Mutex<Option<Result<Ended, Error>>>>,
}

impl Running {
    /// How many dead letters it has made.
    pub(crate) fn letters(&self, stage: Stage) -> u64 {
        self.metrics.dead_letters(stage).get()
    }

    /// The instance of each of its partitions.
    pub(crate) fn instances(&self) -> Vec<Option<usize>> {
        let assignment = Arc::clone(&self.assignment.lock().unwrap());
        assignment.view().into_iter().map(|view| view.instance).collect()
    }
}

/// What is due of records of these kinds, as numbers: forwards, messages, rows.
pub(crate) fn due<K: AsRef<str>>(kinds: &[K], kind: char) -> Vec<i64> {
    let is_due = |kinds: &K| kinds.as_ref().contains(kind) && !kinds.as_ref().contains('t');
    (0..).zip(kinds).filter(|(_, kinds)| is_due(kinds)).map(|(number, _)| number).collect()
}

/// Commits, and checks that nothing is committed before it is where it belongs.
#[derive(Debug)]
pub(crate) struct Suspicious {
    pub(crate) memory: Memory,
    /// What was wrong.
    pub(crate) wrong: Mutex<Vec<String>>,
}

impl Committer for Suspicious {
    fn commit(&self, heads: &[Head], offsets: &dyn Offsets) -> Result<(), ConnectError> {
        for head in heads {
            let inputs = self.memory.records(INPUT).into_iter();
            let done = inputs.filter(|record| record.partition == head.partition && record.offset < head.next);
            let [forwarded, made, letters] = [FORWARDED, MADE, DLQ].map(|topic| self.memory.records(topic));
            let rows = self.memory.rows(ROWS);
            for record in done {
                let value = record.value.unwrap();
                let (number, kinds) = parse(&value).unwrap();
                let has = |records: &[Record], text: &[u8]| records.iter().any(|r| r.value.as_deref() == Some(text));
                let is_letter = has(&letters, &value);
                let is_there = kinds.contains('t') && is_letter
                    || kinds.chars().all(|kind| match kind {
                        'f' => has(&forwarded, &value),
                        'm' => {
                            has(&made, format!("{number}@1").as_bytes()) || has(&made, format!("{number}@2").as_bytes())
                        }
                        'r' => rows.iter().any(|row| row[0].as_deref() == Some(number.to_string().as_str())),
                        'q' | 'b' | 'x' => is_letter,
                        _ => true,
                    });
                if !is_there {
                    self.wrong.lock().unwrap().push(format!("{number}:{kinds} was committed too early"));
                }
            }
        }
        offsets.store(heads)
    }
}
