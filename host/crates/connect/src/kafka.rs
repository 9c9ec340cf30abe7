//! Kafka: the source of all jobs, topics as sinks, and where dead letters are kept.
//!
//! `source` is a member of a job's group; jobs of one host that read the same partition share its fetches,
//! and those that have had nothing to read for long sleep. `producer` sends messages, `sink` makes them of
//! outputs and `dead_letters` of records that are given up.

mod admin;
mod certificate;
mod check;
mod client;
mod connector;
mod context;
mod dead_letters;
mod faults;
mod feed;
mod feeds;
mod fetcher;
mod group;
pub mod headers;
mod leave;
mod letter;
mod letter_log;
mod log;
mod marker;
mod member;
mod members;
mod message;
mod open;
mod outbox;
mod poll;
mod producer;
mod reach;
mod reader;
mod reports;
mod sender;
mod sink;
mod sleep;
mod slots;
mod source;
mod static_member;
mod topic_id;
mod topic_log;
mod waits;
mod watch;

pub use admin::Admin;
pub use client::{client, consumer, producer, refused};
pub use connector::Kafka;
pub use log::log;
pub use open::Open;
