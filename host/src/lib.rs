//! Pelton: a WebAssembly user-job host.
//!
//! A record's way is one direction, and [`pipeline`] is where the whole of it reads top to bottom: `source → batch →
//! component → router → sinks → acknowledgement → commit`. Sources and sinks don't know each other. The control plane
//! (the crates control and api) sends desired state and reads snapshots back; it never touches records.

pub mod cli;
pub mod demo;
mod job_file;
pub mod run;
pub mod signals;
pub mod telemetry;

pub use pelton_api as api;
pub use pelton_connect as connect;
pub use pelton_model::{files, metrics, record, settings as config, spec, status};
pub use pelton_pipeline as pipeline;
pub use pelton_runtime as engine;

/// Kafka, for tests and benchmarks.
pub mod kafka {
    pub use pelton_connect::kafka::{Admin, client, consumer, log, producer, refused};
    pub use pelton_model::start::StartFrom;
}
