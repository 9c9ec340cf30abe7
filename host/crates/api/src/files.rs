//! How many files the process may have open, connections among them.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// More than any host needs; some limits are so high that programs which a host starts would close files for minutes.
const ENOUGH: u64 = 1 << 16;

/// Raises the limit as far as may be, and returns it.
pub(crate) fn raise_limit() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1024 };
    let wanted = hard.min(ENOUGH);
    if soft >= wanted {
        return soft;
    }
    match setrlimit(Resource::RLIMIT_NOFILE, wanted, hard) {
        Ok(()) => wanted,
        Err(error) => {
            tracing::warn!("the limit of open files stays {soft}: {error}");
            soft
        }
    }
}
