//! Pelton: a WebAssembly user-job host.
//!
//! A record's way is one direction, and [`pipeline`] is where the whole of it reads top to bottom:
//! `Kafka source → batch → component → route → sinks → acknowledgement → commit`. Sources and sinks don't know each
//! other. The control plane ([`jobs`], [`api`]) sends desired state and reads snapshots back; it never touches records.

pub mod api;
pub mod cli;
pub mod dead_letter;
pub mod demo;
pub mod dry_run;
pub mod jobs;
pub mod kafka;
pub mod pipeline;
pub mod run;
pub mod signals;
pub mod simulate;
pub mod sink;
pub mod source;
pub mod telemetry;

pub use pelton_model::{files, metrics, record, settings as config, spec, status};
pub use pelton_runtime as engine;
