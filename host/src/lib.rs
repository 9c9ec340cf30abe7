//! Pelton: a WebAssembly user-job host.
//!
//! A record's way is one direction, and [`pipeline`] is where the whole of it reads top to bottom:
//! `Kafka source → batch → component → route → sinks → acknowledgement → commit`. Sources and sinks don't know each
//! other. The control plane ([`jobs`], [`api`]) sends desired state and reads snapshots back; it never touches records.

pub mod api;
pub mod cli;
pub mod componentize;
pub mod config;
pub mod dead_letter;
pub mod demo;
pub mod dry_run;
pub mod engine;
pub mod files;
pub mod jobs;
pub mod kafka;
pub mod metrics;
pub mod new;
pub mod oci;
pub mod pipeline;
pub mod record;
pub mod run;
pub mod signals;
pub mod simulate;
pub mod sink;
pub mod source;
pub mod spec;
pub mod status;
pub mod telemetry;
