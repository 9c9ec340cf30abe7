//! What every part of Pelton talks about: records and what a job makes of them, what a job declares, the settings, and
//! what is told of a job: its state, its log, its counts. No part of Pelton is known here.

pub mod bounds;
pub mod cause;
pub mod digest;
pub mod durations;
pub mod error;
pub mod explanation;
pub mod files;
pub mod log;
pub mod mapping;
pub mod metrics;
pub mod name;
pub mod near;
pub mod parallelism;
pub mod partition;
pub mod record;
pub mod regular;
pub mod settings;
pub mod shared;
pub mod spec;
pub mod sql;
pub mod stage;
pub mod start;
pub mod status;
pub mod sync;
pub mod text;
pub mod version;
