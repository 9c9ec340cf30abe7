//! What tests and benchmarks share. Everything here panics where a test would.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic, and only tests and benchmarks use this"
)]

pub mod browser;
pub mod certificates;
pub mod eventually;
pub mod files;
pub mod kafka;
pub mod process;
pub mod report;
pub mod skip;
