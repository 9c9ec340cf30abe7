//! What is found of Kafka and Postgres as the host starts: settings that lead to nobody, or that a server refuses, are
//! told then, and not to whoever submits the first job.

use std::sync::Arc;
use std::time::Duration;

use pelton_connect::{Connectors, Error};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks once, on a thread of its own, and warns of what is not as it should be. Nothing waits for that: servers may
/// come later.
pub(crate) fn look(connectors: &Arc<Connectors>) {
    let connectors = Arc::clone(connectors);
    let looks = move || {
        let tell = |found: Result<(), Error>, then: &str| {
            if let Err(error) = found {
                tracing::warn!("{error:#}; {then}");
            }
        };
        tell(connectors.sources().ping(PATIENCE), "jobs wait until it answers");
        tell(connectors.tables().ping(PATIENCE), "jobs that write tables wait until it can be used");
    };
    if let Err(error) = std::thread::Builder::new().name("servers".to_owned()).spawn(looks) {
        tracing::debug!("the servers were not looked at: {error}");
    }
}
