//! The control plane: what each job of a host is to be, and what makes it so.
//!
//! ```text
//! verb ─ record, if it is still the one that was read ─▶ catalog ─ what is to be done ─▶ reconciler ─▶ supervisor ─▶ pipeline
//! ```
//!
//! A [verb](verbs) changes the desired state, a [record] in the [catalog], and only if that is still the one that it
//! has read; the reconciler sees the change, [plans](reconcile) what is to be done for the job, and does it; a
//! supervisor keeps attempt after attempt running. So a verb is carried out whether or not anybody waits for it, also
//! after a crash. The records of jobs never pass through here.

pub mod available;
pub mod catalog;
mod changes;
pub mod checks;
pub mod completion;
pub mod components;
mod drop_folder;
pub mod error;
mod flow;
mod groups;
pub mod guest;
pub mod jobs;
mod looks;
pub mod pipeline_runner;
pub mod reconcile;
mod reconciler;
pub mod record;
mod redrives;
pub mod runner;
mod scaler;
mod scaling;
pub mod services;
mod slot;
pub mod start_error;
mod supervisor;
mod sweep;
pub mod tally;
#[cfg(test)]
mod tests;
mod trim;
pub mod types;
pub mod verbs;

pub use error::Error;
pub use jobs::Jobs;
pub use pelton_runtime::compiler::Compiler;
pub use start_error::StartError;
