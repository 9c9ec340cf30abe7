//! What texts and lists of a job's declaration, and of requests, may be: Kafka's rules for topics and groups,
//! Postgres's for names of tables and columns, and short, clean text for the rest. What is refused is quoted in a
//! line at most.
//!
//! A declaration that passes is of some hundred kilobytes at most, whatever the guest is: it is kept, listed, and part
//! of metrics and file names.

use std::collections::{BTreeMap, HashSet};

use crate::error::Error;
use crate::name::check_name;
use crate::spec::{Conflict, Spec, Statement, Table, Target};
use crate::sql::{relation, with_tables};
use crate::text::{is_unsafe, quoted};

/// Most sources, sinks, columns, placeholders or parameters, each: far above any real job.
pub const ITEMS: usize = 256;
/// Most bytes of a declaration, all its texts together.
pub const TOTAL_BYTES: usize = 256 << 10;
/// Most bytes of the parameters that are set, all together.
pub const PARAMETERS_BYTES: usize = 2 << 20;
/// What an item of a list counts among them beside its texts.
const ITEM_BYTES: usize = 64;
/// Longest name of a topic or a group, and of a sink, which is often that of its topic: Kafka's limit.
pub const TOPIC_BYTES: usize = 249;
/// Longest part of a table's name, and longest name of a column: Postgres would cut longer ones.
pub const IDENTIFIER_BYTES: usize = 63;
/// Longest version that an author gives a job, characters.
pub const VERSION: usize = 100;
/// Longest description of a job or of a parameter, characters.
pub const DESCRIPTION: usize = 1_000;
/// Longest name of a parameter, characters.
pub const PARAMETER: usize = 100;
/// Longest SQL of a statement, and longest value that is declared for a parameter, bytes.
pub const DECLARED_BYTES: usize = 64 << 10;
/// Longest value that is set for a parameter, bytes: a file of a job's, as those of sites or of rules.
pub const VALUE_BYTES: usize = 1 << 20;
/// Longest word on who changes a job, and on why, characters.
pub const BY: usize = 200;
/// See [`BY`].
pub const WHY: usize = 2_000;

/// Topics that brokers keep for themselves: what Kafka marks as internal, and those of its metadata and of its tiered
/// storage.
const INTERNAL: [&str; 5] =
    ["__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata", "__remote_log_metadata"];

fn refuse<T>(why: String) -> Result<T, Error> {
    Err(Error::Illegal(why))
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), Error> {
    if holds { Ok(()) } else { refuse(why()) }
}

/// A text of one line, of at most so many characters.
pub fn short(what: &str, text: &str, most: usize) -> Result<(), Error> {
    // No character has more than four bytes: what is far too long is not looked through.
    let fits = text.len() <= 4 * most && text.chars().count() <= most;
    ensure(fits, || format!("{what} is longer than {most} characters: {}", quoted(text)))?;
    clean(what, text, is_unsafe)
}

/// A text of any lines, of at most so many bytes: tabs and line breaks are what they are.
pub fn long(what: &str, text: &str, most: usize) -> Result<(), Error> {
    ensure(text.len() <= most, || format!("{what} is longer than {most} bytes: {}", quoted(text)))?;
    clean(what, text, |c| is_unsafe(c) && !matches!(c, '\n' | '\r' | '\t'))
}

fn clean(what: &str, text: &str, is_illegal: impl Fn(char) -> bool) -> Result<(), Error> {
    let Some((at, c)) = text.char_indices().find(|(_, c)| is_illegal(*c)) else { return Ok(()) };
    // So that what is quoted has it.
    let from = text.floor_char_boundary(at.saturating_sub(40));
    let near = quoted(text.get(from..).unwrap_or_default());
    let of = if c.is_control() { "a control character" } else { "a character that turns or breaks lines" };
    refuse(format!("{what} has {of}, U+{:04X}: {near}", u32::from(c)))
}

