//! The table of connectors: which there are, and who takes what.

use std::sync::Arc;

use pelton_model::settings::Config;
use pelton_model::spec::{Spec, Target};
use tokio::runtime::Handle;

use crate::connector::{Connector, Finding, Needs};
use crate::error::Error;
use crate::kafka::Kafka;
use crate::letters::LetterStore;
use crate::memory::Memory;
use crate::postgres::{Encoder, Postgres};
use crate::sink::RowCheck;
use crate::source::SourceConnector;

/// The connectors of a host.
///
/// | what | connector |
/// |---|---|
/// | sources, [`Target::Topic`], dead letters | Kafka |
/// | [`Target::Table`], [`Target::Statement`] | Postgres |
/// | all of it, in tests and simulations | memory |
#[derive(Debug)]
pub struct Connectors {
    sources: Arc<dyn SourceConnector>,
    letters: Arc<dyn LetterStore>,
    tables: Arc<dyn Connector>,
}

impl Connectors {
    /// Those of a host with these settings. Connects to nothing yet.
    ///
    /// # Errors
    /// The settings of one make no sense.
    pub fn new(config: &Config, runtime: &Handle) -> Result<Self, Error> {
        let kafka = Arc::new(Kafka::new(config, runtime)?);
        let tables = Arc::new(Postgres::new(&config.postgres, runtime)?);
        Ok(Self { sources: Arc::clone(&kafka) as _, letters: kafka, tables })
    }

    /// Those of a host that has nothing beside it but memory.
    pub fn memory(memory: &Memory) -> Self {
        let memory = Arc::new(memory.clone());
        Self::of(Arc::clone(&memory) as _, Arc::clone(&memory) as _, memory)
    }

    /// Those that a test has made.
    pub fn of(sources: Arc<dyn SourceConnector>, letters: Arc<dyn LetterStore>, tables: Arc<dyn Connector>) -> Self {
        Self { sources, letters, tables }
    }

    /// What jobs read from.
    pub fn sources(&self) -> &Arc<dyn SourceConnector> {
        &self.sources
    }

    /// Where topics are written, and dead letters kept.
    pub fn letters(&self) -> &Arc<dyn LetterStore> {
        &self.letters
    }

    /// Where rows are written.
    pub fn tables(&self) -> &Arc<dyn Connector> {
        &self.tables
    }

    /// Whether the connector of topics takes this target; else that of tables does.
    pub fn is_of_topics(&self, target: &Target) -> bool {
        match target {
            Target::Topic(_) => true,
            Target::Table(_) | Target::Statement(_) => false,
        }
    }

    /// Everything that a job needs and that is missing or of the wrong shape. Changes nothing. Blocks.
    ///
    /// # Errors
    /// A connector that the job needs can't be asked.
    pub fn check(&self, job: &str, spec: &Spec) -> Result<Vec<Finding>, Error> {
        let (of_topics, of_tables) = self.needs(job, spec);
        let mut findings = self.letters.check(&of_topics)?;
        if !of_tables.sinks.is_empty() {
            findings.extend(self.tables.check(&of_tables)?);
        }
        Ok(findings)
    }

    /// Makes everything that a job needs and that is missing; `made` is added to as by [`Connector::make`]. Blocks.
    ///
    /// # Errors
    /// A connector that the job needs can't be asked, or refuses.
    pub fn make(&self, job: &str, spec: &Spec, made: &mut Vec<String>) -> Result<(), Error> {
        let (of_topics, of_tables) = self.needs(job, spec);
        self.letters.make(&of_topics, made)?;
        if of_tables.sinks.is_empty() { Ok(()) } else { self.tables.make(&of_tables, made) }
    }

    /// What a job needs of the connector of topics, and of that of tables.
    fn needs<'a>(&self, job: &'a str, spec: &'a Spec) -> (Needs<'a>, Needs<'a>) {
        let (topics, tables): (Vec<_>, _) = spec.sinks.iter().partition(|sink| self.is_of_topics(&sink.target));
        let of_topics = Needs { job, sources: spec.sources.iter().collect(), sinks: topics };
        (of_topics, Needs { job, sources: Vec::new(), sinks: tables })
    }
}

/// What Postgres, and memory as well, would refuse of a target's rows, told without asking either.
pub fn row_check(target: &Target) -> Box<dyn RowCheck> {
    Box::new(Encoder::new(target))
}
