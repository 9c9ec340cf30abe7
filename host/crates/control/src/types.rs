//! What verbs take and what is shown of jobs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use crate::record::{Change, JobVersion};
pub use pelton_connect::messages::{Message, Messages, WhyDead};
pub use pelton_model::log::LogLine;
use pelton_model::mapping::Mapping;
use pelton_model::parallelism::Parallelism;
use pelton_model::partition::{Moved, PartitionView};
use pelton_model::spec::Spec;
use pelton_model::start::StartFrom;
use pelton_model::status::{Condition, State};
pub use pelton_pipeline::ProbationView;
pub use pelton_pipeline::sample::Sample;
pub use pelton_pipeline::shadow::ShadowReport;

/// `POST /api/v1/jobs`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
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
    /// Topics and tables in the place of those that the component declares.
    #[serde(default, skip_serializing_if = "Mapping::is_empty")]
    pub mapping: Mapping,
    /// Where to start, also where the group has offsets already. Without it the job goes on from those, and starts at
    /// the latest where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<StartFrom>,
    /// How many instances; `auto` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<Parallelism>,
    /// The guarantee asked for.
    #[serde(default)]
    pub guarantee: Guarantee,
    /// The consumer group; `pelton-<name>` where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether topics that the job writes, and tables, are created where they are missing.
    #[serde(default)]
    pub create: bool,
    /// Topics that the job reads which are created where they are missing: a new one has nothing to read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub create_sources: Vec<String>,
    /// Whether the job may write into what it reads.
    #[serde(default)]
    pub allow_loop: bool,
    /// Who asks for it, for the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why, for the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// The answer to a verb.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Done {
    /// The job.
    #[serde(flatten)]
    pub job: JobView,
    /// What was changed, in a line; nothing where all was as asked for already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<String>,
    /// Topics and tables that were created for it, each as people call it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub created: Vec<String>,
    /// What was asked for and not done, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
}

/// `POST /api/v1/apply`: what a job is to be, whatever it is by now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// The job, as a submit has it. Where it starts counts only where it is not there yet.
    pub job: Submit,
    /// Whether it is only said what would change.
    #[serde(default)]
    pub dry_run: bool,
}

/// The answer to an apply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Applied {
    /// The job's name.
    pub name: String,
    /// What is changed, or would be, a line each; none where it is so already.
    pub changes: Vec<String>,
    /// Topics and tables that were created for it, each as people call it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub created: Vec<String>,
    /// What was asked for and not done, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
}

/// How often an output may appear.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Guarantee {
    /// Never missing, perhaps repeated after a crash.
    #[default]
    AtLeastOnce,
    /// Neither.
    ExactlyOnce,
}

/// The answer to `POST /api/v1/components`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Uploaded {
    /// SHA-256 of the component, in hexadecimal.
    pub digest: String,
    /// What it declares.
    pub spec: Spec,
}

/// A submitted job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobView {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// What makes the state.
    pub conditions: Vec<Condition>,
    /// The number of the version that runs.
    pub version: u32,
    /// SHA-256 of its component.
    pub digest: String,
    /// What it reads and writes: what its component declares, with `mapping`.
    pub spec: Spec,
    /// Topics and tables in the place of those that its component declares.
    #[serde(default, skip_serializing_if = "Mapping::is_empty")]
    pub mapping: Mapping,
    /// All its parameters. A value of more than 1,024 bytes is cut; `GET …/parameters` has it whole.
    pub parameters: BTreeMap<String, String>,
    /// Those whose values are cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters_cut: Vec<String>,
    /// The consumer group.
    pub group: String,
    /// How many instances it is to have.
    pub parallelism: Parallelism,
    /// How many it has, or will have once it runs.
    #[serde(default)]
    pub instances: usize,
    /// Why, where its parallelism is `auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaled: Option<Scaled>,
    /// When it was submitted.
    pub submitted: DateTime<Utc>,
    /// Counts since this host has it.
    pub counts: Counts,
    /// The partitions that this host has; while the job is held, all of its topics.
    pub partitions: Vec<PartitionView>,
    /// Records not committed yet, where known of every partition.
    pub lag: Option<i64>,
    /// Linear memory of its instances.
    pub memory_bytes: u64,
    /// The file in `usr_jobs` that it came from.
    pub file: Option<String>,
    /// Whether it may write into what it reads.
    #[serde(default)]
    pub allow_loop: bool,
    /// How far the probation of a new version is, while it is on one.
    pub probation: Option<ProbationView>,
    /// Whether there is a shadow run, or what the last one has found.
    #[serde(default)]
    pub shadow: bool,
    /// Every version that it had, the oldest first.
    pub versions: Vec<JobVersion>,
    /// Who changed it when and why, the oldest first.
    pub history: Vec<Change>,
}

/// Why a job of automatic parallelism has as many instances as it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Scaled {
    /// Most that it may have: its partitions, where they are fewer than this host gives a job.
    pub most: usize,
    /// Since when it has as many as it has.
    pub since: DateTime<Utc>,
    /// Why, in words and figures.
    pub reason: String,
}

