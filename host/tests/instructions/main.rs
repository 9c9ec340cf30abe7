//! Instructions for each record, counted by callgrind, against those kept in `kept.txt`: a guard of speed that no noise
//! of the machine can fool. 5 % more fails.
//!
//! Each case runs its work in a child process of this program, below valgrind. The child prepares everything and does
//! the work often enough to be warm; only what [`count::region`] calls after that is counted, on the thread that calls
//! it. Components are compiled by the parent, for a CPU that is the same everywhere. `docs/development.md` says what a
//! figure holds and what makes it vary. `RENEW=1 cargo test --test instructions` writes `kept.txt` anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may panic, and clippy knows the functions that tests share for tests only inside cfg(test)"
)]
#![cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]

mod article;
mod components;
mod count;
mod host;
mod kafka;
mod kept;
#[path = "../../benches/native/mod.rs"]
#[allow(dead_code, reason = "shared with benchmarks, which use more of it")]
mod native;
mod postgres;
mod readings;

/// As the example jobs call them.
const SOURCE: &str = "sensors";
const SINK: &str = "alerts";
