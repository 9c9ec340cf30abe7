//! The jobs of a host: their life, and what survives a restart.
//!
//! [`Jobs`] holds desired state (the [registry]) and, for each submitted job, a supervisor on a thread of its own
//! that keeps an attempt running. It starts, changes and stops attempts and reads snapshots; records never pass through
//! here.

pub mod available;
mod change;
mod dead_letters;
pub mod guest_host;
pub mod registry;
pub mod running;
pub mod submit;
mod supervise;
mod view;

pub use pelton_model::log;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use chrono::Utc;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::api::types::{Available, JobView, Problem, SampleList, Submit, Submitted, Uploaded};
use crate::config::Config;
use crate::engine::{Engine, Job};
use crate::files::cache_folder;
use crate::metrics::Metrics;
use crate::pipeline::trace::Tracer;
use crate::pipeline::{Pace, Surroundings};
use crate::spec::Spec;
use crate::status::State;
use available::AvailableJobs;
use log::JobLog;
use pelton_connect::Connectors;
use pelton_model::sync::lock;
use registry::{DroppedFile, Record, Registry};
use supervise::{Load, Shared, Supervised};

/// The part under which it is told that a job's file is gone.
const FILE: &str = "file";
/// How long a drain waits for the last spans to be exported.
const LAST_SPANS: Duration = Duration::from_secs(2);
/// How often components are looked through that nothing refers to, and how long they are kept: they may be submitted yet.
const SWEEP: Duration = Duration::from_secs(24 * 3600);
const UNUSED: Duration = Duration::from_secs(24 * 3600);

/// The jobs of a host.
#[derive(Debug)]
pub struct Jobs {
    config: Arc<Config>,
    engine: Engine,
    metrics: Arc<Metrics>,
    tracer: Option<Arc<Tracer>>,
    surroundings: Surroundings,
    registry: Arc<Registry>,
    available: Arc<AvailableJobs>,
    runtime: Handle,
    supervised: Mutex<BTreeMap<String, Arc<Supervised>>>,
    redrives: dead_letters::Redrives,
    /// One submit or cancel at a time: each reads and then changes what is submitted. Changes of a job have a lock there.
    submitting: tokio::sync::Mutex<()>,
}

impl Jobs {
    /// Opens the registry, starts every job in it, and watches `usr_jobs`. Damaged records are told and left out.
    pub fn open(
        config: Arc<Config>,
        metrics: Arc<Metrics>,
        connectors: Arc<Connectors>,
        runtime: Handle,
    ) -> Result<Arc<Self>> {
        let registry = Arc::new(Registry::open(config.data.clone())?);
        let cache = std::path::absolute(config.data.join("cache")).context("failed to find the data folder")?;
        let tracer = Tracer::start(&config.tracing, &metrics)?;
        // Where there is no home, client commands keep nothing.
        let commands = cache_folder().ok().map(|folder| folder.join("compiled"));
        let engine = Engine::beside(config.limits.clone(), Some(&cache), commands)?;
        let this = Arc::new(OnceLock::<Weak<Self>>::new());
        let of = |this: &Arc<OnceLock<Weak<Self>>>| {
            let this = Arc::clone(this);
            move || this.get().and_then(Weak::upgrade)
        };
        let (file_dropped, each_look) = (of(&this), of(&this));
        let available = AvailableJobs::watch(
            config.usr_jobs.clone(),
            engine.clone(),
            Box::new(move |file, spec| {
                if let Some(jobs) = file_dropped() {
                    jobs.file_dropped(file, spec);
                }
            }),
            move || {
                if let Some(jobs) = each_look() {
                    jobs.housekeeping();
                }
            },
        )?;
        let jobs = Arc::new(Self {
            surroundings: Surroundings { config: Arc::clone(&config), connectors, pace: Pace::default() },
            config,
            engine,
            metrics,
            tracer,
            registry,
            available,
            runtime,
            supervised: Mutex::default(),
            redrives: dead_letters::Redrives::default(),
            submitting: tokio::sync::Mutex::default(),
        });
        for record in jobs.registry.load()? {
            match record {
                Ok(record) => jobs.start(record, None)?,
                Err(error) => tracing::error!("a submitted job can't be started: {error:#}"),
            }
        }
        // Only now may files reload jobs.
        let _ = this.set(Arc::downgrade(&jobs));
        jobs.runtime.spawn(sweep(Arc::downgrade(&jobs.registry)));
        Ok(jobs)
    }

    /// Gets a kept component compiled: from the cache, or else from its bytes.
    fn load(&self) -> Load {
        let (engine, registry) = (self.engine.clone(), Arc::clone(&self.registry));
        Box::new(move |digest| match engine.cached(digest) {
            Some(job) => Ok(job),
            None => engine.load(&registry.component(digest)?),
        })
    }

