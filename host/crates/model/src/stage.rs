//! Where on its way a record was given up.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who gave up on a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The job said so: its verdict.
    Reject,
    /// The job failed on it: trap, time, memory, an error, or an answer that breaks the contract.
    Guest,
    /// A sink refused what the job made of it.
    Sink,
}

impl Stage {
    /// The name in headers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::Guest => "guest",
            Self::Sink => "sink",
        }
    }
}

impl std::str::FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Reject, Self::Guest, Self::Sink]
            .into_iter()
            .find(|stage| stage.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not a stage; there are reject, guest and sink"))
    }
}
