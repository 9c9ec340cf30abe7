//! Postgres: tables and statements as sinks.
//!
//! A row is written at least once. It is acknowledged only after its transaction's commit was confirmed, so a crash or
//! a lost connection makes rows come again, never go missing. What a second coming does depends on the sink: a table
//! with `ignore` or `update` holds the row once all the same; a table with `fail` refuses the second one, which then
//! lands in the dead letters although the row is there; a job's own statement runs again.
//!
//! A row that Postgres refuses by its own rules is found, left out and handed to the dead letters with Postgres's
//! words; the rest of its batch is written exactly once and in order. When Postgres itself can't be used, nothing is
//! refused or dropped: the sink is down, says why, and goes on by itself.
//!
//! Rows go `Encoder` (on the guest's thread) → [`PostgresSink::send`] → `batch` (the cut) → `apply` (COPY, INSERT, or
//! row by row) → acknowledgement; all that belongs together is one `transaction`, so that a pooler may stand between.
//! Beside that stands [`check`], which tells before a job starts whether its tables fit.

mod activity;
mod apply;
mod batch;
mod chunk;
mod config;
mod connect;
mod connector;
mod copy;
mod cut;
mod encode;
mod error;
mod missing;
mod numeric;
mod observer;
mod pace;
mod plan;
mod relation;
mod schema;
mod sink;
mod sql;
mod timeouts;
mod transaction;
mod types;
mod unfit;
mod writer;

pub use chunk::RowChunk;
pub use config::PostgresConfig;
pub use connect::{BadUrl, ConnectionUrl, Session};
pub use connector::Postgres;
pub use encode::{Encoded, EncodedRows, Encoder};
pub use error::Unusable;
pub use observer::SinkObserver;
pub use schema::{Mismatch, check, create, create_sql};
pub use sink::PostgresSink;