    /// Starts a supervisor; it compiles the component itself where that has not been done.
    fn start(&self, record: Record, compiled: Option<Job>) -> Result<()> {
        let name = record.name.clone();
        let shared = Shared { surroundings: self.surroundings.clone(), tracer: self.tracer.clone() };
        let metrics = self.metrics.job(&name);
        let supervised = Supervised::start(record, compiled, self.load(), metrics, shared)?;
        lock(&self.supervised).insert(name, supervised);
        Ok(())
    }

    /// Starts a job. Refused, with every reason at once, when something that it needs is missing or of the wrong shape.
    /// Repeating a submit that is already in force changes nothing.
    pub async fn submit(&self, request: Submit) -> Result<Submitted, Problem> {
        let (wasm, file) = self.component(&request.available, &request.digest).await?;
        let (engine, bytes) = (self.engine.clone(), wasm.clone());
        let job = submit::blocking(move || submit::load(&engine, &bytes)).await?;
        // Only now: other submits don't wait for a compile.
        let _submitting = self.submitting.lock().await;
        let (record, job) = submit::prepare(&self.surroundings.connectors, &request, job, file, |name| {
            lock(&self.supervised).get(name).map(|supervised| supervised.record())
        })
        .await?;
        let mut notice = None;
        if let Some(job) = job {
            let keep = || -> Result<()> {
                self.registry.put_component(&wasm)?;
                self.registry.save(&record)?;
                self.start(record.clone(), Some(job))
            };
            keep().map_err(|error| internal("failed to keep the job", &error))?;
            tracing::info!(job.name = record.name, "submitted {} ({})", record.name, record.digest);
        } else if let Some(from) = request.from {
            notice = Some(submit::not_from(&record.name, from));
        }
        Ok(Submitted { job: self.show(&record.name)?, notice })
    }

    /// The component that a request names, and the file in `usr_jobs` that it is.
    async fn component(
        &self,
        available: &Option<String>,
        digest: &Option<String>,
    ) -> Result<(Vec<u8>, Option<DroppedFile>), Problem> {
        match (available, digest) {
            (Some(name), None) => self.available.read(name).await,
            (None, Some(digest)) => Ok((self.uploaded(digest)?, None)),
            _ => Err(Problem::new(
                400,
                "bad-request",
                "the request makes no sense",
                "give either `available` or `digest`",
            )),
        }
    }

    fn uploaded(&self, digest: &str) -> Result<Vec<u8>, Problem> {
        self.registry.component(digest).map_err(|error| {
            Problem::new(404, "no-such-component", "no such component", format!("{error:#}")).fix("upload it first")
        })
    }

    /// Takes in a component, so that it can be submitted by its digest.
    pub async fn upload(&self, wasm: Vec<u8>) -> Result<Uploaded, Problem> {
        let (engine, bytes) = (self.engine.clone(), wasm.clone());
        let job = submit::blocking(move || submit::load(&engine, &bytes)).await?;
        let digest =
            self.registry.put_component(&wasm).map_err(|error| internal("failed to keep the component", &error))?;
        Ok(Uploaded { digest, spec: job.spec().as_ref().clone() })
    }

    /// A file in `usr_jobs` was read: jobs that came from it are reloaded, and, if so asked for, a job that is not submitted
    /// yet is.
    fn file_dropped(self: &Arc<Self>, file: DroppedFile, spec: Option<&Spec>) {
        let is_submitted = |spec: &Spec| lock(&self.supervised).contains_key(&spec.name);
        let is_new = self.config.submit_all && spec.is_some_and(|spec| !is_submitted(spec));
        let jobs = Arc::clone(self);
        self.runtime.spawn(async move {
            if is_new {
                jobs.submit_file(&file.name).await;
            }
            jobs.dropped(&file).await;
        });
    }

    /// Submits a file. Refusals are told; where a server is away, or still counts a host that was killed as a member, it is
    /// tried again with backoff, while the file is there.
    async fn submit_file(&self, file: &str) {
        for after in self.surroundings.pace.backoff() {
            let request = Submit {
                available: Some(file.to_owned()),
                by: Some(change::USR_JOBS.to_owned()),
                why: Some("--submit-all".to_owned()),
                ..Submit::default()
            };
            match self.submit(request).await {
                Ok(_) => return,
                Err(problem) if problem.status == 503 => tracing::warn!("{file} is not submitted yet: {problem}"),
                Err(problem) => return tracing::error!("{file} is not submitted: {problem}"),
            }
            tokio::time::sleep(after).await;
            if self.available.has(file) == Some(false) {
                return;
            }
        }
    }

    /// The submitted jobs, by name.
    pub fn list(&self) -> Vec<JobView> {
        self.all().iter().map(|supervised| supervised.view()).collect()
    }

    /// The files in `usr_jobs`, as they were last seen, and which jobs came from each.
    pub fn available(&self) -> Vec<Available> {
        let mut available = self.available.list();
        for supervised in self.all() {
            let record = supervised.record();
            let file = record.file.and_then(|file| available.iter_mut().find(|found| found.file == file.name));
            if let Some(file) = file {
                file.jobs.push(record.name);
            }
        }
        available
    }