/// Counts of a job since this host has it: since the submit, or the host's start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Counts {
    /// Since when. What was before is not in them, nor in the job's log.
    #[serde(default)]
    pub since: DateTime<Utc>,
    /// Records read.
    pub records_in: u64,
    /// Bytes of keys and values read.
    pub bytes_in: u64,
    /// Calls of the job, each with a batch.
    pub batches: u64,
    /// How many of them took up to 50 µs, up to twice that, and so on until 1.6 s, and longer.
    #[serde(default)]
    pub batch_times: Vec<u64>,
    /// Their time, seconds.
    pub guest_seconds: f64,
    /// CPU time of the job's instances, seconds.
    pub cpu_seconds: f64,
    /// Records that the job rejected.
    pub rejects: u64,
    /// Records kept as dead letters.
    pub dead_letters: u64,
    /// Failed calls of the job.
    pub guest_failures: u64,
    /// What each sink has acknowledged.
    pub sinks: Vec<SinkCounts>,
}

/// Counts of a sink, since when those of its job are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SinkCounts {
    /// The sink.
    pub name: String,
    /// Messages or rows.
    pub records_out: u64,
    /// Bytes.
    pub bytes_out: u64,
}

/// A file in `usr_jobs`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Available {
    /// The file's name.
    pub file: String,
    /// SHA-256 of its content, where it is a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What it declares, where it is a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Spec>,
    /// Why it is not a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether it is being read and checked just now.
    #[serde(default)]
    pub checking: bool,
    /// The submitted jobs that came from it.
    #[serde(default)]
    pub jobs: Vec<String>,
}

/// `POST /api/v1/jobs/{name}/reload`: a component, or, without one, the job's file in `usr_jobs`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Reload {
    /// A job in the host's `usr_jobs` folder, by its declared name or its file's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<String>,
    /// A component uploaded before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Whether it may drop sources, sinks and parameters, have another name, or forget what its instances remember.
    pub force: bool,
    /// Topics and tables in the place of those that the component declares; the others stay as they are.
    #[serde(skip_serializing_if = "Mapping::is_empty")]
    pub mapping: Mapping,
    /// Whether topics that the job writes, and tables, are created where they are missing.
    pub create: bool,
    /// Topics that the job reads which are created where they are missing: a new one has nothing to read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub create_sources: Vec<String>,
    /// Who asks for it, for the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why, for the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// `POST /api/v1/jobs/{name}/rollback`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rollback {
    /// The number of the version; the one before that which runs where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
    /// Whether it may forget what its instances remember.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Who asks for it, for the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why, for the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// `POST /api/v1/jobs/{name}/scale`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// How many instances.
    pub parallelism: Parallelism,
    /// Whether it may forget what its instances remember.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Who asks for it, for the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// `POST /api/v1/jobs/{name}/set`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SetParameters {
    /// Values by name; null brings the default back. What is not named stays.
    pub parameters: BTreeMap<String, Option<String>>,
    /// Whether it may forget what its instances remember.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Who asks for it, for the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// `POST /api/v1/jobs/{name}/pause` and `…/resume`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Hold {
    /// Whether it may forget what its instances remember.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// Who asks for it, for the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// `POST /api/v1/jobs/{name}/seek`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Seek {
    /// Where the job goes on. Of offsets, partitions that are not named stay where they are.
    pub from: StartFrom,
    /// Who asks for it, for the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// The query of `DELETE /api/v1/jobs/{name}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct Cancel {
    /// Who asks for it, for the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// The query of `GET /api/v1/topics/{topic}/messages`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct LookInto {
    /// How many messages: 10 where it isn't said, at most 1000; the last ones, or the first ones of `from`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<usize>,
    /// Where they begin. Of offsets, only the partitions that are named are looked into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<StartFrom>,
    /// Whether to go on with those that come, as server-sent events of the name `message`; with `from`, with all from
    /// there on.
    pub follow: bool,
}

/// The answer to a seek.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Sought {
    /// The partitions that it was about, in order.
    pub partitions: Vec<Moved>,
}

/// `POST /api/v1/jobs/{name}/shadow`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShadowRun {
    /// A job in the host's `usr_jobs` folder, by its declared name or its file's; or else `digest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<String>,
    /// A component uploaded before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// How long it runs.
    #[serde(default = "ShadowRun::seconds")]
    pub seconds: u32,
}

impl ShadowRun {
    fn seconds() -> u32 {
        30
    }
}

/// An event `jobs` of `GET /api/v1/events`: what has changed since the one before; everything at first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobsEvent {
    /// Jobs that are new or have changed, whole.
    pub jobs: Vec<JobView>,
    /// Names of jobs that are no more.
    pub gone: Vec<String>,
    /// All files in `usr_jobs`, where anything about them has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<Vec<Available>>,
}

/// The answer to `GET /api/v1/jobs/{name}/logs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogLines {
    /// The oldest first.
    pub lines: Vec<LogLine>,
}

/// The answer to `GET /api/v1/jobs/{name}/samples`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SampleList {
    /// Whether the host keeps any.
    pub on: bool,
    /// The newest last.
    pub samples: Vec<Sample>,
}

/// The answer to `GET /api/v1/jobs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobList {
    /// Submitted jobs, by name.
    pub jobs: Vec<JobView>,
    /// Jobs in `usr_jobs`, by file.
    pub available: Vec<Available>,
}
