//! Names of jobs.

use anyhow::{Result, ensure};

/// A job's name: it becomes part of group ids, topic names and file names.
pub fn check_name(name: &str) -> Result<()> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    ensure!(
        (1..=100).contains(&name.len())
            && name.chars().all(legal)
            && name.starts_with(|c: char| c.is_ascii_alphanumeric()),
        "job name {name:?} is not 1 to 100 lower-case letters, digits, `_` and `-`, starting with a letter or digit"
    );
    Ok(())
}
