//! Where dead letters are kept: what the connector of topics gives for it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::ControlFlow;
use std::sync::Arc;

use pelton_model::metrics::JobMetrics;

use super::letter::Letter;
use super::marks::Mark;
use super::record::LogRecord;
use crate::connector::Connector;
use crate::dead_letters::DeadLetters;
use crate::error::Error;
use crate::sink::{Writers, WritersContext};

/// A connector that keeps dead letters. What it keeps of one job is a [`LetterLog`].
pub trait LetterStore: Connector {
    /// As [`Connector::open`], with the dead letters that these writers keep, too; they are counted at `counts`. One
    /// that is refused becomes a file in the context's folder.
    ///
    /// # Errors
    /// No client can be made with the settings.
    fn open_with_letters(&self, context: &WritersContext, counts: &JobMetrics) -> Result<Opened, Error>;

    /// The letters of a job as they are now; `None` where none were ever kept. Blocks.
    ///
    /// # Errors
    /// It can't be asked.
    fn log(&self, job: &str) -> Result<Option<Box<dyn LetterLog>>, Error>;

    /// Begins a redrive of a job: any other of the same job writes no mark from now on. Read the marks that there are
    /// after this. Blocks.
    ///
    /// # Errors
    /// It can't be asked.
    fn begin_redrive(&self, job: &str) -> Result<Box<dyn Marker>, Error>;
}

/// What an attempt of a job writes with, and the dead letters that it keeps.
pub type Opened = (Arc<dyn Writers>, Arc<dyn DeadLetters>);

/// The log of one job's letters, as it was when it was opened: partitions of records in the order of their offsets.
pub trait LetterLog: Send + Sync + Debug {
    /// Its name.
    fn name(&self) -> &str;

    /// The first offset and the one after the last, by partition.
    fn bounds(&self) -> &BTreeMap<i32, (i64, i64)>;

    /// Shows records to the visitor from these offsets on and of these partitions only, in the order of the offsets
    /// within a partition, until the end or until the visitor breaks off. Blocks.
    ///
    /// # Errors
    /// It can't be read.
    fn read_from(&self, starts: &BTreeMap<i32, i64>, visit: &mut Visit<'_>) -> Result<(), Error>;

    /// Deletes everything before these offsets, by partition. Blocks.
    ///
    /// # Errors
    /// It can't be deleted.
    fn delete_before(&self, offsets: &BTreeMap<i32, i64>) -> Result<(), Error>;

    /// Shows every record to the visitor.
    ///
    /// # Errors
    /// As [`read_from`](Self::read_from).
    fn read(&self, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.read_from(&self.bounds().iter().map(|(&partition, &(first, _))| (partition, first)).collect(), visit)
    }
}

/// Who is shown the records of a log.
pub type Visit<'a> = dyn FnMut(Item<'_>) -> ControlFlow<()> + 'a;

/// A record of a log.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Item<'a> {
    /// A dead letter of the job.
    Letter(Letter<'a>),
    /// Tells that letters were redriven.
    Mark(Mark),
    /// Somebody else's record, at this partition and offset.
    Foreign(i32, i64),
}

impl<'a> Item<'a> {
    /// What a record of the log of `job` is.
    pub fn of(job: &str, record: &'a impl LogRecord) -> Self {
        Letter::read(job, record)
            .map(Item::Letter)
            .or_else(|| Mark::read(job, record).map(Item::Mark))
            .unwrap_or(Item::Foreign(record.partition(), record.offset()))
    }
}

/// Writes marks, for one redrive.
pub trait Marker: Debug {
    /// Marks letters, offsets by partition: all of them or none. After an error the redrive must end.
    ///
    /// # Errors
    /// Nothing is marked.
    fn mark(&self, letters: BTreeMap<i32, Vec<i64>>) -> Result<(), MarkError>;
}

/// Why a mark was not written.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// Another redrive of the job has begun since, perhaps on another host.
    #[error("another redrive of the job has begun")]
    Fenced,
    /// The log did not take it.
    #[error("failed to mark letters as redriven: {0}")]
    NotTaken(String),
}
