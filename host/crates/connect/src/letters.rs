//! Finding, deleting and marking dead letters, wherever they are kept.
//!
//! A job's letters are records of a [log](store::LetterLog) and [files] in the host's data folder. [`Letters`]
//! lists, shows and purges them; a redrive is the pipeline's, and is told here by [marks].

pub mod error;
pub mod files;
pub(crate) mod form;
pub mod letter;
pub mod list;
pub mod marks;
pub mod purge;
mod reason;
pub mod record;
pub mod store;
pub mod types;

pub use error::{FileError, LettersError};
pub use files::Files;
pub use letter::{Letter, Place};
pub use list::{Filter, Letters};
pub use record::LogRecord;
pub use store::{Item, LetterLog, LetterStore, MarkError, Marker};
