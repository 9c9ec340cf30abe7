//! The tests that need real servers: Apache Kafka, Postgres, and the `pelton` binary itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic, and clippy knows the functions that tests share for tests only inside cfg(test)"
)]

mod api_safety;
mod apply;
mod audit;
mod back_at_work;
mod bad_guests;
mod bad_records;
mod bad_records_run;
mod browser;
mod changes;
mod closed_pipes;
mod compiles;
mod core_module;
mod demo;
mod dev;
mod dlq;
mod edges;
mod failed_tokens;
mod frozen;
mod golden;
mod hang_ups;
mod host;
mod http;
mod isolation;
mod lifecycle;
mod load;
mod logs;
mod mapped;
mod new;
mod new_topics;
mod oci;
mod openapi;
mod outages;
mod parallelism;
mod pelton;
mod plain_text;
mod postgres_sink;
mod raises;
mod readings;
mod rebalance;
mod refused_messages;
mod refusing_sinks;
mod registry;
mod reload;
mod schema;
mod seek;
mod settings;
mod sharing;
mod simulate;
mod sleep;
mod stage;
mod starving;
mod submit_checks;
mod tail;
mod tls;
mod tracing;
mod usr_jobs;

// As the tests know it.
use pelton_testkit::{eventually, kafka, skip};
