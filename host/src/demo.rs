//! The host as `pelton demo` runs it.

use std::net::SocketAddr;

use anyhow::Result;
use pelton_demo::{DemoHost, Job};

use crate::api::types::{JobView, Submit};
use crate::config::Config;
use crate::run::Host;

impl DemoHost for Host {
    fn start(config: Config) -> impl Future<Output = Result<Self>> {
        Host::start(config)
    }

    fn address(&self) -> SocketAddr {
        Host::address(self)
    }

    async fn submit(&self, job: &str, parallelism: usize) -> Result<()> {
        let submit = Submit { available: Some(job.to_owned()), parallelism: Some(parallelism), ..Submit::default() };
        let jobs = Host::jobs(self).clone();
        tokio::task::spawn_blocking(move || jobs.submit(&submit)).await??;
        Ok(())
    }

    fn jobs(&self) -> Box<dyn Fn() -> Vec<Job>> {
        let jobs = Host::jobs(self).clone();
        Box::new(move || jobs.list().into_iter().map(job).collect())
    }

    fn drain(self) -> impl Future<Output = ()> {
        Host::drain(self)
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
