//! Names of jobs.

use crate::error::Error;
use crate::text::quoted;

/// A job's name: it becomes part of group ids, topic names and file names.
pub fn check_name(name: &str) -> Result<(), Error> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    let is_name = (1..=100).contains(&name.len())
        && name.chars().all(legal)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if is_name { Ok(()) } else { Err(Error::Name(quoted(name))) }
}
