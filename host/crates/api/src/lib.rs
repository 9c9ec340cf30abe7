//! The HTTP API: `/api/v1`, health, metrics, and the page; and the [host](host::Host) that serves them. The command
//! line uses nothing else of a host.
//!
//! [`table`] is all of its routes. Refusals of the jobs become [problems](problem) in one place, with the HTTP status
//! of each.

mod answer;
mod audit;
mod context;
mod dead_letters;
mod events;
mod failures;
mod feed;
mod files;
pub mod guard;
mod health;
pub mod host;
mod jobs;
pub mod openapi;
mod page;
mod peer;
pub mod places;
pub mod problem;
mod pulse;
mod recent;
pub mod role;
pub mod route;
mod schemas;
mod secret_file;
pub mod serve;
mod servers;
mod start_error;
mod status;
pub mod table;
pub mod tls;
mod tokens;
mod topics;
pub mod types;
mod watched;

pub use context::Context;
pub use start_error::StartError;
pub use table::{router, routes};
pub use tokens::of_client as client_token;
