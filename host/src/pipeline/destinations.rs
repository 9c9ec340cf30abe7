//! The sinks of a job's instances: made when an instance starts, and changed when a new version declares others.
//!
//! A sink that both versions declare alike is handed on as it is, with all that waits in it, so order is kept. One that the
//! new version no longer has writes what it was given and is then closed.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use tokio::runtime::Handle;

use super::route::Destination;
use crate::dead_letter::KafkaDeadLetters;
use crate::metrics::{JobMetrics, SinkMetrics};
use crate::sink::postgres::{Encoder, PostgresConfig, PostgresSink, SinkObserver};
use crate::spec::{Sink, Target};
use crate::status::{State, Status};

/// Makes the destinations of one job's instances.
#[derive(Debug)]
pub struct Destinations {
    /// The job's name.
    pub name: String,
    /// How Postgres is reached.
    pub postgres: PostgresConfig,
    /// Where Postgres writers run.
    pub runtime: Handle,
    /// For rows that Postgres refuses.
    pub dead_letters: Arc<KafkaDeadLetters>,
    /// Where it is told how sinks fare.
    pub status: Arc<Status>,
    /// Counts.
    pub metrics: JobMetrics,
}

impl Destinations {
    /// Those of instance `number`, in the order of `sinks`. What fits is taken out of `had`.
    pub fn make(
        &self,
        number: usize,
        sinks: &[Sink],
        had: &mut Vec<(Sink, Destination)>,
    ) -> Result<Vec<(Sink, Destination)>> {
        let make = |sink: &Sink| {
            if let Some(same) = had.iter().position(|(before, _)| before == sink) {
                return Ok(had.swap_remove(same));
            }
            let destination = match &sink.target {
                Target::Topic(topic) => Destination::Topic(topic.as_str().into(), self.metrics.sink(&sink.name)),
                target => {
                    let observer = Arc::new(Observer {
                        job: self.name.clone(),
                        part: format!("sink {} of instance {number}", sink.name),
                        status: Arc::clone(&self.status),
                        metrics: self.metrics.sink(&sink.name),
                    });
                    let dead_letters = Arc::clone(&self.dead_letters) as Arc<_>;
                    let spawned =
                        PostgresSink::spawn(&self.runtime, &self.name, sink, &self.postgres, dead_letters, observer);
                    let spawned = spawned.map_err(|error| anyhow!("{error}"))?;
                    Destination::Postgres(Box::new((Encoder::new(target), spawned)))
                }
            };
            Ok((sink.clone(), destination))
        };
        sinks.iter().map(make).collect()
    }

    /// Clears what was told of the sinks of an instance that is no more.
    pub fn forget(&self, number: usize, sinks: &[Sink]) {
        for sink in sinks {
            self.status.clear(&format!("sink {} of instance {number}", sink.name));
        }
    }
}

/// Tells of a Postgres sink in the job's status and metrics.
struct Observer {
    job: String,
    part: String,
    status: Arc<Status>,
    metrics: SinkMetrics,
}

impl SinkObserver for Observer {
    fn down(&self, reason: &str) {
        if self.status.raise(&self.part, State::Degraded, reason) {
            tracing::warn!(job.name = self.job, "{}: {reason}; waiting", self.part);
        }
    }

    fn up(&self) {
        if self.status.clear(&self.part) {
            tracing::info!(job.name = self.job, "{}: Postgres is back", self.part);
        }
    }

    fn wrote(&self, rows: u64, bytes: u64) {
        self.metrics.records.inc_by(rows);
        self.metrics.bytes.inc_by(bytes);
    }
}
