//! Jobs that move records between what is beside the host: an attempt of the pipeline is one run.

use std::sync::{Arc, Mutex};

use pelton_connect::{Assignment, AtLeastOnce, Committer, Error as ConnectError, JobSource, Requests};
use pelton_model::partition::PartitionView;
use pelton_model::sync::lock;
use pelton_pipeline::trace::Tracer;
use pelton_pipeline::{Attempt, CurrentVersion, Ended, Error, Job, JobEnvironment};

use crate::runner::{JobRunner, JobRunners, Observed};

/// Makes each job's.
#[derive(Debug)]
pub struct PipelineRunners {
    environment: JobEnvironment,
    tracer: Option<Arc<Tracer>>,
    committer: Arc<dyn Committer>,
}

impl PipelineRunners {
    /// In this environment, with progress at least once.
    pub fn new(environment: JobEnvironment, tracer: Option<Arc<Tracer>>) -> Self {
        Self { environment, tracer, committer: Arc::new(AtLeastOnce) }
    }

    /// With another committer.
    pub fn with_committer(self, committer: Arc<dyn Committer>) -> Self {
        Self { committer, ..self }
    }
}

impl JobRunners for PipelineRunners {
    fn of(&self, job: &Observed) -> Arc<dyn JobRunner> {
        Arc::new(PipelineRunner {
            job: job.clone(),
            environment: self.environment.clone(),
            tracer: self.tracer.clone(),
            committer: Arc::clone(&self.committer),
            source: self.environment.connectors.sources().job(&job.name),
            assignment: Arc::default(),
        })
    }
}

#[derive(Debug)]
struct PipelineRunner {
    job: Observed,
    environment: JobEnvironment,
    tracer: Option<Arc<Tracer>>,
    committer: Arc<dyn Committer>,
    source: Arc<dyn JobSource>,
    assignment: Arc<Mutex<Arc<Assignment>>>,
}

impl JobRunner for PipelineRunner {
    fn run(&self, current: &Arc<CurrentVersion>, group: &str, requests: &Requests) -> Result<Ended, Error> {
        let attempt = Attempt {
            job: Job {
                name: self.job.name.as_str().into(),
                host: Arc::clone(&self.job.host),
                metrics: self.job.metrics.clone(),
                tracer: self.tracer.as_ref().map(|tracer| tracer.job(&self.job.name, group)),
            },
            current: Arc::clone(current),
            source: Arc::clone(&self.source),
            group: group.to_owned(),
            committer: Arc::clone(&self.committer),
            requests: requests.clone(),
            status: Arc::clone(&self.job.status),
            assignment: Arc::clone(&self.assignment),
            environment: self.environment.clone(),
        };
        attempt.run()
    }

    fn sleep(&self, partitions: Vec<PartitionView>, requests: &Requests) {
        *lock(&self.assignment) = Arc::new(Assignment::asleep(&partitions));
        self.source.sleep(partitions, &requests.wake, &|| requests.stops());
    }

    fn sleeping_client(&self) -> &'static str {
        self.source.client()
    }

    fn attempt_is_over(&self) {
        self.source.rest();
    }

    fn rest(&self) {
        *lock(&self.assignment) = Arc::default();
    }

    fn look(&self, group: &str, topics: &[String]) -> Result<Vec<PartitionView>, ConnectError> {
        self.source.look(group, topics)
    }

    fn partitions(&self) -> Vec<PartitionView> {
        lock(&self.assignment).view()
    }
}
