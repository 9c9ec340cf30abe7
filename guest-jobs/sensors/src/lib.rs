//! The sensor readings of the example jobs: parsed, checked, and printed as the article's Python prints them.
//!
//! Plain Rust without a word of Wasm, so that the same code can be measured and tested natively.

mod json;
pub mod python;
mod reading;
pub mod timestamp;

pub use reading::Reading;
