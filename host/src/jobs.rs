//! The jobs of a host: submit, list, show, cancel, and what survives a restart.
//!
//! [`Jobs`] holds desired state (the [registry]) and, for each submitted job, a supervisor on a thread of its own
//! that keeps an attempt running. It starts and stops attempts and reads snapshots; records never pass through here.

pub mod available;
mod dead_letters;
pub mod guest_host;
pub mod registry;
pub mod running;
pub mod submit;
mod supervise;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use chrono::Utc;
use tokio::runtime::Handle;

use crate::api::types::{Available, JobView, Problem, Submit, Uploaded};
use crate::config::Config;
use crate::engine::{Engine, Job};
use crate::metrics::Metrics;
use crate::pipeline::ack::lock;
use crate::pipeline::worker::backoff;
use crate::status::State;
use available::AvailableJobs;
use registry::{Record, Registry};
use supervise::Supervised;

/// The jobs of a host.
#[derive(Debug)]
pub struct Jobs {
    config: Arc<Config>,
    engine: Engine,
    metrics: Arc<Metrics>,
    registry: Registry,
    available: AvailableJobs,
    runtime: Handle,
    supervised: Mutex<BTreeMap<String, Arc<Supervised>>>,
    redrives: dead_letters::Redrives,
    /// One submit or cancel at a time: each reads and then changes the registry.
    changing: tokio::sync::Mutex<()>,
}

impl Jobs {
    /// Opens the registry and starts every job in it. Damaged records are told and left out.
    pub fn open(config: Arc<Config>, metrics: Arc<Metrics>, runtime: Handle) -> Result<Arc<Self>> {
        let registry = Registry::open(config.data.clone())?;
        let cache = std::path::absolute(config.data.join("cache")).context("failed to find the data folder")?;
        let engine = Engine::new(config.limits.clone(), Some(&cache))?;
        let available = AvailableJobs::new(config.usr_jobs.clone());
        let jobs = Arc::new(Self {
            config,
            engine,
            metrics,
            registry,
            available,
            runtime,
            supervised: Mutex::default(),
            redrives: dead_letters::Redrives::default(),
            changing: tokio::sync::Mutex::default(),
        });
        for record in jobs.registry.load()? {
            match record {
                Ok(record) => jobs.start(record, None)?,
                Err(error) => tracing::error!("a submitted job can't be started: {error:#}"),
            }
        }
        Ok(jobs)
    }

    /// Starts a supervisor; it compiles the component itself where that has not been done.
    fn start(&self, record: Record, compiled: Option<Job>) -> Result<()> {
        let name = record.name.clone();
        let load: supervise::Load = match compiled {
            Some(job) => Box::new(move || Ok(job.clone())),
            None => {
                // The registry's own read, once per attempt until it compiles.
                let (engine, data, digest) = (self.engine.clone(), self.config.data.clone(), record.digest.clone());
                Box::new(move || engine.load(&Registry::open(data.clone())?.component(&digest)?))
            }
        };
        let supervised =
            Supervised::start(record, load, Arc::clone(&self.config), self.metrics.job(&name), self.runtime.clone())?;
        lock(&self.supervised).insert(name, supervised);
        Ok(())
    }

    /// Starts a job. Refused, with every reason at once, when something that it needs is missing or of the wrong shape.
    /// Repeating a submit that is already in force changes nothing.
    pub async fn submit(&self, request: Submit) -> Result<JobView, Problem> {
        let _changing = self.changing.lock().await;
        let wasm = self.component(&request)?;
        let (record, job) = submit::prepare(&self.config, &self.engine, &request, wasm.clone(), |name| {
            lock(&self.supervised).get(name).map(|supervised| supervised.record.clone())
        })
        .await?;
        if let Some(job) = job {
            let keep = || -> Result<()> {
                self.registry.put_component(&wasm)?;
                self.registry.save(&record)?;
                self.start(record.clone(), Some(job))
            };
            keep().map_err(|error| internal("failed to keep the job", &error))?;
            tracing::info!(job.name = record.name, "submitted {} ({})", record.name, record.digest);
        }
        self.show(&record.name)
    }

    fn component(&self, request: &Submit) -> Result<Vec<u8>, Problem> {
        match (&request.available, &request.digest) {
            (Some(name), None) => self.available.read(&self.engine, name),
            (None, Some(digest)) => self.registry.component(digest).map_err(|error| {
                Problem::new(404, "no-such-component", "no such component", format!("{error:#}")).fix("upload it first")
            }),
            _ => Err(Problem::new(
                400,
                "bad-request",
                "the request makes no sense",
                "give either `available` or `digest`",
            )),
        }
    }

