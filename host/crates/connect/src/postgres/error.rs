//! What an error of Postgres means: a row that it will never take, a batch that takes too long, or a state of the world
//! that passes.
//!
//! The row is to blame, and goes to the dead letters, for
//!
//! | SQLSTATE | what |
//! |---|---|
//! | any that a function or trigger raises | in PL/pgSQL by `RAISE`, in other languages by their error functions |
//! | 22xxx but 2200H | data exceptions: value out of range, text too long, invalid JSON, … |
//! | 23xxx | constraints: not null, foreign key, unique, check, exclusion |
//! | 44xxx | a view's check option |
//! | 54xxx | program limits: index row too large, JSON nested too deep, … |
//! | 21000 | cardinality: a row that the same statement would change twice |
//!
//! 57014 and 25P04 are time-outs of the server: fewer rows may go through.
//!
//! Of the server, of the schema or of the rights, so that it passes or waits for somebody to repair it, is what has
//! another class that Postgres itself uses: 08 (connection), 53 (resources, a full disk), 57 (shutdown), 40 (deadlock),
//! 55 (lock timeout), 28 (authorization), 42 (the table is gone, a privilege is gone), 25 (read-only after a failover),
//! 2200H (a sequence at its end), XX (damage). Then nothing is dropped: the writer says that it is down and why, and
//! tries again for ever.
//!
//! The rest (38, 39 and P0, which functions have of their own accord, HV of foreign tables, 42501 by a row-level
//! security policy, classes that nobody knows) is the row's as long as others go through: where every row that waits
//! fails of it, it is the schema's, such as a policy that is missing. So is a null in a column that the job doesn't fill.

use std::error::Error as _;

use tokio_postgres::error::{DbError, SqlState};

/// Postgres can't be used for now, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub(super) String);

/// Where a batch failed and why.
#[derive(Debug)]
pub(super) enum Failure {
    /// Postgres refuses a row.
    Refused(Refusal),
    /// Postgres, or we, ended what took too long.
    TimedOut(String),
    /// Every row is refused, which may be no row's fault.
    Everything(String),
    /// Postgres can't be used for now, for this reason.
    Down(String),
}

/// Why a row is refused.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) reason: String,
    /// The column that takes no null, where that is why.
    pub(super) without: Option<String>,
    /// Whether it is the row's fault, also where every other row is refused, too.
    pub(super) is_certain: bool,
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else { return Self::Down(describe(&error)) };
        let reason = describe_db(db);
        let without = Some(db).filter(|db| db.code() == &SqlState::NOT_NULL_VIOLATION).and_then(DbError::column);
        let without = without.map(str::to_owned);
        match blame(db.code().code(), db.routine()) {
            Blame::Row => Self::Refused(Refusal { reason, without, is_certain: true }),
            Blame::RowOrWorld => Self::Refused(Refusal { reason, without, is_certain: false }),
            Blame::Time => Self::TimedOut(reason),
            Blame::World => Self::Down(reason),
        }
    }
}

impl Failure {
    /// What it says, whatever it is.
    pub(super) fn into_reason(self) -> String {
        match self {
            Self::Refused(Refusal { reason, .. })
            | Self::TimedOut(reason)
            | Self::Everything(reason)
            | Self::Down(reason) => reason,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blame {
    Row,
    RowOrWorld,
    Time,
    World,
}

/// The functions of Postgres's procedural languages with which a user's code raises: `RAISE` of PL/pgSQL, `plpy.error`,
/// what PL/Perl and PL/Tcl make of `die` and `error`.
const RAISING: [&str; 9] = [
    "exec_stmt_raise",
    "PLy_output",
    "PLy_elog_impl",
    "PLy_elog",
    "plperl_call_perl_func",
    "plperl_call_perl_trigger_func",
    "do_util_elog",
    "throw_tcl_error",
    "pltcl_elog",
];

fn blame(code: &str, routine: Option<&str>) -> Blame {
    let raised = routine.is_some_and(|routine| RAISING.contains(&routine));
    match (code, code.get(..2).unwrap_or_default()) {
        _ if raised => Blame::Row,
        ("57014" | "25P04", _) => Blame::Time,
        ("2200H", _) => Blame::World,
        (_, "22" | "23" | "44" | "54") | ("21000", _) => Blame::Row,
        // A policy and a missing GRANT share a SQLSTATE; the place in Postgres that raised it tells them apart. Without
        // any policy for it, a role is refused every row in the same words.
        ("42501", _) if routine == Some("ExecWithCheckOptions") => Blame::RowOrWorld,
        (
            _,
            "08" | "0A" | "0B" | "0L" | "0P" | "0Z" | "24" | "25" | "26" | "27" | "28" | "2B" | "2D" | "2F" | "34"
            | "3B" | "3D" | "3F" | "40" | "42" | "53" | "55" | "57" | "58" | "72" | "F0" | "XX",
        ) => Blame::World,
        _ => Blame::RowOrWorld,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_somebodys() {
        let blames = [
            ("45000", Some("exec_stmt_raise"), Blame::Row),
            ("53100", Some("exec_stmt_raise"), Blame::Row),
            ("P0001", Some("PLy_output"), Blame::Row),
            ("22003", Some("int4in"), Blame::Row),
            ("23505", Some("_bt_check_unique"), Blame::Row),
            ("54000", None, Blame::Row),
            ("21000", None, Blame::Row),
            ("42501", Some("ExecWithCheckOptions"), Blame::RowOrWorld),
            ("57014", Some("ProcessInterrupts"), Blame::Time),
            ("25P04", None, Blame::Time),
            ("2200H", Some("nextval_internal"), Blame::World),
            ("53100", Some("mdextend"), Blame::World),
            ("25006", None, Blame::World),
            ("42501", Some("aclcheck_error"), Blame::World),
            ("42P01", None, Blame::World),
            ("40P01", None, Blame::World),
            ("XX001", None, Blame::World),
            ("P0002", Some("exec_stmt_execsql"), Blame::RowOrWorld),
            ("45000", Some("of_an_extension"), Blame::RowOrWorld),
            ("38000", None, Blame::RowOrWorld),
            ("", None, Blame::RowOrWorld),
        ];
        for (code, routine, expected) in blames {
            assert_eq!(blame(code, routine), expected, "{code} of {routine:?}");
        }
    }
}
