//! The pipeline on memory, in virtual time: no broker, no database, no sleep.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic, and clippy knows the functions that tests share for tests only inside cfg(test)"
)]

mod dead_letters;
mod failing;
mod moving;
mod outages;
mod rig;
mod whole;
