//! The jobs of a host. Calls may block, unless they are `async`.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use anyhow::Context;
use pelton_connect::Connectors;
use pelton_model::cause::Because as _;
use pelton_model::files::cache_folder;
use pelton_model::log::JobLog;
use pelton_model::metrics::Metrics;
use pelton_model::settings::Config;
use pelton_pipeline::trace::Tracer;
use pelton_pipeline::{JobEnvironment, Pace};
use pelton_runtime::Engine;
use pelton_runtime::compiler::Compiler;
use tokio::sync::watch;

use crate::available::AvailableJobs;
use crate::catalog::files::Files;
use crate::checks::ConnectorChecks;
use crate::error::Error;
use crate::groups::Groups;
use crate::looks::Looks;
use crate::pipeline_runner::PipelineRunners;
use crate::reconciler::Reconciler;
use crate::redrives::Redrives;
use crate::scaler;
use crate::services::Services;
use crate::start_error::StartError;
use crate::supervisor::Supervised;
use crate::sweep;
use crate::tally::Tally;
use crate::types::{Available, JobView, SampleList};

/// How long a drain waits for the last spans to be exported.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// The jobs of a host.
#[derive(Debug)]
pub struct Jobs {
    pub(crate) services: Arc<Services>,
    pub(crate) reconciler: Arc<Reconciler>,
    pub(crate) available: Arc<AvailableJobs>,
    pub(crate) redrives: Redrives,
    /// Of jobs that are about to be submitted.
    pub(crate) groups: Groups,
    /// Into topics.
    pub(crate) looks: Looks,
}

impl Jobs {
    /// Opens the data folder, starts every job in it, and watches `usr_jobs`. Damaged records are told and left out.
    /// Components are compiled by `compiler`, or else on threads of this process.
    pub fn open(
        config: Arc<Config>,
        metrics: Arc<Metrics>,
        connectors: Arc<Connectors>,
        compiler: Option<Compiler>,
    ) -> Result<Arc<Self>, StartError> {
        let catalog = Arc::new(Files::open(config.data.clone())?);
        let cache = std::path::absolute(config.data.join("cache")).context("failed to find the data folder");
        let cache = cache.because(StartError::DataFolder)?;
        let tracer = Tracer::start(&config.tracing, &metrics)?;
        // Where there is no home, client commands keep nothing.
        let commands = cache_folder().ok().map(|folder| folder.join("compiled"));
        let engine = Engine::beside(config.limits.clone(), Some(&cache), commands)?.with_compiler(compiler);
        let checks = Arc::new(ConnectorChecks(Arc::clone(&connectors)));
        let environment = JobEnvironment { config, connectors, pace: Pace::default() };
        let runners = Arc::new(PipelineRunners::new(environment.clone(), tracer.clone()));
        let components = Arc::new(engine);
        Self::new(Services { environment, catalog, components, checks, runners, metrics, tracer })
    }

    /// Starts every job of the catalog, and watches `usr_jobs`.
    pub fn new(services: Services) -> Result<Arc<Self>, StartError> {
        let services = Arc::new(services);
        let this = Arc::new(OnceLock::<Weak<Self>>::new());
        let of = |this: &Arc<OnceLock<Weak<Self>>>| {
            let this = Arc::clone(this);
            move || this.get().and_then(Weak::upgrade)
        };
        let (file_dropped, each_look) = (of(&this), of(&this));
        let available = AvailableJobs::watch(
            services.config().usr_jobs.clone(),
            services.config().usr_jobs_follow_links,
            Arc::clone(&services.components),
            Box::new(move |file, spec| {
                if let Some(jobs) = file_dropped() {
                    jobs.file_dropped(file, spec);
                }
            }),
            move || {
                if let Some(jobs) = each_look() {
                    jobs.tell_of_files();
                }
            },
        );
        let available = available.because(StartError::Thread)?;
        let jobs = Self::with(services, available)?;
        // Only now may files reload jobs.
        let _ = this.set(Arc::downgrade(&jobs));
        Ok(jobs)
    }

    /// Starts every job of the catalog, without any `usr_jobs`.
    pub fn of_catalog(services: Services) -> Result<Arc<Self>, StartError> {
        Self::with(Arc::new(services), AvailableJobs::none())
    }

    fn with(services: Arc<Services>, available: Arc<AvailableJobs>) -> Result<Arc<Self>, StartError> {
        let reconciler = Reconciler::start(Arc::clone(&services))?;
        let jobs = Arc::new(Self {
            services,
            reconciler,
            available,
            redrives: Redrives::default(),
            groups: Groups::default(),
            looks: Looks::default(),
        });
        sweep::start(&jobs.services).because(StartError::Thread)?;
        scaler::start(&jobs.reconciler).because(StartError::Thread)?;
        Ok(jobs)
    }

    /// The submitted jobs, by name.
    pub fn list(&self) -> Vec<JobView> {
        self.reconciler.all().iter().map(|supervised| supervised.view()).collect()
    }

    /// What is counted of each job now.
    pub fn tallies(&self) -> Vec<Tally> {
        self.reconciler.all().iter().map(|supervised| supervised.tally()).collect()
    }

    /// The files in `usr_jobs`, as they were last seen, and which jobs came from each.
    pub fn available(&self) -> Vec<Available> {
        let mut available = self.available.list();
        for supervised in self.reconciler.all() {
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

    pub(crate) fn find(&self, job: &str) -> Result<Arc<Supervised>, Error> {
        let found = self.reconciler.find(job).map(|(_, supervised)| supervised);
        found.ok_or_else(|| Error::NoSuchJob(job.to_owned()))
    }

    /// One job.
    pub fn show(&self, job: &str) -> Result<JobView, Error> {
        self.find(job).map(|supervised| supervised.view())
    }

    /// A job's parameters, those of its declaration included, with whole values.
    pub fn parameters(&self, job: &str) -> Result<BTreeMap<String, String>, Error> {
        let record = self.find(job)?.record();
        Ok(record.values().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// A job's log.
    pub fn log(&self, job: &str) -> Result<Arc<JobLog>, Error> {
        self.find(job).map(|supervised| Arc::clone(&supervised.observed.log))
    }

    /// The last records of a job, if the settings ask for them.
    pub fn samples(&self, job: &str) -> Result<SampleList, Error> {
        let running = self.find(job)?.running();
        let samples = running.map(|current| current.samples.get()).unwrap_or_default();
        Ok(SampleList { on: self.services.config().samples.on, samples })
    }

    /// Why the host is not wholly well: each job's conditions. Empty where all is well.
    pub fn conditions(&self) -> Vec<String> {
        let conditions = |job: &Arc<Supervised>| {
            let told = job.observed.status.get().1.into_iter();
            told.map(|c| format!("{}: {}: {}", job.observed.name, c.part, c.reason)).collect::<Vec<_>>()
        };
        self.reconciler.all().iter().flat_map(conditions).collect()
    }

    /// Brings gauges up to date, before they are rendered.
    pub fn observe(&self) {
        self.reconciler.all().iter().for_each(|supervised| supervised.observe());
    }

    /// Stops all jobs side by side, and waits until each has drained, committed and left its group. What is desired of
    /// them stays.
    pub async fn drain(&self) {
        self.redrives.stop();
        for (slot, supervised) in self.reconciler.close() {
            slot.changes.until(|| supervised.is_over()).await;
        }
        if let Some(tracer) = self.services.tracer.clone() {
            // It can only have panicked; spans are all that could be lost.
            let _ = tokio::task::spawn_blocking(move || tracer.close(LAST_SPANS)).await;
        }
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        self.reconciler.close();
    }
}
