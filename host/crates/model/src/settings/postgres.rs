//! Where Postgres is, and how rows are cut into transactions.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// Postgres: where it is, and how rows are cut into transactions.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Postgres {
    /// `postgres://user:password@host:port/database?sslmode=…`; it goes before the four settings below.
    pub url: Option<Secret>,
    /// `host:port`.
    pub host: String,
    /// The role.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// A file with it, in its place.
    pub password_file: Option<PathBuf>,
    /// The database.
    pub database: String,
    /// How long a transaction may take until it is given up and tried again with fewer rows.
    #[serde(with = "crate::durations::option")]
    pub write_timeout: Option<Duration>,
    /// How long a transaction may wait for a lock; half of `write_timeout` where it is not set.
    #[serde(with = "crate::durations::option")]
    pub lock_timeout: Option<Duration>,
    /// How long the server lets a statement run, where the role's own limit is not shorter; 5 s more than
    /// `write_timeout` where it is not set.
    #[serde(with = "crate::durations::option")]
    pub statement_timeout: Option<Duration>,
    /// Most rows in a transaction, for a table.
    pub max_rows: Option<usize>,
    /// Most bytes of rows in a transaction.
    pub max_bytes: Option<usize>,
    /// How long a first row waits for others, for a table.
    #[serde(with = "crate::durations::option")]
    pub linger: Option<Duration>,
    /// Most rows in a transaction, for a statement.
    pub statement_rows: Option<usize>,
    /// How long a first row waits for others, for a statement.
    #[serde(with = "crate::durations::option")]
    pub statement_linger: Option<Duration>,
}

impl Default for Postgres {
    fn default() -> Self {
        Self {
            url: None,
            host: "localhost:5432".to_owned(),
            user: "flinkuser".to_owned(),
            password: Secret("flinkpassword".to_owned()),
            password_file: None,
            database: "flinkdb".to_owned(),
            write_timeout: None,
            lock_timeout: None,
            statement_timeout: None,
            max_rows: None,
            max_bytes: None,
            linger: None,
            statement_rows: None,
            statement_linger: None,
        }
    }
}