    /// Tells whenever the files in `usr_jobs` are others, or have been read.
    pub fn files(&self) -> watch::Receiver<()> {
        self.available.news()
    }

    fn all(&self) -> Vec<Arc<Supervised>> {
        lock(&self.supervised).values().cloned().collect()
    }

    fn find(&self, name: &str) -> Result<Arc<Supervised>, Problem> {
        lock(&self.supervised).get(name).cloned().ok_or_else(|| no_such_job(name))
    }

    /// One job.
    pub fn show(&self, name: &str) -> Result<JobView, Problem> {
        self.find(name).map(|supervised| supervised.view())
    }

    /// A job's log.
    pub fn log(&self, name: &str) -> Result<Arc<JobLog>, Problem> {
        self.find(name).map(|supervised| Arc::clone(&supervised.log))
    }

    /// The last records of a job, if the settings ask for them.
    pub fn samples(&self, name: &str) -> Result<SampleList, Problem> {
        let running = self.find(name)?.running();
        let samples = running.map(|current| current.samples.get()).unwrap_or_default();
        Ok(SampleList { on: self.config.samples.on, samples })
    }

    /// Stops a job for good: drains, commits, leaves the group and forgets it. Its offsets stay in Kafka. Cancelling
    /// during a start is fine.
    pub async fn cancel(&self, name: &str) -> Result<JobView, Problem> {
        let _submitting = self.submitting.lock().await;
        let supervised = self.find(name)?;
        let _changing = supervised.changing.lock().await;
        self.registry.remove(name).map_err(|error| internal("failed to forget the job", &error))?;
        supervised.stop();
        supervised.stopped().await;
        lock(&self.supervised).remove(name);
        tracing::info!(job.name = name, "cancelled {name}");
        let last = supervised.view();
        supervised.metrics.forget(last.spec.sinks.iter().map(|sink| sink.name.as_str()));
        Ok(last)
    }

    /// Why the host is not wholly well: each job's conditions. Empty where all is well.
    pub fn conditions(&self) -> Vec<String> {
        let conditions = |job: &Arc<Supervised>| {
            let told = job.status.get().1.into_iter();
            told.map(|c| format!("{}: {}: {}", job.name, c.part, c.reason)).collect::<Vec<_>>()
        };
        self.all().iter().flat_map(conditions).collect()
    }

    /// Brings gauges up to date, before they are rendered.
    pub fn observe(&self) {
        self.all().iter().for_each(|supervised| supervised.observe());
    }

    /// Stops all jobs side by side, and waits until each has drained, committed and left its group.
    pub async fn drain(&self) {
        self.redrives.stop();
        let _submitting = self.submitting.lock().await;
        let all = self.all();
        all.iter().for_each(|supervised| supervised.stop());
        for supervised in all {
            supervised.stopped().await;
        }
        if let Some(tracer) = self.tracer.clone() {
            // It can only have panicked; spans are all that could be lost.
            let _ = tokio::task::spawn_blocking(move || tracer.close(LAST_SPANS)).await;
        }
    }
}

/// Deletes components that nothing refers to, now and once a day. Ends with the registry.
async fn sweep(registry: Weak<Registry>) {
    while let Some(registry) = registry.upgrade() {
        let swept = submit::blocking(move || {
            let before = SystemTime::now().checked_sub(UNUSED).unwrap_or(SystemTime::UNIX_EPOCH);
            registry
                .sweep(before)
                .map_err(|error| Problem::new(500, "internal", "they can't be looked through", format!("{error:#}")))
        });
        match swept.await {
            Ok(0) => {}
            Ok(count) => tracing::info!("deleted {count} components that no job refers to"),
            Err(problem) => tracing::warn!("components that no job refers to are not deleted: {problem}"),
        }
        tokio::time::sleep(SWEEP).await;
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
    fn new(name: String, job: &Job, request: &Submit) -> Self {
        let mut record = Self {
            group: request.group.clone().unwrap_or_else(|| format!("pelton-{name}")),
            name,
            version: 0,
            digest: String::new(),
            spec: Spec::default(),
            parameters: BTreeMap::new(),
            parallelism: request.parallelism.unwrap_or(1),
            submitted: Utc::now(),
            paused: false,
            file: None,
            versions: Vec::new(),
            history: Vec::new(),
        };
        let by = request.by.as_deref().unwrap_or("unknown");
        let why = request.why.as_deref().unwrap_or("submit");
        record.adopt(job.digest(), job.spec(), request.parameters.clone(), by, why);
        record
    }

    /// Whether submitting the other would change nothing.
    fn is_same(&self, other: &Self) -> bool {
        (&self.digest, &self.parameters, &self.group, self.parallelism)
            == (&other.digest, &other.parameters, &other.group, other.parallelism)
    }
}

/// Whether a state means that the job does its work.
pub fn is_well(state: State) -> bool {
    state == State::Running
}
