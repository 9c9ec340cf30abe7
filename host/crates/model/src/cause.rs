//! What stands below an error that is told to people.

use std::fmt;
use std::sync::Arc;

/// What was being done, at which place, and what stood in the way: one line for people, and nothing that a program
/// tells from another. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cause(Arc<anyhow::Error>);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for Cause {}

impl From<anyhow::Error> for Cause {
    fn from(error: anyhow::Error) -> Self {
        Self(Arc::new(error))
    }
}

impl From<String> for Cause {
    fn from(text: String) -> Self {
        anyhow::Error::msg(text).into()
    }
}

/// What failed within a crate, as an error of its border.
pub trait Because<T> {
    /// With what failed as the cause.
    fn because<E>(self, error: impl FnOnce(Cause) -> E) -> Result<T, E>;
}

impl<T, Within: Into<anyhow::Error>> Because<T> for Result<T, Within> {
    fn because<E>(self, error: impl FnOnce(Cause) -> E) -> Result<T, E> {
        self.map_err(|within| error(within.into().into()))
    }
}
