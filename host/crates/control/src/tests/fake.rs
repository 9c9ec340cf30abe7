//! What stands in for compilers, servers and records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::catalog::memory::Memory;
use crate::catalog::{Catalog, Entry};
use crate::record::JobRecord;
use anyhow::Result;
use pelton_delivery::clock::{Clock, SystemClock};
use pelton_delivery::wake::Wake;
use pelton_model::digest::digest;
use pelton_model::partition::{Moved, PartitionView};
use pelton_model::spec::{Parameter, Sink, Source, Spec, Target};
use pelton_model::start::StartFrom;
use pelton_model::sync::lock;

use crate::changes::Changes;
use crate::checks::{Checks, ConnectorChecks, May};
use crate::components::{Component, Components};
use crate::error::Error;
use crate::jobs::Jobs;
use crate::runner::{JobRunner, JobRunners, Observed};
use crate::services::Services;
use crate::types::{JobView, Submit};
use pelton_connect::memory::Memory as Topics;
use pelton_connect::{Connectors, JobSource, Requests};
use pelton_model::metrics::Metrics;
use pelton_model::record::{Batch, Outcome};
use pelton_model::settings::Config;
use pelton_pipeline::{CurrentVersion, Ended, JobEnvironment, Pace};
use pelton_runtime::{Failure, Host, Process, Program};

/// Without its end a test would hang.
const LONG: Duration = Duration::from_secs(3600);

/// Components are texts: the declared name, and a number that makes them others.
#[derive(Debug)]
pub(crate) struct FakeComponents;

pub(crate) fn wasm(name: &str, number: u32) -> Vec<u8> {
    format!("{name} {number}").into_bytes()
}

struct FakeProgram(Arc<Spec>);

struct FakeProcess;

impl Process for FakeProcess {
    fn process(&mut self, _: &Batch) -> Result<Outcome, Failure> {
        Err(Failure::Error("it moves nothing".to_owned()))
    }
}

impl Program for FakeProgram {
    fn spec(&self) -> &Arc<Spec> {
        &self.0
    }

    fn mapped(&self, spec: Arc<Spec>) -> Arc<dyn Program> {
        Arc::new(Self(spec))
    }

    fn instantiate(&self, parameters: &[(String, String)], _: Arc<dyn Host>) -> Result<Box<dyn Process>, Failure> {
        match parameters.iter().any(|(_, value)| value == "bad") {
            true => Err(Failure::Error("no such value".to_owned())),
            false => Ok(Box::new(FakeProcess)),
        }
    }
}

impl Components for FakeComponents {
    fn load(&self, wasm: &[u8]) -> Result<Component, Error> {
        let text = String::from_utf8_lossy(wasm);
        let Some((name, version)) = text.split_once(' ') else {
            return Err(Error::NotAJob { file: None, cause: "it is no text".to_owned() });
        };
        // What some names read and write.
        let (reads, writes): (_, &[&str]) = match name {
            "letters" => ("letters.dlq", &[]),
            "loops" => ("in", &["in"]),
            "there" => ("in", &["between"]),
            "back" => ("between", &["in"]),
            _ => ("in", &[]),
        };
        let sink = |topic: &&str| Sink { name: (*topic).to_owned(), target: Target::Topic((*topic).to_owned()) };
        let spec = Spec {
            name: name.to_owned(),
            version: version.to_owned(),
            sources: vec![Source { topic: reads.to_owned(), headers: false }],
            sinks: writes.iter().map(sink).collect(),
            parameters: vec![Parameter {
                name: "p".to_owned(),
                description: String::new(),
                default: Some("0".to_owned()),
            }],
            remembers: (name == "counts").then(|| "how many there were".to_owned()),
            ..Spec::default()
        };
        Ok(Component { digest: digest(wasm).into(), program: Arc::new(FakeProgram(Arc::new(spec))) })
    }

    fn cached(&self, _: &str) -> Option<Component> {
        None
    }
}

/// Lets everything pass that starts nowhere, and moves groups in memory.
#[derive(Debug)]
pub(crate) struct FakeChecks(ConnectorChecks);

impl Checks for FakeChecks {
    fn submitted(&self, record: &JobRecord, from: Option<&StartFrom>, may: May<'_>) -> Result<Vec<String>, Error> {
        from.map_or(Ok(Vec::new()), |from| self.0.submitted(record, Some(from), may))
    }

    fn changed(&self, _: &JobRecord, _: &Spec, _: May<'_>) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    fn plan(&self, _: &str, _: Option<&Spec>, _: &Spec, _: May<'_>) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    fn partitions(&self, _: &Spec) -> Option<usize> {
        None
    }

    fn seek(&self, record: &JobRecord, to: &StartFrom) -> Result<Vec<Moved>, Error> {
        self.0.seek(record, to)
    }
}

/// The runners of a host: what runs, and whose drain is held up.
#[derive(Debug, Default)]
pub(crate) struct Flowing {
    running: Mutex<BTreeMap<String, Arc<CurrentVersion>>>,
    held_up: Mutex<BTreeSet<String>>,
    changes: Changes,
}

