//! How memory is called where it is away.

use crate::error::Error;

/// What people call it.
pub(super) const NAME: &str = "memory";

/// That a server is away.
pub(super) fn away(reason: &str) -> Error {
    Error::unavailable(NAME, reason.to_owned())
}
