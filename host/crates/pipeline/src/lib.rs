//! One job's flow, from the first record to the last commit. The whole of it, top to bottom:
//!
//! ```text
//! source ─ batch ─▶ worker: guest ─ outcome ─▶ router ─▶ sinks, dead letters
//!    ▲                                                      │
//!    └── commit ◀── ledger: contiguous complete head ◀── acknowledgement
//! ```
//!
//! [`attempt`] runs a job until it stops or fails; [`worker`] is one instance at work. [`guest`] is where a job is
//! called, also by a [redrive], a [shadow run](shadow) and a [trial] without anything beside it.

pub mod attempt;
pub mod current;
pub mod error;
pub mod guest;
pub mod instances;
pub mod isolate;
pub mod job;
pub mod pace;
pub mod queue;
pub mod redrive;
pub mod router;
pub mod sample;
pub mod shadow;
pub mod trace;
pub mod trial;
pub mod version;
pub mod worker;

pub use attempt::{Attempt, Ended};
pub use current::{CurrentVersion, RolledBack};
pub use error::Error;
pub use job::{Job, JobEnvironment};
pub use pace::Pace;
pub use version::{ProbationView, Version};
