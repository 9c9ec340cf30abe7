//! Dead letters as the API sends them, and what it takes to choose among them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use pelton_model::stage::Stage;

/// The query of `GET /api/v1/jobs/{name}/dead-letters`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListDeadLetters {
    /// Only letters of this stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Only letters whose reason contains this, or what else is told of why; or whose group does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Only letters that this version of the job made: as it declares it, or the beginning of its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Only letters written at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Only letters written before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// Most letters in the answer: 100 where none is given, at most 1000. Counts are of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// `next` of the answer before: only what follows there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// The answer to `GET /api/v1/jobs/{name}/dead-letters`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterList {
    /// How many letters there are that fit, redriven ones included.
    pub total: u64,
    /// How many of these have been redriven.
    pub redriven: u64,
    /// The same by stage and reason, the most frequent first, at most 100.
    pub reasons: Vec<ReasonCount>,
    /// Letters, the newest first. Long bytes are cut here.
    pub letters: Vec<DeadLetter>,
    /// Where the list goes on, if it does: `before` of the next request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Records in the topic that are not Pelton's. They are neither shown nor redriven nor purged.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub foreign: u64,
    /// Files in the data folder that can't be read as letters, with why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<String>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How many letters have one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReasonCount {
    /// Who gave up on them.
    pub stage: Stage,
    /// Why, with `…` for what the job's verdict quotes of the record; cut at 200 bytes.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// How many of these have been redriven.
    pub redriven: u64,
}

/// A record that could not go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// The partition of the dead-letter topic; none for a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// The offset in the dead-letter topic; none for a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// The name of the file in the data folder, for one that was too large for the topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// Who gave up on it.
    pub stage: Stage,
    /// Why. Of a job that failed its error's first line, without the coordinates of the record.
    pub reason: String,
    /// Where in the job's source that was, as `job.ts:12`, if the job has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What the job has said of where, as its language prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// The version of the job that made it a dead letter, as it declares it.
    pub version: String,
    /// SHA-256 of that version's component, in hexadecimal.
    pub digest: String,
    /// Where the record was read from.
    pub source: Coordinates,
    /// The record's own timestamp, milliseconds since the Unix epoch; -1 where it has none.
    pub timestamp: i64,
    /// The record's key; none where it is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Bytes>,
    /// The record's value; none where it is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Bytes>,
    /// The record's headers, in order.
    pub headers: Vec<Header>,
    /// When it was redriven, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redriven: Option<DateTime<Utc>>,
    /// The letter from whose redrive this one came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redriven_from: Option<String>,
    /// Whether bytes or headers were left out of this list; the letter itself has them all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// Where a record was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Coordinates {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// Bytes of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Bytes {
    /// How many there are, also where they are cut.
    pub size: usize,
    /// The bytes, where they are UTF-8 and at most 1 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The bytes, in base64 with padding.
    pub base64: String,
}

/// A header of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Header {
    /// Its name; what is no UTF-8 of it is replaced.
    pub name: String,
    /// The name's bytes, in base64 with padding, where they are not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_base64: Option<String>,
    /// Its value, beside the name; none of it where it is null.
    #[serde(flatten)]
    pub value: Option<Bytes>,
}

/// One letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Which {
    /// A file in the data folder.
    File {
        /// Its name.
        file: String,
    },
    /// A record of the dead-letter topic.
    Record {
        /// The partition; may be left out where the topic has one only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        partition: Option<i32>,
        /// The offset.
        offset: i64,
    },
}

/// `POST /api/v1/jobs/{name}/dead-letters/redrive`: either `letters`, or `all` that the filters let through.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Redrive {
    /// These.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub letters: Vec<Which>,
    /// All that fit.
    #[serde(default)]
    pub all: bool,
    /// As in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// As in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// As in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// As in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// As in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

/// The answer to a redrive. Letters of one record are redriven together, as one record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Redriven {
    /// Letters that were redriven now.
    pub redriven: u64,
    /// Dead letters that this made anew.
    pub again: u64,
    /// Letters that had been redriven before and were left alone.
    pub skipped: u64,
    /// Letters left alone because the job's current version doesn't read their topic.
    #[serde(default)]
    pub not_read: u64,
}

/// `POST /api/v1/jobs/{name}/dead-letters/purge`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Purge {
    /// Only letters written before this time; all where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<DateTime<Utc>>,
}

/// The answer to a purge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Purged {
    /// Letters that are gone.
    pub purged: u64,
}
