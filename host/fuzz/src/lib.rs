//! What comes from guests, clients, files and people, and what goes to Postgres, tried with whatever a fuzzer thinks of.
//!
//! Each module has a `run`, which takes an input and panics where a promise is broken; `targets/` has a program of
//! libFuzzer for each, and the tests here run all seeds, without it. `docs/development.md` says how to run them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is what a fuzz target has to say"
)]

pub mod answers;
pub mod catalog;
pub mod http;
pub mod rows;
pub mod specs;
pub mod trial;

#[cfg(test)]
mod seeds;
