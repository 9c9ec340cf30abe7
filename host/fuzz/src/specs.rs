//! What a guest declares: whatever passes is bounded and clean, and is what it was after it has been kept.

use arbitrary::{Arbitrary, Result, Unstructured};
use pelton_connect::postgres::create_sql;
use pelton_model::spec::{ColumnSpec, ColumnType, Conflict, Parameter, Sink, Source, Spec, Statement, Table, Target};
use pelton_model::text::is_unsafe;

/// Bytes of a declaration as JSON, with a quote or a backslash as two.
const MOST: usize = 1 << 20;

/// A text: short in most cases, and sometimes of a length around a bound.
fn text(u: &mut Unstructured<'_>) -> Result<String> {
    let text = String::arbitrary(u)?;
    let times = if u.ratio(1, 16)? { u.int_in_range(1..=70_000)? } else { 1 };
    Ok(if text.len() <= 8 { text.repeat(times) } else { text })
}

/// The name of a topic, in most cases.
fn name(u: &mut Unstructured<'_>) -> Result<String> {
    const NAMES: [&str; 8] = ["a", "b", "job", "alerts", "s.t", "__consumer_offsets", "..", "\"a.b\".c"];
    if u.ratio(3, 4)? { Ok((*u.choose(&NAMES)?).to_owned()) } else { text(u) }
}

fn list<T>(u: &mut Unstructured<'_>, make: fn(&mut Unstructured<'_>) -> Result<T>) -> Result<Vec<T>> {
    let count = if u.ratio(1, 32)? { u.int_in_range(0..=300)? } else { u.int_in_range(0..=3)? };
    (0..count).map(|_| make(u)).collect()
}

fn column_type(u: &mut Unstructured<'_>) -> Result<ColumnType> {
    use ColumnType::{
        Boolean, Bytea, Date, Float4, Float8, Int2, Int4, Int8, Json, Jsonb, Numeric, Text, Timestamp, Timestamptz,
        Uuid, Varchar,
    };
    u.choose(&[
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
    ])
    .copied()
}

fn target(u: &mut Unstructured<'_>) -> Result<Target> {
    Ok(match u.int_in_range(0..=2)? {
        0 => Target::Topic(name(u)?),
        1 => Target::Statement(Statement { sql: text(u)?, placeholders: list(u, column_type)? }),
        _ => Target::Table(Table {
            name: name(u)?,
            columns: list(u, |u| {
                Ok(ColumnSpec { name: name(u)?, column_type: column_type(u)?, nullable: bool::arbitrary(u)? })
            })?,
            key: list(u, name)?,
            on_conflict: *u.choose(&[Conflict::Fail, Conflict::Ignore, Conflict::Update])?,
        }),
    })
}

fn spec(u: &mut Unstructured<'_>) -> Result<Spec> {
    Ok(Spec {
        remembers: if bool::arbitrary(u)? { Some(text(u)?) } else { None },
        name: name(u)?,
        version: text(u)?,
        description: text(u)?,
        sources: list(u, |u| Ok(Source { topic: name(u)?, headers: bool::arbitrary(u)? }))?,
        sinks: list(u, |u| Ok(Sink { name: name(u)?, target: target(u)? }))?,
        parameters: list(u, |u| {
            Ok(Parameter {
                name: name(u)?,
                description: text(u)?,
                default: Option::<u8>::arbitrary(u)?.map(|_| text(u)).transpose()?,
            })
        })?,
    })
}

/// Takes a declaration.
pub fn run(data: &[u8]) {
    let Ok(spec) = spec(&mut Unstructured::new(data)) else { return };
    if let Err(error) = spec.check() {
        let told = error.to_string();
        assert!(told.len() < 2_000 && !told.contains(is_unsafe), "{told:?}");
        return;
    }
    for text in [&spec.name, &spec.version, &spec.description] {
        assert!(!text.contains(is_unsafe), "{text:?}");
    }
    let written = serde_json::to_vec(&spec).unwrap();
    assert!(written.len() < MOST, "{} bytes", written.len());
    assert_eq!(serde_json::from_slice::<Spec>(&written).unwrap(), spec);
    for sink in &spec.sinks {
        if let Target::Table(table) = &sink.target {
            // Whatever the names are, quotes are even: none of them ends an identifier.
            assert!(create_sql(table).matches('"').count().is_multiple_of(2), "{}", create_sql(table));
        }
    }
}
