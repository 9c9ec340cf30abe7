//! Everything of `pelton run` between the settings and the exit code.

use anyhow::Result;
use pelton_api::host::Host;
use pelton_runtime::compiler::Compiler;

use crate::config::Config;
use crate::signals::Stop;

/// Runs a host until SIGTERM or Ctrl-C, then drains it. A second one ends the process at once, with exit code 1.
pub async fn run(config: Config) -> Result<()> {
    config.log_warnings();
    let stop = Stop::listen()?;
    let host = Host::start(config, Some(Compiler::this_program()?)).await?;
    stop.asked().await;
    tracing::info!("stopping: draining what is in flight; a second signal stops at once");
    host.drain().await;
    tracing::info!("stopped");
    Ok(())
}
