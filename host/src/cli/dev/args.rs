//! What `pelton dev` is told.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::{Api, Mapped, parameter};
use crate::kafka::StartFrom;

/// `pelton dev`.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// The folder of a project in Rust, JavaScript, Python, Go or C, or with a pelton.toml that says how it is built
    #[arg(default_value = ".")]
    pub(super) folder: PathBuf,
    /// The name to run under [default: the one that the job declares]
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Set a parameter, for the tests and for the job when it is submitted
    #[arg(long, value_name = "KEY=VALUE|KEY=@FILE", value_parser = parameter)]
    pub(super) set: Vec<(String, String)>,
    #[command(flatten)]
    pub(super) mapped: Mapped,
    /// Where to start when it is submitted, even where the consumer group has offsets, as `submit` takes it
    /// [default: those, else latest]
    #[arg(long, value_name = "START", allow_hyphen_values = true)]
    pub(super) from: Option<StartFrom>,
    /// Create missing topics that it writes, and tables
    #[arg(long)]
    pub(super) create: bool,
    /// Create this topic, which it reads, where it is missing
    #[arg(long, value_name = "TOPIC")]
    pub(super) create_source: Vec<String>,
    /// Also where a version drops a source, a sink or a parameter
    #[arg(long)]
    pub(super) force: bool,
    /// The lines of records.jsonl are JSON objects with key, value, headers and so on, not bare values
    #[arg(long)]
    pub(super) envelope: bool,
    /// Install missing tools (componentize-py, zig) into the cache folder
    #[arg(long)]
    pub(super) install: bool,
    #[command(flatten)]
    pub(super) api: Api,
}
