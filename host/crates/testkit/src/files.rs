//! Where the repository's files are.

use std::path::{Path, PathBuf};

/// The checkout, as an absolute path.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// The component of an example job.
pub fn example(name: &str) -> PathBuf {
    repository().join("usr_jobs").join(format!("{name}.wasm"))
}

/// The folder of the guests that only tests use.
pub fn guests() -> PathBuf {
    repository().join("host/tests/guests")
}

/// A guest that only tests use.
pub fn guest(name: &str) -> PathBuf {
    guests().join(format!("{name}.wasm"))
}
