//! What a component says of itself, made the host's own and refused where it makes no sense, is too long or not clean:
//! here, before anything of it is kept.

use anyhow::{Result, bail, ensure};

use super::bindings::v0_1::exports::pelton::job::task::Spec as RawSpec;
use super::bindings::v0_1::pelton::job::types as raw;
use pelton_model::spec::{
    ColumnSpec, ColumnType, Conflict, Parameter, REMEMBERS, RESERVED, Sink, Source, Spec, Statement, Table, Target,
};
use pelton_model::text::quoted;

/// Takes over a declaration of contract 0.1.
pub(super) fn spec(raw: RawSpec) -> Result<Spec> {
    let (reserved, parameters): (Vec<_>, Vec<_>) =
        raw.parameters.into_iter().partition(|parameter| parameter.name.starts_with(RESERVED));
    if let Some(unknown) = reserved.iter().find(|parameter| parameter.name != REMEMBERS) {
        bail!(
            "the parameter {} is none that this host knows of those that begin with {RESERVED:?}",
            quoted(&unknown.name)
        );
    }
    ensure!(reserved.len() < 2, "the parameter {REMEMBERS:?} is declared twice");
    let spec = Spec {
        name: raw.name,
        version: raw.version,
        description: one_line(raw.description),
        sources: raw.sources.into_iter().map(|s| Source { topic: s.topic, headers: s.headers }).collect(),
        sinks: raw.sinks.into_iter().map(|s| Sink { name: s.name, target: target(s.target) }).collect(),
        remembers: reserved.into_iter().next().map(|parameter| match one_line(parameter.description) {
            nothing if nothing.is_empty() => "what is in its fields".to_owned(),
            what => what,
        }),
        parameters: parameters
            .into_iter()
            .map(|p| Parameter { name: p.name, description: one_line(p.description), default: p.default })
            .collect(),
    };
    spec.check()?;
    Ok(spec)
}

/// A description may come wrapped into lines, as documentation in a source does.
fn one_line(text: String) -> String {
    if text.contains(['\n', '\r', '\t']) { text.split_whitespace().collect::<Vec<_>>().join(" ") } else { text }
}

fn target(raw: raw::Target) -> Target {
    match raw {
        raw::Target::Topic(topic) => Target::Topic(topic),
        raw::Target::Table(table) => Target::Table(Table {
            name: table.name,
            columns: table
                .columns
                .into_iter()
                .map(|c| ColumnSpec { name: c.name, column_type: column_type(c.type_), nullable: c.nullable })
                .collect(),
            key: table.key,
            on_conflict: match table.on_conflict {
                raw::Conflict::Fail => Conflict::Fail,
                raw::Conflict::Ignore => Conflict::Ignore,
                raw::Conflict::Update => Conflict::Update,
            },
        }),
        raw::Target::Statement(statement) => Target::Statement(Statement {
            sql: statement.sql,
            placeholders: statement.placeholders.into_iter().map(column_type).collect(),
        }),
    }
}

fn column_type(raw: raw::ColumnType) -> ColumnType {
    use raw::ColumnType as Raw;
    match raw {
        Raw::Boolean => ColumnType::Boolean,
        Raw::Int2 => ColumnType::Int2,
        Raw::Int4 => ColumnType::Int4,
        Raw::Int8 => ColumnType::Int8,
        Raw::Float4 => ColumnType::Float4,
        Raw::Float8 => ColumnType::Float8,
        Raw::Numeric => ColumnType::Numeric,
        Raw::Text => ColumnType::Text,
        Raw::Varchar => ColumnType::Varchar,
        Raw::Bytea => ColumnType::Bytea,
        Raw::Timestamptz => ColumnType::Timestamptz,
        Raw::Timestamp => ColumnType::Timestamp,
        Raw::Date => ColumnType::Date,
        Raw::Uuid => ColumnType::Uuid,
        Raw::Json => ColumnType::Json,
        Raw::Jsonb => ColumnType::Jsonb,
    }
}

#[cfg(test)]
mod tests;
