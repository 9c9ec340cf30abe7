//! What the API sends and takes, shared by the server and the command line.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use super::problem::Problem;
use crate::kafka::StartFrom;
use crate::source::kafka::PartitionView;
use crate::spec::Spec;
use crate::status::{Condition, State};

/// `POST /api/v1/jobs`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Submit {
    /// A job in the host's `usr_jobs` folder, by its declared name or its file's; or else `digest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<String>,
    /// A component uploaded before, by the SHA-256 that the upload answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The name to run under; the declared one where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Parameters to set.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// Where to start, also where the group has offsets already. Without it the job goes on from those, and starts at the
    /// latest where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<StartFrom>,
    /// How many instances; 1 where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<usize>,
    /// The guarantee asked for.
    #[serde(default)]
    pub guarantee: Guarantee,
    /// The consumer group; `pelton-<name>` where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether missing topics and tables are created.
    #[serde(default)]
    pub create: bool,
}

/// How often an output may appear.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Guarantee {
    /// Never missing, perhaps repeated after a crash.
    #[default]
    AtLeastOnce,
    /// Neither.
    ExactlyOnce,
}

/// The answer to `POST /api/v1/components`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Uploaded {
    /// SHA-256 of the component, in hexadecimal.
    pub digest: String,
    /// What it declares.
    pub spec: Spec,
}

/// A submitted job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// What makes the state.
    pub conditions: Vec<Condition>,
    /// SHA-256 of its component.
    pub digest: String,
    /// What it declares.
    pub spec: Spec,
    /// All its parameters.
    pub parameters: BTreeMap<String, String>,
    /// The consumer group.
    pub group: String,
    /// How many instances.
    pub parallelism: usize,
    /// When it was submitted.
    pub submitted: DateTime<Utc>,
    /// Counts since the host started.
    pub counts: Counts,
    /// The partitions that this host has.
    pub partitions: Vec<PartitionView>,
    /// Records not committed yet, where known of every partition.
    pub lag: Option<i64>,
}

/// Counts of a job since the host started.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// Records read.
    pub records_in: u64,
    /// Bytes of keys and values read.
    pub bytes_in: u64,
    /// Records that the job rejected.
    pub rejects: u64,
    /// Records kept as dead letters.
    pub dead_letters: u64,
    /// Failed calls of the job.
    pub guest_failures: u64,
    /// What each sink has acknowledged.
    pub sinks: Vec<SinkCounts>,
}

/// Counts of a sink since the host started.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SinkCounts {
    /// The sink.
    pub name: String,
    /// Messages or rows.
    pub records_out: u64,
    /// Bytes.
    pub bytes_out: u64,
}

/// A file in `usr_jobs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Available {
    /// The file's name.
    pub file: String,
    /// What it declares, where it is a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Spec>,
    /// Why it is not a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The answer to `GET /api/v1/jobs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobList {
    /// Submitted jobs, by name.
    pub jobs: Vec<JobView>,
    /// Jobs in `usr_jobs`, by file.
    pub available: Vec<Available>,
}
