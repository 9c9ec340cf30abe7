//! What the model refuses.

use std::io;
use std::path::PathBuf;

use crate::cause::Cause;
use crate::text::cut;

/// Longest list of names in an error, bytes.
const LIST_BYTES: usize = 2_000;

/// Why something is not taken, or a file is not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings can't be read, or make no sense: which one, from where. Quotes no value that may be a secret.
    #[error("{0}")]
    Settings(Cause),
    /// The name of a job is none: as it is quoted.
    #[error("job name {0} is not 1 to 100 lower-case letters, digits, `_` and `-`, starting with a letter or digit")]
    Name(String),
    /// A text or a list is longer than it may be or not clean, or a declaration makes no sense: what is wrong with it.
    #[error("{0}")]
    Illegal(String),
    /// A parameter is set that the job does not declare.
    #[error("the job has no parameter {name}; it has {}", names(has))]
    NoParameter {
        /// What was set, as it is quoted.
        name: String,
        /// What it declares.
        has: Vec<String>,
    },
    /// Another topic is given for a source that the job does not declare.
    #[error("the job has no source {name}; it reads {}", names(has))]
    NoSource {
        /// The source, as it is quoted.
        name: String,
        /// The topics that it declares.
        has: Vec<String>,
    },
    /// Another topic or table is given for a sink that the job does not declare.
    #[error("the job has no sink {name}; it has {}", names(has))]
    NoSink {
        /// The sink, as it is quoted.
        name: String,
        /// What it declares.
        has: Vec<String>,
    },
    /// A parameter without a default is not set.
    #[error("the parameter {0:?} has no default and is not set; use --set {0}=…")]
    Unset(String),
    /// There is no place for what can be made again.
    #[error("found no home folder to keep downloads and compiled code in; set XDG_CACHE_HOME")]
    NoHome,
    /// A file could not be written; what was there before is there still.
    #[error("failed to write {}: {cause}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// The names that there are instead.
fn names(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { cut(&names.join(", "), LIST_BYTES).into_owned() }
}
