//! The seam between a job's supervisor and what moves its records.

use std::fmt::Debug;
use std::sync::Arc;

use pelton_connect::{Error as ConnectError, Requests};
use pelton_model::log::JobLog;
use pelton_model::metrics::JobMetrics;
use pelton_model::partition::PartitionView;
use pelton_model::status::Status;

use pelton_pipeline::{CurrentVersion, Ended, Error};
use pelton_runtime::Host;

/// What others see of a job. Cheap to clone.
#[derive(Clone)]
pub struct Observed {
    /// The job's name.
    pub name: String,
    /// Its log.
    pub log: Arc<JobLog>,
    /// How it is doing.
    pub status: Arc<Status>,
    /// Its counts.
    pub metrics: JobMetrics,
    /// What its guests' imports reach.
    pub host: Arc<dyn Host>,
}

impl Debug for Observed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observed").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Makes the runners of a host's jobs.
pub trait JobRunners: Send + Sync + Debug {
    /// That of one job.
    fn of(&self, job: &Observed) -> Arc<dyn JobRunner>;
}

/// What moves the records of one job, attempt after attempt.
pub trait JobRunner: Send + Sync + Debug {
    /// Runs the job until it is told to stop or nothing comes: then drains, commits and leaves its group.
    ///
    /// # Errors
    /// What failed; nothing that was not acknowledged is committed then either.
    fn run(&self, current: &Arc<CurrentVersion>, group: &str, requests: &Requests) -> Result<Ended, Error>;

    /// Sleeps until there is anything in these partitions, or the job is told to stop.
    fn sleep(&self, partitions: Vec<PartitionView>, requests: &Requests);

    /// The client that a job gives up to sleep.
    fn sleeping_client(&self) -> &'static str;

    /// Says that an attempt has ended, whichever way.
    fn attempt_is_over(&self);

    /// Says that the job does nothing from now on, so that it is on no partition.
    fn rest(&self);

    /// Where the group is on all partitions of these topics, while the job does nothing. Blocks, for some seconds at
    /// most.
    ///
    /// # Errors
    /// A topic is missing, or what the job reads from does not answer.
    fn look(&self, group: &str, topics: &[String]) -> Result<Vec<PartitionView>, ConnectError>;

    /// Where the job is on the partitions that this host has.
    fn partitions(&self) -> Vec<PartitionView>;
}
