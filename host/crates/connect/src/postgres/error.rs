//! What an error of Postgres means: a row that it will never take, or a state of the world that passes.
//!
//! The line is drawn by SQLSTATE. Of these the row is to blame, and it goes to the dead letters:
//!
//! | SQLSTATE | what |
//! |---|---|
//! | 22xxx | data exceptions: value out of range, text too long, invalid JSON, … |
//! | 23xxx | constraints: not null, foreign key, unique, check, exclusion |
//! | 44xxx | a view's check option |
//! | 54xxx | program limits: index row too large, JSON nested too deep, … |
//! | 21000 | cardinality: a row that the same statement would change twice |
//! | 38xxx, 39xxx, P0xxx | functions and triggers that raise |
//! | 42501 by a row-level security policy | the row breaks the policy |
//!
//! Everything else passes, or waits for somebody to repair it: a lost connection, 08 (connection), 53 (resources), 57
//! (shutdown), 40001 and 40P01 (serialization, deadlock), 55P03 (lock timeout), 28 (authorization), 42P01 (the table is
//! gone), 42501 (a privilege is gone), 25006 (read-only after a failover), and whatever is not known. Then nothing is
//! dropped: the writer says that it is down and why, and tries again for ever.

use std::error::Error as _;

use tokio_postgres::error::{DbError, SqlState};

/// Postgres can't be used for now, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub(super) String);

/// Where a batch failed and why.
#[derive(Debug)]
pub(super) enum Failure {
    /// Postgres refuses a row, for this reason.
    Refused(String),
    /// Postgres can't be used for now, for this reason.
    Down(String),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(db) if blames_row(db) => Self::Refused(describe_db(db)),
            _ => Self::Down(describe(&error)),
        }
    }
}

fn blames_row(error: &DbError) -> bool {
    let code = error.code().code();
    let class = code.get(..2).unwrap_or_default();
    matches!(class, "22" | "23" | "38" | "39" | "44" | "54" | "P0")
        || error.code() == &SqlState::CARDINALITY_VIOLATION
        // A policy and a missing GRANT share a SQLSTATE; the place in Postgres that raised it tells them apart.
        || error.code() == &SqlState::INSUFFICIENT_PRIVILEGE && error.routine() == Some("ExecWithCheckOptions")
}

/// The error for people: Postgres's own message with its SQLSTATE, or what happened to the connection.
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        return describe_db(db);
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// Message, SQLSTATE, and the names it is about; never the detail, which quotes values.
fn describe_db(error: &DbError) -> String {
    let mut text = format!("{} ({}", error.message(), error.code().code());
    for (kind, name) in [("constraint", error.constraint()), ("column", error.column())] {
        if let Some(name) = name {
            text.push_str(&format!(", {kind} `{name}`"));
        }
    }
    text.push(')');
    text
}
