//! How a Postgres is started.

use std::path::PathBuf;

/// How to start a [`LocalPostgres`](super::LocalPostgres).
#[derive(Debug, Clone)]
pub struct Options {
    /// Of the server and of `initdb`.
    pub programs: Programs,
    /// Whether a commit waits until the disk has it (`fsync`), as in production. Where it doesn't, commits still
    /// survive a `kill -9` of the server, but no power cut.
    pub durable: bool,
    /// Where fetched programs are kept; by default `/var/cache/pelton` for root, else `pelton` in the user's cache
    /// folder.
    pub cache: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { programs: Programs::Any, durable: true, cache: None }
    }
}

/// Where the server's programs come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Programs {
    /// Installed ones if there are any, else fetched.
    Any,
    /// It is an error if there are none.
    Installed,
    /// The pinned version from Maven Central, even where another is installed.
    Fetched,
    /// The pinned release of this major version, from 14 to 18, in the same way.
    Version(u32),
}
