//! What goes wrong between a job and what it reads from or writes to.

use pelton_model::cause::Cause;

/// Why a connector could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No client can be made with the settings. Only other settings help.
    #[error("{cause}")]
    Settings {
        /// The connector's name.
        connector: &'static str,
        /// Which setting, and why; quotes no value.
        cause: Cause,
    },
    /// It does not answer, or refuses the request as such. Trying again helps once it is back, or is mended.
    #[error("{cause}")]
    Unavailable {
        /// The connector's name.
        connector: &'static str,
        /// What was asked of it, and how that ended.
        cause: Cause,
    },
    /// A topic that a job reads is not there.
    #[error("topic {topic:?}, which the job reads, does not exist; create it")]
    NoTopic {
        /// Its name.
        topic: String,
    },
    /// The connector can't write to the target of this sink.
    #[error("sink `{sink}` has a target that {connector} does not take; this is a bug in Pelton, please report it")]
    NotTaken {
        /// The connector's name.
        connector: &'static str,
        /// The sink.
        sink: String,
    },
    /// A topic doesn't have what a job is to start at.
    #[error("{}", causes.join("; "))]
    NoSuchOffset {
        /// What it has instead, by partition.
        causes: Vec<String>,
    },
    /// A group that has members takes offsets from these only.
    #[error("the consumer group {group:?} has members, and takes offsets from these only")]
    HasMembers {
        /// The group.
        group: String,
    },
    /// A part of the attempt failed for good. The next attempt goes on from what is committed.
    #[error("{reason}")]
    Fault {
        /// What failed, and why.
        reason: String,
    },
}

impl Error {
    /// That `connector` does not answer, or refuses.
    pub fn unavailable(connector: &'static str, cause: impl Into<Cause>) -> Self {
        Self::Unavailable { connector, cause: cause.into() }
    }

    /// The connector that it is about, where there is one.
    pub fn connector(&self) -> Option<&'static str> {
        match self {
            Self::Settings { connector, .. }
            | Self::Unavailable { connector, .. }
            | Self::NotTaken { connector, .. } => Some(connector),
            Self::NoTopic { .. } | Self::NoSuchOffset { .. } | Self::HasMembers { .. } | Self::Fault { .. } => None,
        }
    }

    /// That no client of `connector` can be made.
    pub fn settings(connector: &'static str, cause: impl Into<Cause>) -> Self {
        Self::Settings { connector, cause: cause.into() }
    }
}
