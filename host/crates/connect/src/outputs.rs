//! All that one attempt of a job writes with: its sinks' writers and its dead letters, assembled.

use std::sync::Arc;
use std::time::Duration;

use pelton_model::metrics::JobMetrics;
use pelton_model::spec;

use crate::connectors::Connectors;
use crate::dead_letters::DeadLetters;
use crate::error::Error;
use crate::sink::{Sink, Writers, WritersContext};

/// What is to be opened.
#[derive(Debug, Clone)]
pub struct Opening {
    /// For all writers.
    pub context: WritersContext,
    /// Where dead letters are counted.
    pub letter_counts: JobMetrics,
}

/// What an attempt of a job writes with.
#[derive(Debug, Clone)]
pub struct Outputs {
    connectors: Arc<Connectors>,
    topics: Arc<dyn Writers>,
    tables: Arc<dyn Writers>,
    letters: Arc<dyn DeadLetters>,
}

impl Outputs {
    /// Opens all of it. Waits for no answer.
    ///
    /// # Errors
    /// The settings of a connector make no sense.
    pub fn open(connectors: &Arc<Connectors>, opening: &Opening) -> Result<Self, Error> {
        let (topics, letters) = connectors.letters().open_with_letters(&opening.context, &opening.letter_counts)?;
        let tables = connectors.tables().open(&opening.context, &letters)?;
        Ok(Self { connectors: Arc::clone(connectors), topics, tables, letters })
    }

    /// The job's dead letters.
    pub fn letters(&self) -> &Arc<dyn DeadLetters> {
        &self.letters
    }

    /// The sinks of one instance, in the order of `sinks`. What fits is taken out of `had`, with all that waits in it,
    /// so that order is kept.
    ///
    /// # Errors
    /// As [`Writers::sink`].
    pub fn sinks(&self, instance: usize, sinks: &[spec::Sink], had: &mut Vec<Made>) -> Result<Vec<Made>, Error> {
        let make = |declared: &spec::Sink| {
            if let Some(same) = had.iter().position(|(before, _)| before == declared) {
                return Ok(had.swap_remove(same));
            }
            let writers = if self.connectors.is_of_topics(&declared.target) { &self.topics } else { &self.tables };
            Ok((declared.clone(), writers.sink(instance, declared)?))
        };
        sinks.iter().map(make).collect()
    }

    /// Waits until everything is written or `timeout` is over.
    pub fn flush(&self, timeout: Duration) {
        self.topics.flush(timeout);
        self.tables.flush(timeout);
    }
}

/// A sink, and as what it is declared.
pub type Made = (spec::Sink, Box<dyn Sink>);
