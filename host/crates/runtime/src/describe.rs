//! What a component says of itself, made the host's own and refused where it makes no sense.

use anyhow::{Result, bail, ensure};
use pelton_model::name::check_name;

use super::bindings::v0_1::exports::pelton::job::task::Spec as RawSpec;
use super::bindings::v0_1::pelton::job::types as raw;
use pelton_model::spec::{ColumnSpec, ColumnType, Conflict, Parameter, Sink, Source, Spec, Statement, Table, Target};

/// Most sources, sinks, columns or parameters of one job: far above any real one, and a bound.
const MOST: usize = 256;

/// Takes over a declaration of contract 0.1.
pub(super) fn spec(raw: RawSpec) -> Result<Spec> {
    let spec = Spec {
        name: raw.name,
        version: raw.version,
        description: raw.description,
        sources: raw.sources.into_iter().map(|s| Source { topic: s.topic, headers: s.headers }).collect(),
        sinks: raw.sinks.into_iter().map(|s| Sink { name: s.name, target: target(s.target) }).collect(),
        parameters: raw
            .parameters
            .into_iter()
            .map(|p| Parameter { name: p.name, description: p.description, default: p.default })
            .collect(),
    };
    check(&spec)?;
    Ok(spec)
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

fn check_topic(topic: &str) -> Result<()> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    ensure!(
        (1..=249).contains(&topic.len()) && topic.chars().all(legal) && topic != "." && topic != "..",
        "{topic:?} is not a legal topic name"
    );
    Ok(())
}

fn distinct<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        ensure!(!name.is_empty(), "a {what} without a name");
        ensure!(!name.contains('\0'), "a {what} with NUL in its name");
        ensure!(seen.insert(name), "the {what} {name:?} is declared twice");
    }
    ensure!(seen.len() <= MOST, "more than {MOST} {what}s");
    Ok(())
}

fn check(spec: &Spec) -> Result<()> {
    check_name(&spec.name)?;
    ensure!(!spec.sources.is_empty(), "the job declares no source");
    distinct("source", spec.sources.iter().map(|s| s.topic.as_str()))?;
    distinct("sink", spec.sinks.iter().map(|s| s.name.as_str()))?;
    distinct("parameter", spec.parameters.iter().map(|p| p.name.as_str()))?;
    for source in &spec.sources {
        check_topic(&source.topic)?;
    }
    for sink in &spec.sinks {
        match &sink.target {
            Target::Topic(topic) => check_topic(topic)?,
            Target::Statement(statement) => ensure!(
                statement.placeholders.len() <= MOST && !statement.sql.contains('\0'),
                "sink {:?}: a statement with NUL or more than {MOST} placeholders",
                sink.name
            ),
            Target::Table(table) => {
                distinct("column", table.columns.iter().map(|c| c.name.as_str()))?;
                ensure!(!table.columns.is_empty(), "sink {:?} declares a table without columns", sink.name);
                if table.on_conflict != Conflict::Fail && table.key.is_empty() {
                    bail!("sink {:?} says what happens on a conflict, but declares no key columns", sink.name);
                }
                for key in &table.key {
                    ensure!(
                        table.columns.iter().any(|c| c.name == *key),
                        "sink {:?}: key column {key:?} is not among its columns",
                        sink.name
                    );
                }
            }
        }
    }
    Ok(())
}