/// The name of a topic that a job may read or write.
pub fn topic(topic: &str) -> Result<(), Error> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let is_legal =
        (1..=TOPIC_BYTES).contains(&topic.len()) && topic.chars().all(legal) && topic != "." && topic != "..";
    ensure(is_legal, || format!("{} is not a legal topic name", quoted(topic)))?;
    ensure(!INTERNAL.contains(&topic), || format!("the topic {topic:?} is Kafka's own: no job reads or writes it"))
}

/// The name of a consumer group.
pub fn group(group: &str) -> Result<(), Error> {
    ensure(!group.is_empty(), || "the group has no name".to_owned())?;
    short("the group's name", group, TOPIC_BYTES)?;
    ensure(group.len() <= TOPIC_BYTES, || {
        format!("the group's name is longer than {TOPIC_BYTES} bytes: {}", quoted(group))
    })
}

/// The name of a parameter.
pub fn parameter(name: &str) -> Result<(), Error> {
    short("the name of a parameter", name, PARAMETER)
}

/// Parameters that are set, each with its value.
pub fn parameters(set: &BTreeMap<String, String>) -> Result<(), Error> {
    ensure(set.len() <= ITEMS, || format!("more than {ITEMS} parameters are set"))?;
    for (name, value) in set {
        parameter(name)?;
        long(&format!("the value of the parameter {}", quoted(name)), value, VALUE_BYTES)?;
    }
    let total: usize = set.iter().map(|(name, value)| name.len() + value.len()).sum();
    let fit = total <= PARAMETERS_BYTES;
    ensure(fit, || format!("the parameters are larger than {PARAMETERS_BYTES} bytes, all together"))
}

/// Who changes a job.
pub fn by(by: &str) -> Result<(), Error> {
    short("`by`", by, BY)
}

/// Why a job is changed; line breaks are allowed.
pub fn why(why: &str) -> Result<(), Error> {
    ensure(why.chars().count() <= WHY, || format!("`why` is longer than {WHY} characters: {}", quoted(why)))?;
    long("`why`", why, 4 * WHY)
}

/// Refuses too many, nameless and repeated ones.
fn distinct<'a>(what: &str, names: impl ExactSizeIterator<Item = &'a str>) -> Result<(), Error> {
    ensure(names.len() <= ITEMS, || format!("more than {ITEMS} {what}s"))?;
    let mut seen = HashSet::new();
    for name in names {
        ensure(!name.is_empty(), || format!("a {what} without a name"))?;
        ensure(!name.contains('\0'), || format!("a {what} with NUL in its name"))?;
        ensure(seen.insert(name), || format!("the {what} {} is declared twice", quoted(name)))?;
    }
    Ok(())
}

fn identifier(what: &str, name: &str) -> Result<(), Error> {
    let fits = name.len() <= IDENTIFIER_BYTES;
    ensure(fits, || format!("{what} is longer than Postgres's {IDENTIFIER_BYTES} bytes: {}", quoted(name)))?;
    clean(what, name, is_unsafe)
}

/// The name of a table that a sink may write to.
pub(crate) fn table_name(sink: &str, name: &str) -> Result<(), Error> {
    let parts = relation(name).ok_or_else(|| {
        Error::Illegal(format!("sink {sink:?}: {} is neither `table` nor `schema.table`", quoted(name)))
    })?;
    parts.iter().try_for_each(|part| identifier(&format!("sink {sink:?}: the name of its table"), part))
}

