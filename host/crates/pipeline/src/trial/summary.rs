//! How a job is to be tried, and what that came to.

use std::fmt::{self, Display};

use serde::Serialize;

use super::input::Format;

/// How a job is to be run.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Parameters that are set; the others have their defaults.
    pub parameters: Vec<(String, String)>,
    /// Most records in a batch.
    pub batch_records: usize,
    /// Most bytes in a batch; a larger record is a batch of its own.
    pub batch_bytes: usize,
    /// What a line of the input is.
    pub format: Format,
}

/// What a run came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Records read.
    pub records: u64,
    /// Outputs by sink, in declared order.
    pub outputs: Vec<SinkSummary>,
    /// Records that the job rejected.
    pub rejects: u64,
    /// Records on which it failed.
    pub failures: u64,
    /// CPU time that the job took for a record, nanoseconds, calls that failed included.
    pub nanoseconds_per_record: u64,
    /// Most memory of an instance, bytes.
    pub memory_bytes: usize,
    /// Time from the component's bytes to the job, milliseconds: compiling, or loading compiled code.
    pub load_milliseconds: u64,
}

/// Outputs for one sink.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SinkSummary {
    /// The sink.
    pub sink: String,
    /// Messages, or rows.
    pub outputs: u64,
    /// Those of the rows that the sink could not hold.
    pub refused: u64,
}

impl Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records", self.records)?;
        for sink in &self.outputs {
            write!(f, ", {} to {}", sink.outputs, sink.sink)?;
            if sink.refused > 0 {
                write!(f, " ({} of them refused)", sink.refused)?;
            }
        }
        write!(f, ", {} rejects, {} failures", self.rejects, self.failures)?;
        let mib = self.memory_bytes as f64 / f64::from(1 << 20);
        write!(
            f,
            "; {} ns per record, {mib:.1} MiB, loaded in {} ms",
            self.nanoseconds_per_record, self.load_milliseconds
        )
    }
}
