//! A job run without anything beside it: records from a reader, everything that it makes of them as lines of JSON.
//!
//! It is the host's own engine with the host's limits, batches cut as the host cuts them, and a failed batch halved as
//! a [worker](crate::worker) does it, so what happens here happens there. The lines depend on nothing but the
//! component, its parameters and the records: a call that failed and is made again on a half leaves no line and no
//! metric behind.

mod error;
mod golden;
mod input;
mod lines;
mod recorder;
mod run;
mod summary;

pub use error::TrialError;
pub use golden::Golden;
pub use input::Format;
pub use summary::{SinkSummary, Summary, Trial};
