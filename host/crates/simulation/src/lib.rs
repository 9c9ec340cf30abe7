//! A deterministic simulation: the real pipeline, supervisor and reconcile on the memory connector and a catalog in
//! memory, in virtual time, one thread after the other by a seed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it is a test, which may panic"
)]

pub mod clock;
pub mod defects;
pub mod guest;
pub mod run;
pub mod world;
