//! What the demo needs of a host.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use pelton_model::settings::Config;
use pelton_model::status::State;

use crate::error::Error;

/// A host in this process. The crate of hosts is not this one's to know: whoever has both gives the one to the other.
pub trait DemoHost: Sized {
    /// Starts a host with these settings.
    fn start(config: Config) -> impl Future<Output = Result<Self, Error>>;

    /// Where its API listens.
    fn address(&self) -> SocketAddr;

    /// Submits a job of its `usr_jobs` folder.
    fn submit(&self, job: &str) -> impl Future<Output = Result<(), Error>>;

    /// Tells of all jobs, also while the host drains and thereafter.
    fn jobs(&self) -> Box<dyn Fn() -> Vec<Job>>;

    /// Finishes what is in flight and ends.
    fn drain(self) -> impl Future<Output = ()>;
}

/// A job as it is now.
#[derive(Debug, Clone)]
pub struct Job {
    /// The name that it runs under.
    pub name: String,
    /// Running, or what it is instead.
    pub state: State,
    /// Why it is not well, if it is not.
    pub reasons: Vec<String>,
    /// What it has read.
    pub records_in: u64,
    /// What its sinks have acknowledged, by their names.
    pub records_out: BTreeMap<String, u64>,
    /// Records that it could not use.
    pub dead_letters: u64,
    /// Records that it has not read yet; none while that is not known.
    pub lag: Option<u64>,
}
