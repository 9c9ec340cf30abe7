//! What a run has: servers in memory, hosts with the real control plane and pipeline, and who breaks what.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use pelton_connect::memory::{Memory, Record, Rules};
use pelton_connect::{AtLeastOnce, Committer, Connectors};
use pelton_control::catalog::{Catalog, memory::Memory as MemoryCatalog};
use pelton_control::checks::ConnectorChecks;
use pelton_control::components::{Component, Components};
use pelton_control::pipeline_runner::PipelineRunners;
use pelton_control::services::Services;
use pelton_control::types::Submit;
use pelton_control::{Error, Jobs};
use pelton_delivery::clock::Clock;
use pelton_delivery::wake::Wake;
use pelton_model::digest::digest;
use pelton_model::metrics::Metrics;
use pelton_model::parallelism::Parallelism;
use pelton_model::settings::Config;
use pelton_pipeline::{JobEnvironment, Pace};

use crate::clock::{Schedule, VirtualClock};
use crate::defects::{self, Defect};
use crate::guest::{FORWARDED, INPUT, MADE, REFUSED_MESSAGE, REFUSED_ROW, Scripted};

/// The job's name.
pub const JOB: &str = "scripted";
/// Its group, which all hosts share.
pub const GROUP: &str = "pelton-scripted";
/// How long a write takes.
const LATENCY: Duration = Duration::from_millis(3);

/// Versions of the job stand for components: the text is the number.
#[derive(Debug)]
struct Versions {
    clock: Arc<dyn Clock>,
    time: Duration,
}

/// What stands for the component of a version.
pub fn component(version: u32) -> Vec<u8> {
    version.to_string().into_bytes()
}

impl Components for Versions {
    fn load(&self, wasm: &[u8]) -> Result<Component, Error> {
        let version = std::str::from_utf8(wasm).unwrap().parse().unwrap();
        let scripted = Scripted::new(version);
        let scripted = if self.time.is_zero() { scripted } else { scripted.taking(Arc::clone(&self.clock), self.time) };
        Ok(Component { digest: digest(wasm).into(), program: Arc::new(scripted) })
    }

    fn cached(&self, _: &str) -> Option<Component> {
        None
    }
}

/// A host in one of its lives.
#[derive(Debug)]
pub struct Host {
    /// The number of the life among all of the run, from 1.
    pub life: u32,
    /// Its access to the servers.
    pub memory: Memory,
    /// Its access to its catalog.
    pub catalog: Arc<MemoryCatalog>,
    /// Its jobs.
    pub jobs: Arc<Jobs>,
}

/// Everything of a run.
#[derive(Debug)]
pub struct World {
    /// Time and chance.
    pub schedule: Arc<Schedule>,
    /// The driver's own access to the servers.
    pub memory: Memory,
    /// Whether a verb is being carried out, for a defect that shows then.
    pub verb: Arc<AtomicBool>,
    /// The settings of hosts that are started from then on.
    pub config: Config,
    /// How long an instance on such a host takes for a record.
    pub record_time: Duration,
    defect: Option<Defect>,
    lives: u32,
}

impl World {
    /// Servers with nothing on them but the topics, of so many partitions, and the table.
    pub fn new(seed: u64, partitions: usize, defect: Option<Defect>) -> Self {
        let schedule = Schedule::new(seed);
        let memory = Memory::new(Arc::new(schedule.clock(0)), LATENCY);
        for topic in [INPUT, FORWARDED, MADE] {
            memory.create_topic(topic, partitions);
        }
        memory.set_rules(Rules {
            message: Some(Arc::new(|topic: &str, record: &Record| {
                let refused = record.value.as_ref().is_some_and(|value| value.ends_with(&[REFUSED_MESSAGE as u8]));
                (topic == MADE && refused).then(|| "too large".to_owned())
            })),
            row: Some(Arc::new(|_: &str, row: &Vec<Option<String>>| {
                (row.get(1)?.as_deref()? == REFUSED_ROW).then(|| "value out of range (22003)".to_owned())
            })),
        });
        let folder = std::env::temp_dir().join(format!("pelton-simulation-{}", std::process::id()));
        let mut config = Config { usr_jobs: folder.join("usr_jobs"), data: folder, ..Config::default() };
        // Whatever the machine has.
        config.limits.auto_instances = Some(4);
        Self { schedule, memory, verb: Arc::default(), config, record_time: Duration::ZERO, defect, lives: 0 }
    }

    /// Starts a host with a catalog, where there is one of an earlier life.
    pub fn start(&mut self, catalog: &MemoryCatalog) -> Host {
        self.lives += 1;
        let life = self.lives;
        let clock: Arc<VirtualClock> = Arc::new(self.schedule.clock(life));
        let memory = self.memory.host(Arc::clone(&clock) as Arc<dyn Clock>);
        let catalog = Arc::new(catalog.beside());
        let config = self.config.clone();
        let connectors = Arc::new(self.connectors(&memory));
        let seeds = Arc::clone(&self.schedule);
        let pace = Pace { clock: clock.clone(), seed: Arc::new(move || seeds.below(u64::MAX)) };
        let environment = JobEnvironment { config: Arc::new(config), connectors: Arc::clone(&connectors), pace };
        let committer: Arc<dyn Committer> = match self.defect {
            Some(Defect::EarlyOffset) => Arc::new(defects::Early),
            _ => Arc::new(AtLeastOnce),
        };
        let shown: Arc<dyn Catalog> = match self.defect {
            Some(Defect::HalfVerb) => {
                Arc::new(defects::InTwoSteps { catalog: Arc::clone(&catalog), clock: Arc::clone(&clock) })
            }
            _ => Arc::clone(&catalog) as _,
        };
        let services = Services {
            runners: Arc::new(PipelineRunners::new(environment.clone(), None).with_committer(committer)),
            environment,
            catalog: shown,
            components: Arc::new(Versions { clock, time: self.record_time }),
            checks: Arc::new(ConnectorChecks(connectors)),
            metrics: Arc::new(Metrics::default()),
            tracer: None,
        };
        Host { life, memory, catalog, jobs: Jobs::of_catalog(services).unwrap() }
    }

    fn connectors(&self, memory: &Memory) -> Connectors {
        let memory = Arc::new(memory.clone());
        let servers = Arc::new(defects::Servers {
            memory: Arc::clone(&memory),
            defect: self.defect,
            verb: Arc::clone(&self.verb),
        });
        Connectors::of(memory, Arc::clone(&servers) as _, servers)
    }

    /// Ends a host as a crash does.
    pub fn crash(&self, host: Host) {
        host.memory.crash();
        self.schedule.crash(host.life);
    }

    /// Has time pass for everybody.
    pub fn pass(&self, time: Duration) {
        self.schedule.clock(0).wait(&Wake::default(), time);
    }

    /// Chance: whether what happens once in `times` happens.
    pub fn one_in(&self, times: u64) -> bool {
        self.schedule.below(times) == 0
    }
}

impl Host {
    /// Submits a version of the job, from the oldest record where the group has read none.
    pub fn submit(&self, version: u32, parallelism: Parallelism) -> Result<(), Error> {
        self.submit_as(JOB, version, parallelism)
    }

    /// The same under another name.
    pub fn submit_as(&self, name: &str, version: u32, parallelism: Parallelism) -> Result<(), Error> {
        let (name, digest) = (Some(name.to_owned()), Some(self.jobs.upload(&component(version))?.digest));
        let submit = Submit { name, digest, parallelism: Some(parallelism), create: true, ..Submit::default() };
        self.jobs.submit(&submit).map(drop)
    }
}