impl Flowing {
    /// Holds up the drain of a job.
    pub(crate) fn hold_up(&self, job: &str) {
        lock(&self.held_up).insert(job.to_owned());
    }

    pub(crate) fn let_go(&self, job: &str) {
        lock(&self.held_up).remove(job);
        self.changes.tell();
    }

    /// What runs of a job; waits until something does.
    pub(crate) fn current(&self, job: &str) -> Arc<CurrentVersion> {
        self.changes.wait(&SystemClock, || lock(&self.running).contains_key(job));
        Arc::clone(&lock(&self.running)[job])
    }

    pub(crate) fn is_running(&self, job: &str) -> bool {
        lock(&self.running).contains_key(job)
    }
}

#[derive(Debug)]
struct FakeRunners(Arc<Flowing>, Arc<Connectors>);

#[derive(Debug)]
struct FakeRunner(Arc<Flowing>, String, Arc<dyn JobSource>);

impl JobRunners for FakeRunners {
    fn of(&self, job: &Observed) -> Arc<dyn JobRunner> {
        let source = self.1.sources().job(&job.name);
        Arc::new(FakeRunner(Arc::clone(&self.0), job.name.clone(), source))
    }
}

impl JobRunner for FakeRunner {
    fn run(
        &self,
        current: &Arc<CurrentVersion>,
        _: &str,
        requests: &Requests,
    ) -> Result<Ended, pelton_pipeline::Error> {
        let Self(flowing, job, _) = self;
        let before = lock(&flowing.running).insert(job.clone(), Arc::clone(current));
        assert!(before.is_none(), "two attempts of {job} run at once");
        flowing.changes.tell();
        while !requests.stop.load(Ordering::Acquire) {
            SystemClock.wait(&requests.wake, LONG);
        }
        flowing.changes.wait(&SystemClock, || !lock(&flowing.held_up).contains(job));
        lock(&flowing.running).remove(job);
        flowing.changes.tell();
        Ok(Ended::Stopped)
    }

    fn sleep(&self, _: Vec<PartitionView>, _: &Requests) {}

    fn sleeping_client(&self) -> &'static str {
        "nothing"
    }

    fn attempt_is_over(&self) {}

    fn rest(&self) {}

    fn look(&self, group: &str, topics: &[String]) -> Result<Vec<PartitionView>, pelton_connect::Error> {
        self.2.look(group, topics)
    }

    fn partitions(&self) -> Vec<PartitionView> {
        Vec::new()
    }
}

/// A host, and the catalog that it has.
pub(crate) struct TestHost {
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) flowing: Arc<Flowing>,
    pub(crate) catalog: Arc<Memory>,
    pub(crate) topics: Topics,
    runtime: tokio::runtime::Runtime,
}

impl TestHost {
    pub(crate) fn start(catalog: Memory) -> Self {
        Self::start_with(catalog, Topics::new(Arc::new(SystemClock), Duration::ZERO))
    }

    /// With topics that are there already.
    pub(crate) fn start_with(catalog: Memory, topics: Topics) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let (catalog, flowing) = (Arc::new(catalog), Arc::<Flowing>::default());
        let config = Config { usr_jobs: "/nonexistent/usr_jobs".into(), ..Config::default() };
        let connectors = Arc::new(Connectors::new(&config, runtime.handle()).unwrap());
        let environment = JobEnvironment { config: Arc::new(config), connectors, pace: Pace::default() };
        let memory = Arc::new(Connectors::memory(&topics));
        let services = Services {
            environment,
            catalog: Arc::clone(&catalog) as Arc<dyn Catalog>,
            components: Arc::new(FakeComponents),
            checks: Arc::new(FakeChecks(ConnectorChecks(Arc::clone(&memory)))),
            runners: Arc::new(FakeRunners(Arc::clone(&flowing), memory)),
            metrics: Arc::new(Metrics::default()),
            tracer: None,
        };
        let jobs = Jobs::new(services).unwrap();
        Self { jobs, flowing, catalog, topics, runtime }
    }

    /// Takes in a component and submits it under its name.
    pub(crate) fn submit(&self, name: &str) -> Result<JobView, Error> {
        let digest = self.upload(name, 1)?;
        let request = Submit { digest: Some(digest), ..Submit::default() };
        self.jobs.submit(&request).map(|submitted| submitted.job)
    }

    pub(crate) fn upload(&self, name: &str, number: u32) -> Result<String, Error> {
        self.jobs.upload(&wasm(name, number)).map(|uploaded| uploaded.digest)
    }

    pub(crate) fn desired(&self, name: &str) -> Option<Entry> {
        self.catalog.beside().get(name).unwrap()
    }

    /// Ends the host in order.
    pub(crate) fn stop(self) -> Memory {
        self.runtime.block_on(self.jobs.drain());
        self.catalog.beside()
    }
}

/// Waits until something is so that nobody tells of.
#[track_caller]
pub(crate) fn eventually(what: &str, over: impl Fn() -> bool) {
    let wake = Wake::default();
    let began = std::time::Instant::now();
    while !over() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        SystemClock.wait(&wake, Duration::from_millis(1));
    }
}
