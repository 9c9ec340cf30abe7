//! What people report of this job done with other tools, tried on real servers: a case a file, named as its users would
//! call it, with a line on where such a report can be found. `docs/field.md` lists them.
//!
//! `cargo test --test field` runs the fast ones, `cargo test --test field -- --include-ignored` all.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic, and clippy knows the functions that tests share for tests only inside cfg(test)"
)]

// As the tests know it.
use pelton_testkit::{eventually, kafka, skip};

// Whole hosts and their servers.
#[path = "../it/load.rs"]
#[allow(dead_code, unused_imports, reason = "shared with other tests, which use more of it")]
mod load;
#[path = "../it/pelton.rs"]
#[allow(dead_code, unused_imports, reason = "shared with other tests, which use more of it")]
mod pelton;
#[path = "../it/readings.rs"]
#[allow(dead_code, unused_imports, reason = "shared with other tests, which use more of it")]
mod readings;
#[path = "../it/schema.rs"]
#[allow(dead_code, unused_imports, reason = "shared with other tests, which use more of it")]
mod schema;
#[path = "../it/stage.rs"]
#[allow(dead_code, unused_imports, reason = "shared with other tests, which use more of it")]
mod stage;

mod certificates;
mod pgbouncer;
mod roles;
mod waiting;

mod a_role_that_may_only_insert;
mod brokers_out_of_reach;
mod brokers_with_tls_and_sasl;
mod compacted_topic_without_keys;
mod compression_codecs;
mod connections_that_are_refused;
mod deadlocks;
mod default_transaction_isolation;
mod failover;
mod functions_that_raise;
mod header_names_of_any_bytes;
mod kafka_3_9;
mod kip_848_groups;
mod log_append_time;
mod min_insync_replicas_not_met;
mod new_partitions;
mod one_poisoned_record_among_a_million;
mod partitioned_tables;
mod poolers;
mod postgres_14_to_18;
mod postgres_with_tls;
mod quotas_that_throttle;
mod refused_messages_are_no_output;
mod row_level_security;
mod sink_topic_that_takes_nothing;
mod slow_tables;
mod statements_that_hang;
mod tables_that_change;
mod three_brokers_with_moving_leaders;
mod timestamps_out_of_range;
mod topic_recreated;
mod topics_at_max_message_bytes;
mod transactional_topics;
mod values_that_postgres_cannot_hold;
mod views;
