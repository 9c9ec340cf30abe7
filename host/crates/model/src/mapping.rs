//! The topics and tables of the deployment in the place of those that a component declares.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bounds::{table_name, topic};
use crate::error::Error;
use crate::spec::{Spec, Target};
use crate::sql::with_tables;
use crate::text::quoted;

/// Which topics a job reads, and where its sinks lead, where that is not what its component declares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {
    /// The topic that is read, by the declared one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, String>,
    /// The topic, or `table` or `schema.table`, by the sink's name. Of a statement it is what the table is that it names
    /// as `{table}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sinks: BTreeMap<String, String>,
}

impl Mapping {
    /// Whether everything is as it is declared.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.sinks.is_empty()
    }

    /// Whether another one says the same, and perhaps more.
    pub fn is_in(&self, other: &Self) -> bool {
        let is_in = |these: &BTreeMap<_, _>, those: &BTreeMap<_, _>| these.iter().all(|(k, v)| those.get(k) == Some(v));
        is_in(&self.sources, &other.sources) && is_in(&self.sinks, &other.sinks)
    }

    /// Adds what another one says, which goes before.
    pub fn add(&mut self, other: &Self) {
        self.sources.extend(other.sources.clone());
        self.sinks.extend(other.sinks.clone());
    }

    /// Leaves out what a declaration does not have, or has so itself.
    pub fn retain(&mut self, spec: &Spec) {
        self.sources.retain(|name, to| name != to && spec.sources.iter().any(|source| source.topic == *name));
        self.sinks.retain(|name, to| {
            spec.sinks.iter().find(|sink| sink.name == *name).is_some_and(|sink| match &sink.target {
                Target::Topic(topic) => topic != to,
                Target::Table(table) => table.name != *to,
                Target::Statement(_) => true,
            })
        });
    }

    /// What a component with this declaration reads and writes.
    ///
    /// # Errors
    /// It has no such source or sink, a name is no topic's or table's, two sources would read one topic, or a statement
    /// doesn't name its one table in braces.
    pub fn apply(&self, declared: &Spec) -> Result<Spec, Error> {
        let mut spec = declared.clone();
        for (name, to) in &self.sources {
            let source = spec.sources.iter_mut().zip(&declared.sources).find(|(_, source)| source.topic == *name);
            let no_source = || Error::NoSource { name: quoted(name), has: declared.topics() };
            topic(to)?;
            source.ok_or_else(no_source)?.0.topic.clone_from(to);
        }
        let topics = spec.topics();
        if let Some(twice) = topics.iter().enumerate().find(|(at, topic)| topics.iter().take(*at).any(|t| t == *topic))
        {
            return Err(Error::Illegal(format!("two sources would read the topic {:?}", twice.1)));
        }
        if let Some(name) = self.sinks.keys().find(|name| !spec.sinks.iter().any(|sink| sink.name == **name)) {
            let has = declared.sinks.iter().map(|sink| sink.name.clone()).collect();
            return Err(Error::NoSink { name: quoted(name), has });
        }
        for sink in &mut spec.sinks {
            let to = self.sinks.get(&sink.name);
            match (&mut sink.target, to) {
                (Target::Statement(statement), _) => {
                    if let Some(to) = to {
                        table_name(&sink.name, to)?;
                    }
                    let sql = with_tables(&statement.sql, to.map(String::as_str));
                    statement.sql = sql.map_err(|error| Error::Illegal(format!("sink {:?}: {error}", sink.name)))?;
                }
                (Target::Topic(name), Some(to)) => {
                    topic(to)?;
                    name.clone_from(to);
                }
                (Target::Table(table), Some(to)) => {
                    table_name(&sink.name, to)?;
                    table.name.clone_from(to);
                }
                (_, None) => {}
            }
        }
        Ok(spec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{ColumnSpec, ColumnType, Conflict, Sink, Source, Statement, Table};

    fn spec() -> Spec {
        let column = ColumnSpec { name: "a".to_owned(), column_type: ColumnType::Int4, nullable: false };
        let table =
            Table { name: "readings".to_owned(), columns: vec![column], key: vec![], on_conflict: Conflict::Fail };
        let statement = Statement { sql: "INSERT INTO {totals} VALUES (?)".to_owned(), placeholders: vec![] };
        let plain = Statement { sql: "DELETE FROM t".to_owned(), placeholders: vec![] };
        let sink = |name: &str, target| Sink { name: name.to_owned(), target };
        Spec {
            name: "job".to_owned(),
            sources: ["a", "b"].map(|topic| Source { topic: topic.to_owned(), headers: true }).to_vec(),
            sinks: vec![
                sink("alerts", Target::Topic("alerts".to_owned())),
                sink("rows", Target::Table(table)),
                sink("totals", Target::Statement(statement)),
                sink("plain", Target::Statement(plain)),
            ],
            ..Spec::default()
        }
    }

    fn mapping(sources: &[(&str, &str)], sinks: &[(&str, &str)]) -> Mapping {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect::<BTreeMap<_, _>>()
        };
        Mapping { sources: map(sources), sinks: map(sinks) }
    }

    #[test]
    fn topics_and_tables_are_the_deployments() {
        let of = |mapping: &Mapping| {
            let spec = mapping.apply(&spec()).unwrap();
            let target = |target: &Target| match target {
                Target::Topic(topic) => topic.clone(),
                Target::Table(table) => table.name.clone(),
                Target::Statement(statement) => statement.sql.clone(),
            };
            (
                spec.topics().join(" "),
                spec.sinks.iter().map(|sink| target(&sink.target)).collect::<Vec<_>>().join(" | "),
            )
        };
        let (topics, sinks) = of(&Mapping::default());
        assert_eq!(topics, "a b");
        assert_eq!(sinks, "alerts | readings | INSERT INTO \"totals\" VALUES (?) | DELETE FROM t");
        let swapped = mapping(
            &[("a", "b"), ("b", "a")],
            &[("alerts", "p2.alerts"), ("rows", "staging.readings"), ("totals", "staging.t")],
        );
        let (topics, sinks) = of(&swapped);
        assert_eq!(topics, "b a");
        assert_eq!(sinks, "p2.alerts | staging.readings | INSERT INTO \"staging\".\"t\" VALUES (?) | DELETE FROM t");
    }

    #[test]
    fn what_is_not_there_or_no_name_is_refused() {
        for (sources, sinks, why) in [
            (&[("c", "d")][..], &[][..], r#"the job has no source "c"; it reads a, b"#),
            (&[], &[("row", "x")], r#"the job has no sink "row"; it has alerts, rows, totals, plain"#),
            (&[("a", "b")], &[], r#"two sources would read the topic "b""#),
            (&[("a", "x y")], &[], r#""x y" is not a legal topic name"#),
            (&[], &[("alerts", "a/b")], r#""a/b" is not a legal topic name"#),
            (&[], &[("rows", "a.b.c")], r#"sink "rows": "a.b.c" is neither `table` nor `schema.table`"#),
            (
                &[],
                &[("plain", "t")],
                r#"sink "plain": its statement names no table in braces, as in INSERT INTO {readings} …"#,
            ),
        ] {
            assert_eq!(mapping(sources, sinks).apply(&spec()).unwrap_err().to_string(), why);
        }
    }

    #[test]
    fn the_last_word_counts_and_what_is_gone_is_left_out() {
        let mut all = mapping(&[("a", "x"), ("b", "y")], &[("rows", "r")]);
        all.add(&mapping(&[("a", "a"), ("b", "z")], &[("alerts", "s")]));
        assert_eq!(all, mapping(&[("a", "a"), ("b", "z")], &[("rows", "r"), ("alerts", "s")]));
        assert!(mapping(&[("b", "z")], &[("rows", "r")]).is_in(&all) && !mapping(&[("b", "y")], &[]).is_in(&all));
        all.add(&mapping(&[], &[("alerts", "alerts")]));
        all.retain(&spec());
        assert_eq!(all, mapping(&[("b", "z")], &[("rows", "r")]));
        let mut gone = spec();
        gone.sources.pop();
        gone.sinks.remove(0);
        all.retain(&gone);
        assert_eq!(all, mapping(&[], &[("rows", "r")]));
    }
}
