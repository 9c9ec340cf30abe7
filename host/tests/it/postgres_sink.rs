//! `pelton::connect::postgres` against a real Postgres.

mod conflicts;
mod fits;
mod outages;
mod refusals;
mod rig;
mod schema;
mod statements;
mod types;
