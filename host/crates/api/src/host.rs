//! A running host: its jobs, and the API in front of them.

use std::net::SocketAddr;
use std::sync::Arc;

use pelton_connect::Connectors;
use pelton_control::{Compiler, Jobs};
use pelton_model::metrics::Metrics;
use pelton_model::settings::Config;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinHandle};

use crate::context::Context;
use crate::files::raise_limit;
use crate::guard::Guard;
use crate::places::Bounds;
use crate::serve::{Serving, listen, serve};
use crate::servers;
use crate::start_error::StartError;
use crate::table::router;
use crate::tls::Tls;

/// A running host.
#[derive(Debug)]
pub struct Host {
    address: SocketAddr,
    jobs: Arc<Jobs>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
    /// Looks at the files of the certificate, where there is one.
    renewal: Option<AbortHandle>,
    /// Takes figures each second.
    recent: AbortHandle,
}

impl Host {
    /// Binds the API, starts the jobs that were submitted before and, if the settings say so, those in `usr_jobs`.
    /// Kafka and Postgres need not be there yet. Components are compiled by `compiler`, or else on threads of this
    /// process, which a hostile one may keep busy.
    ///
    /// # Errors
    /// What a host can't begin without.
    pub async fn start(config: Config, compiler: Option<Compiler>) -> Result<Self, StartError> {
        let guard = Guard::new(&config)?;
        let tls = Tls::new(&config.api)?.map(Arc::new);
        let bounds = Bounds::within(raise_limit());
        let failed = |cause| StartError::Listen { address: config.listen, cause };
        let listener = listen(config.listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (read_time, write_time) = (config.api.read_time, config.api.write_time);
        let config = Arc::new(config);
        let metrics = Arc::new(Metrics::default());
        let runtime = tokio::runtime::Handle::current();
        let connectors = Arc::new(Connectors::new(&config, &runtime)?);
        let jobs = Jobs::open(Arc::clone(&config), Arc::clone(&metrics), Arc::clone(&connectors), compiler)?;
        servers::look(&connectors);
        let context = Context::new(Arc::clone(&jobs), metrics, connectors);
        let recent = tokio::spawn(Arc::clone(&context.recent).keep(Arc::downgrade(&jobs))).abort_handle();
        let router = router(context, guard);
        let (stop, stopped) = oneshot::channel::<()>();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let renewal = tls.clone().map(|tls| tokio::spawn(tls.keep_up()).abort_handle());
        let serving = Serving { bounds, read_time, write_time, tls };
        let server = tokio::spawn(serve(listener, router, serving, async { drop(stopped.await) }));
        tracing::info!("Pelton listens on {scheme}://{address}");
        Ok(Self { address, jobs, stop, server, renewal, recent })
    }

    /// Where the API listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The jobs.
    pub fn jobs(&self) -> &Arc<Jobs> {
        &self.jobs
    }

    /// Drains what is in flight, commits, leaves the groups, and closes the API last, so that it can be watched.
    pub async fn drain(mut self) {
        self.jobs.drain().await;
        // The server may have ended already.
        let _ = self.stop.send(());
        // Open connections have a moment to finish; streams never do.
        if tokio::time::timeout(std::time::Duration::from_secs(1), &mut self.server).await.is_err() {
            self.server.abort();
        }
        self.recent.abort();
        if let Some(renewal) = self.renewal {
            renewal.abort();
        }
    }
}
