//! The host as `pelton demo` runs it.

use std::fmt::Display;
use std::net::SocketAddr;

use pelton_api::host::Host;
use pelton_api::types::{JobView, Submit};
use pelton_demo::{DemoHost, Error, Job};
use pelton_runtime::compiler::Compiler;

use crate::config::Config;

/// A host of `pelton demo`.
#[derive(Debug)]
pub struct HostAdapter(Host);

impl DemoHost for HostAdapter {
    async fn start(config: Config) -> Result<Self, Error> {
        let refused = |error: &dyn Display| Error::Host(error.to_string().into());
        let compiler = Compiler::this_program().map_err(|error| refused(&error))?;
        Host::start(config, Some(compiler)).await.map(Self).map_err(|error| refused(&error))
    }

    fn address(&self) -> SocketAddr {
        self.0.address()
    }

    async fn submit(&self, job: &str) -> Result<(), Error> {
        let submit = Submit { available: Some(job.to_owned()), ..Submit::default() };
        let jobs = self.0.jobs().clone();
        let submitted = tokio::task::spawn_blocking(move || jobs.submit(&submit)).await;
        let refused = |error: &dyn Display| Error::Host(error.to_string().into());
        submitted.map_err(|error| refused(&error))?.map(drop).map_err(|error| refused(&error))
    }

    fn jobs(&self) -> Box<dyn Fn() -> Vec<Job>> {
        let jobs = self.0.jobs().clone();
        Box::new(move || jobs.list().into_iter().map(job).collect())
    }

    fn drain(self) -> impl Future<Output = ()> {
        self.0.drain()
    }
}

fn job(view: JobView) -> Job {
    Job {
        name: view.name,
        state: view.state,
        reasons: view.conditions.into_iter().map(|condition| condition.reason).collect(),
        records_in: view.counts.records_in,
        records_out: view.counts.sinks.into_iter().map(|sink| (sink.name, sink.records_out)).collect(),
        dead_letters: view.counts.dead_letters,
        lag: view.lag.and_then(|lag| u64::try_from(lag).ok()),
    }
}
