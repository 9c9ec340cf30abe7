//! Ctrl-C and SIGTERM: the first asks for an orderly end, the second ends the process at once with exit code 1.

use anyhow::{Context, Result};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Whether the process was asked to end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens from now on, on a thread of its own, so that the second signal is heard whatever else hangs.
    pub fn listen() -> Result<Self> {
        let (asked, receiver) = watch::channel(false);
        let runtime =
            Builder::new_current_thread().enable_io().build().context("failed to make a runtime for signals")?;
        let (mut interrupt, mut terminate) = {
            let _within = runtime.enter();
            (
                signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?,
                signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?,
            )
        };
        let listen = async move {
            either(&mut interrupt, &mut terminate).await;
            // Nobody may be waiting any more.
            let _ = asked.send(true);
            either(&mut interrupt, &mut terminate).await;
            std::process::exit(1);
        };
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || runtime.block_on(listen))
            .context("failed to start the thread that listens for signals")?;
        Ok(Self(receiver))
    }

    /// Whether the process was asked to end by now.
    pub fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Completes once the process was asked to end.
    pub async fn asked(&self) {
        // The sender lives as long as the process.
        let _ = self.0.clone().wait_for(|asked| *asked).await;
    }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
}
