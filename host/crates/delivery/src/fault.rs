//! The first thing that went wrong in an attempt to run a job, told from any thread to the one that runs it.

use std::sync::OnceLock;

/// Empty until something fails for good; then the attempt ends and the supervisor starts another.
#[derive(Debug, Default)]
pub struct Fault(OnceLock<String>);

impl Fault {
    /// Reports a failure; the first one stays.
    pub fn set(&self, reason: String) {
        let _ = self.0.set(reason);
    }

    /// The failure, if there was one.
    pub fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}
