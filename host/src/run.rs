//! Everything of `pelton run` between the settings and the exit code.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use pelton_api::host::Host;
use pelton_build::oci;
use pelton_control::{Error, Jobs};
use pelton_runtime::compiler::Compiler;

use crate::api::types::Apply;
use crate::config::Config;
use crate::job_file::{self, Described};
use crate::signals::Stop;

/// How long what is not there yet (Kafka, Postgres, a registry, a file in `usr_jobs`) is waited for before it is tried
/// again.
const AGAIN: Duration = Duration::from_secs(2);

/// Runs a host until SIGTERM or Ctrl-C, then drains it. A second one ends the process at once, with exit code 1. Jobs
/// that `files` describe are made what they say.
pub async fn run(config: Config, files: &[PathBuf]) -> Result<()> {
    config.log_warnings();
    let stop = Stop::listen()?;
    // What is wrong in them ends the start.
    let described = job_file::read(files)?;
    let largest = (config.api.upload_mib as u64) << 20;
    let host = Host::start(config, Some(Compiler::this_program()?)).await?;
    let applying = tokio::spawn(apply(Arc::clone(host.jobs()), described, largest));
    stop.asked().await;
    tracing::info!("stopping: draining what is in flight; a second signal stops at once");
    applying.abort();
    host.drain().await;
    tracing::info!("stopped");
    Ok(())
}

/// Has jobs be what files say, each as soon as what it needs is there.
async fn apply(jobs: Arc<Jobs>, mut described: Vec<Described>, largest: u64) {
    let mut told = String::new();
    while !described.is_empty() {
        let mut later = Vec::new();
        for job in described {
            let (on, this) = (Arc::clone(&jobs), job.clone());
            let tried = tokio::task::spawn_blocking(move || apply_one(&on, this, largest)).await;
            let path = job.path.display();
            match tried.map_err(anyhow::Error::from).and_then(|tried| tried) {
                Ok(()) => {}
                Err(error) if is_temporary(&error) => {
                    let reason = format!("{path} is not applied yet: {error:#}");
                    if told != reason {
                        tracing::warn!("{reason}; trying again");
                        told = reason;
                    }
                    later.push(job);
                }
                Err(error) => tracing::error!("{path} is not applied: {error:#}"),
            }
        }
        described = later;
        tokio::time::sleep(AGAIN).await;
    }
}

fn apply_one(jobs: &Jobs, described: Described, largest: u64) -> Result<()> {
    let path = described.path.display().to_string();
    let pull = |reference: &oci::Reference| {
        oci::pull(reference, false, largest).with_context(|| format!("failed to pull {reference}"))
    };
    let (mut job, from) = described.submit(pull, |_, wasm| Ok(jobs.upload(wasm)?.digest))?;
    let why = format!("apply {path}{}", from.map_or_else(String::new, |from| format!(", from {from}")));
    (job.by, job.why) = (Some("pelton run".to_owned()), Some(why));
    let applied = jobs.apply(&Apply { job, dry_run: false })?;
    if !applied.changes.is_empty() {
        tracing::info!(job.name = applied.name, "{}: {}", path, applied.changes.join(", "));
    }
    Ok(())
}

/// Whether it may go well a little later as it is.
fn is_temporary(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Error>().is_some_and(Error::is_temporary)
        || error.downcast_ref::<pelton_build::Error>().is_some()
}
