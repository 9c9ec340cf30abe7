//! What a job declares of itself: the host's own form of the contract's `spec`, whatever the contract's version.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::text::quoted;

/// What names of parameters begin with that are declarations to the host; nobody can set them.
pub const RESERVED: &str = "pelton.";
/// The parameter whose description says what a job remembers.
pub const REMEMBERS: &str = "pelton.remembers";

/// A job's declaration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Spec {
    /// The name that a submit takes where none is given.
    #[schema(required)]
    pub name: String,
    /// The author's version.
    #[schema(required)]
    pub version: String,
    /// One sentence.
    #[schema(required)]
    pub description: String,
    /// Topics read.
    #[schema(required)]
    pub sources: Vec<Source>,
    /// Where outputs go.
    #[schema(required)]
    pub sinks: Vec<Sink>,
    /// What can be set at submit.
    #[schema(required)]
    pub parameters: Vec<Parameter>,
    /// What its instances hold from batch to batch, in the author's words, where it is more than speeds it up: it ends
    /// with them. Declared as the parameter [`REMEMBERS`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remembers: Option<String>,
}

impl Spec {
    /// The topics that the job reads, in the order of its sources.
    pub fn topics(&self) -> Vec<String> {
        self.sources.iter().map(|source| source.topic.clone()).collect()
    }

    /// Completes the parameters with the declared defaults. Refuses unknown ones and missing ones by name.
    pub fn complete(&self, set: &[(String, String)]) -> Result<Vec<(String, String)>, Error> {
        let declared = &self.parameters;
        if let Some((name, _)) = set.iter().find(|(name, _)| !declared.iter().any(|p| p.name == *name)) {
            let has = declared.iter().map(|parameter| parameter.name.clone()).collect();
            return Err(Error::NoParameter { name: quoted(name), has });
        }
        declared
            .iter()
            .map(|parameter| {
                let value = set.iter().rev().find(|(name, _)| *name == parameter.name).map(|(_, value)| value);
                let value = value.or(parameter.default.as_ref()).ok_or_else(|| Error::Unset(parameter.name.clone()))?;
                Ok((parameter.name.clone(), value.clone()))
            })
            .collect()
    }
}

/// A topic that a job reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Source {
    /// The topic.
    pub topic: String,
    /// Whether batches carry headers to the guest.
    pub headers: bool,
}

/// A named destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Sink {
    /// Unique in the job.
    pub name: String,
    /// Where it leads.
    #[serde(flatten)]
    pub target: Target,
}

/// Where a sink leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A Kafka topic.
    Topic(String),
    /// A Postgres table.
    Table(Table),
    /// A statement run once per row.
    Statement(Statement),
}

/// A table and how rows get into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Table {
    /// `table` or `schema.table`.
    pub name: String,
    /// The columns that the job fills, in the order in which it does.
    pub columns: Vec<ColumnSpec>,
    /// The columns of the unique constraint that decides a conflict.
    pub key: Vec<String>,
    /// What happens to a row whose key is already there.
    pub on_conflict: Conflict,
}

/// A column that a job fills.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ColumnSpec {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// Whether it accepts nulls.
    pub nullable: bool,
}

/// What happens to a row whose key is already in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    /// It is refused.
    Fail,
    /// It is left out.
    Ignore,
    /// It replaces the one that is there; the last one of a batch wins.
    Update,
}

/// One INSERT, UPDATE or DELETE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Statement {
    /// With placeholders `?` or `$1`, `$2`, ….
    pub sql: String,
    /// The placeholders' types.
    pub placeholders: Vec<ColumnType>,
}

/// The types of Postgres that a column or placeholder may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is named as Postgres names it; wit/job.wit says what carries its values")]
pub enum ColumnType {
    Boolean,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Text,
    Varchar,
    Bytea,
    Timestamptz,
    Timestamp,
    Date,
    Uuid,
    Json,
    Jsonb,
}

/// What can be set at submit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: String,
    /// The value where none is set; without one it must be set.
    pub default: Option<String>,
}
