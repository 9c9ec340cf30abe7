//! What jobs read from and write to.
//!
//! A [`Connector`] is one system beside the host. It checks and makes what a job needs of it, and
//! opens what a job writes with; some are also [sources](source::SourceConnector) and keep [dead
//! letters](letters::LetterStore). Each has a folder of its own, and [`Connectors`] is the one
//! table that knows which there are and who takes which target.
//!
//! ```text
//! Source ─ Delivery ─▶ (the pipeline) ─ Output ─▶ Sink ─ acknowledgement ─▶ Ledger ─ heads ─▶ Committer
//!                                         └ a record that is given up ─▶ DeadLetters
//! ```

pub mod assignment;
mod certificates;
pub mod committer;
pub mod connector;
pub mod connectors;
pub mod context;
pub mod dead_letters;
pub mod error;
pub mod kafka;
pub mod letters;
pub mod memory;
pub mod messages;
pub mod outputs;
pub mod postgres;
mod refusals;
pub mod sink;
pub mod source;
mod starts;

pub use assignment::Assignment;
pub use certificates::CertificateFault;
pub use committer::{AtLeastOnce, Committer, Head, Offsets};
pub use connector::{Connector, Finding, Fix, Needs, Role};
pub use connectors::Connectors;
pub use context::{Report, Requests};
pub use dead_letters::DeadLetters;
pub use error::Error;
pub use outputs::{Opening, Outputs};
pub use sink::{Sink, Writers, WritersContext};
pub use source::{Interrupt, JobSource, Source, SourceConnector, SourceContext};