    /// Takes in a component, so that it can be submitted by its digest.
    pub async fn upload(&self, wasm: Vec<u8>) -> Result<Uploaded, Problem> {
        let (engine, bytes) = (self.engine.clone(), wasm.clone());
        let job = submit::blocking(move || submit::load(&engine, &bytes)).await?;
        let digest =
            self.registry.put_component(&wasm).map_err(|error| internal("failed to keep the component", &error))?;
        Ok(Uploaded { digest, spec: job.spec().as_ref().clone() })
    }

    /// Submits every job in `usr_jobs` that is not submitted yet. Refusals are told; where a server is away, or still
    /// counts a host that was killed as a member, it is tried again with backoff.
    pub async fn submit_all(&self) {
        let is_new = |available: &Available| {
            available.spec.as_ref().is_some_and(|spec| !lock(&self.supervised).contains_key(&spec.name))
        };
        let mut due: Vec<String> =
            self.available().into_iter().filter(is_new).map(|available| available.file).collect();
        for after in backoff() {
            let mut waiting = Vec::new();
            for file in due {
                let request = Submit { available: Some(file.clone()), ..Submit::default() };
                match self.submit(request).await {
                    Ok(_) => {}
                    Err(problem) if problem.status == 503 => {
                        tracing::warn!("{file} is not submitted yet: {problem}");
                        waiting.push(file);
                    }
                    Err(problem) => tracing::error!("{file} is not submitted: {problem}"),
                }
            }
            if waiting.is_empty() {
                return;
            }
            due = waiting;
            tokio::time::sleep(after).await;
        }
    }

    /// The submitted jobs, by name.
    pub fn list(&self) -> Vec<JobView> {
        lock(&self.supervised).values().map(|supervised| supervised.view()).collect()
    }

    /// The files in `usr_jobs`. Compiles those that have changed since the last look.
    pub fn available(&self) -> Vec<Available> {
        self.available.list(&self.engine)
    }

    /// One job.
    pub fn show(&self, name: &str) -> Result<JobView, Problem> {
        let supervised = lock(&self.supervised).get(name).cloned();
        supervised.map(|supervised| supervised.view()).ok_or_else(|| no_such_job(name))
    }

    /// Stops a job for good: drains, commits, leaves the group and forgets it. Its offsets stay in Kafka. Cancelling
    /// during a start is fine.
    pub async fn cancel(&self, name: &str) -> Result<JobView, Problem> {
        let _changing = self.changing.lock().await;
        let supervised = lock(&self.supervised).get(name).cloned().ok_or_else(|| no_such_job(name))?;
        self.registry.remove(name).map_err(|error| internal("failed to forget the job", &error))?;
        supervised.stop();
        supervised.stopped().await;
        lock(&self.supervised).remove(name);
        tracing::info!(job.name = name, "cancelled {name}");
        Ok(supervised.view())
    }

    /// Why the host is not wholly well: each job's conditions. Empty where all is well.
    pub fn conditions(&self) -> Vec<String> {
        let jobs = lock(&self.supervised).values().cloned().collect::<Vec<_>>();
        let conditions =
            jobs.iter().flat_map(|job| job.view().conditions.into_iter().map(|c| (job.record.name.clone(), c)));
        conditions.map(|(job, c)| format!("{job}: {}: {}", c.part, c.reason)).collect()
    }

    /// Brings gauges up to date, before they are rendered.
    pub fn observe(&self) {
        for supervised in lock(&self.supervised).values() {
            supervised.observe();
        }
    }

    /// Stops all jobs side by side, and waits until each has drained, committed and left its group.
    pub async fn drain(&self) {
        self.redrives.stop();
        let _changing = self.changing.lock().await;
        let all: Vec<_> = lock(&self.supervised).values().cloned().collect();
        all.iter().for_each(|supervised| supervised.stop());
        for supervised in all {
            supervised.stopped().await;
        }
    }
}

fn no_such_job(name: &str) -> Problem {
    Problem::new(404, "no-such-job", format!("there is no job {name:?}"), "it is not submitted on this host")
        .fix("`pelton list` shows the jobs")
}

fn internal(what: &str, error: &anyhow::Error) -> Problem {
    tracing::error!("{what}: {error:#}");
    Problem::new(500, "internal", what, format!("{error:#}"))
}

impl Record {
    /// A record of a job submitted now.
    fn new(name: String, digest: String, job: &Job, request: &Submit) -> Self {
        Self {
            group: request.group.clone().unwrap_or_else(|| format!("pelton-{name}")),
            name,
            digest,
            spec: job.spec().as_ref().clone(),
            parameters: request.parameters.clone(),
            parallelism: request.parallelism.unwrap_or(1),
            submitted: Utc::now(),
        }
    }

    /// Whether submitting the other would change nothing.
    fn is_same(&self, other: &Self) -> bool {
        Self { submitted: other.submitted, ..self.clone() } == *other
    }
}

/// Whether a state means that the job does its work.
pub fn is_well(state: State) -> bool {
    state == State::Running
}