fn table(sink: &str, table: &Table) -> Result<(), Error> {
    table_name(sink, &table.name)?;
    distinct("column", table.columns.iter().map(|column| column.name.as_str()))?;
    for column in &table.columns {
        identifier(&format!("sink {sink:?}: the name of a column"), &column.name)?;
    }
    ensure(!table.columns.is_empty(), || format!("sink {sink:?} declares a table without columns"))?;
    let is_decided = table.on_conflict == Conflict::Fail || !table.key.is_empty();
    ensure(is_decided, || format!("sink {sink:?} says what happens on a conflict, but declares no key columns"))?;
    distinct("key column", table.key.iter().map(String::as_str))?;
    for key in &table.key {
        let is_there = table.columns.iter().any(|column| column.name == *key);
        ensure(is_there, || format!("sink {sink:?}: key column {} is not among its columns", quoted(key)))?;
    }
    Ok(())
}

fn statement(sink: &str, statement: &Statement) -> Result<(), Error> {
    let fits = statement.placeholders.len() <= ITEMS && !statement.sql.contains('\0');
    ensure(fits, || format!("sink {sink:?}: a statement with NUL or more than {ITEMS} placeholders"))?;
    long(&format!("sink {sink:?}: the statement"), &statement.sql, DECLARED_BYTES)?;
    with_tables(&statement.sql, None).map(drop).map_err(|error| Error::Illegal(format!("sink {sink:?}: {error}")))
}

impl Spec {
    /// Refuses a declaration that makes no sense, or has texts or lists that are too long or not clean. Costs little,
    /// however large it is, but to be dropped.
    pub fn check(&self) -> Result<(), Error> {
        check_name(&self.name)?;
        short("the version", &self.version, VERSION)?;
        short("the description", &self.description, DESCRIPTION)?;
        ensure(!self.sources.is_empty(), || "the job declares no source".to_owned())?;
        distinct("source", self.sources.iter().map(|source| source.topic.as_str()))?;
        self.sources.iter().try_for_each(|source| topic(&source.topic))?;
        distinct("sink", self.sinks.iter().map(|sink| sink.name.as_str()))?;
        for sink in &self.sinks {
            let name = sink.name.as_str();
            short("the name of a sink", name, TOPIC_BYTES)?;
            match &sink.target {
                Target::Topic(written) => topic(written)?,
                Target::Statement(declared) => statement(name, declared)?,
                Target::Table(declared) => table(name, declared)?,
            }
        }
        if let Some(remembers) = &self.remembers {
            short("what the job remembers", remembers, DESCRIPTION)?;
        }
        distinct("parameter", self.parameters.iter().map(|parameter| parameter.name.as_str()))?;
        for parameter in &self.parameters {
            let name = &parameter.name;
            self::parameter(name)?;
            short(&format!("the description of the parameter {name:?}"), &parameter.description, DESCRIPTION)?;
            if let Some(default) = &parameter.default {
                long(&format!("the default of the parameter {name:?}"), default, DECLARED_BYTES)?;
            }
        }
        let total = self.bytes();
        ensure(total <= TOTAL_BYTES, || format!("the declaration is larger than {TOTAL_BYTES} bytes, all together"))
    }

    /// What it takes, some for each item of its lists included.
    fn bytes(&self) -> usize {
        let of_sink = |target: &Target| match target {
            Target::Topic(topic) => topic.len(),
            Target::Statement(statement) => statement.sql.len() + statement.placeholders.len() * ITEM_BYTES,
            Target::Table(table) => {
                let columns: usize = table.columns.iter().map(|column| column.name.len() + ITEM_BYTES).sum();
                table.name.len() + columns + table.key.iter().map(String::len).sum::<usize>()
            }
        };
        let sources = self.sources.iter().map(|source| source.topic.len() + ITEM_BYTES);
        let sinks = self.sinks.iter().map(|sink| sink.name.len() + of_sink(&sink.target) + ITEM_BYTES);
        let parameters = self.parameters.iter().map(|parameter| {
            let default = parameter.default.as_ref().map_or(0, String::len);
            parameter.name.len() + parameter.description.len() + default + ITEM_BYTES
        });
        self.version.len() + self.description.len() + sources.chain(sinks).chain(parameters).sum::<usize>()
    }
}

#[cfg(test)]
mod tests;
