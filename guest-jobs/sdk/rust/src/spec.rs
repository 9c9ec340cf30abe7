//! How a job says what it reads, writes and takes. A [`Sink`] is a constant: the job lists it in its [`Spec`] and names
//! it again wherever it emits.

use crate::bindings::pelton::job::types as wit;
use wit::ColumnType as Type;

/// What a job says of itself.
pub struct Spec {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) description: &'static str,
    pub(crate) sources: Vec<wit::Source>,
    pub(crate) sinks: Vec<Sink>,
    pub(crate) parameters: Vec<wit::Parameter>,
}

impl Spec {
    /// A job without sources, sinks and parameters. The name has lower-case letters, digits, `_` and `-`.
    pub fn new(name: &'static str, version: &'static str, description: &'static str) -> Self {
        Self { name, version, description, sources: Vec::new(), sinks: Vec::new(), parameters: Vec::new() }
    }

    /// Reads a topic, without the headers of its records.
    pub fn source(mut self, topic: &str) -> Self {
        self.sources.push(wit::Source { topic: topic.to_owned(), headers: false });
        self
    }

    /// Reads a topic, with the headers of its records.
    pub fn source_with_headers(mut self, topic: &str) -> Self {
        self.sources.push(wit::Source { topic: topic.to_owned(), headers: true });
        self
    }

    /// Writes to a sink.
    pub fn sink(mut self, sink: Sink) -> Self {
        self.sinks.push(sink);
        self
    }

    /// Takes a parameter with a default.
    pub fn parameter(self, name: &str, description: &str, default: &str) -> Self {
        self.with_parameter(name, description, Some(default))
    }

    /// Takes a parameter that must be set at submit.
    pub fn required_parameter(self, name: &str, description: &str) -> Self {
        self.with_parameter(name, description, None)
    }

    fn with_parameter(mut self, name: &str, description: &str, default: Option<&str>) -> Self {
        self.parameters.push(wit::Parameter {
            name: name.to_owned(),
            description: description.to_owned(),
            default: default.map(str::to_owned),
        });
        self
    }
}

/// Where outputs go. Its name, unique in the job, appears in metrics; it is the topic's or table's own where
/// [`Sink::named`] gives no other.
#[derive(Clone, Copy)]
pub struct Sink {
    pub(crate) name: &'static str,
    target: Target,
}

#[derive(Clone, Copy)]
enum Target {
    Topic(&'static str),
    Table { name: &'static str, columns: &'static [Column], conflict: Conflict },
    Statement { sql: &'static str, placeholders: &'static [Type] },
}

impl Sink {
    /// A Kafka topic.
    pub const fn topic(topic: &'static str) -> Self {
        Self { name: topic, target: Target::Topic(topic) }
    }

    /// A Postgres table, `table` or `schema.table`, with the columns that the job fills.
    pub const fn table(table: &'static str, columns: &'static [Column], conflict: Conflict) -> Self {
        Self { name: table, target: Target::Table { name: table, columns, conflict } }
    }

    /// One INSERT, UPDATE or DELETE, with placeholders `?` or `$1`, `$2`, … of these types.
    pub const fn statement(name: &'static str, sql: &'static str, placeholders: &'static [Type]) -> Self {
        Self { name, target: Target::Statement { sql, placeholders } }
    }

    /// The same sink under another name.
    pub const fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// What it is called in messages.
    #[doc(hidden)]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The names and types of a row's values; nothing for a topic. A placeholder's name is its number.
    #[doc(hidden)]
    pub fn row(&self) -> Option<Vec<(String, Type)>> {
        match self.target {
            Target::Topic(_) => None,
            Target::Table { columns, .. } => {
                Some(columns.iter().map(|column| (format!("column `{}`", column.name), column.kind)).collect())
            }
            Target::Statement { placeholders, .. } => {
                Some(placeholders.iter().zip(1..).map(|(&kind, n)| (format!("placeholder {n}"), kind)).collect())
            }
        }
    }
}

/// A column of a table.
#[derive(Clone, Copy)]
pub struct Column {
    name: &'static str,
    kind: Type,
    nullable: bool,
}

impl Column {
    /// A column that takes no nulls.
    pub const fn new(name: &'static str, kind: Type) -> Self {
        Self { name, kind, nullable: false }
    }

    /// The same column, taking nulls.
    pub const fn nullable(self) -> Self {
        Self { nullable: true, ..self }
    }
}

/// What happens to a row whose key is already in the table, with the columns of that key (the unique constraint).
#[derive(Clone, Copy)]
pub enum Conflict {
    /// The row goes to the dead-letter topic. The key may be empty.
    Fail(&'static [&'static str]),
    /// The row that is there stays.
    Ignore(&'static [&'static str]),
    /// The row that is there is overwritten; within a batch the last one wins.
    Update(&'static [&'static str]),
}

impl From<Spec> for wit::Spec {
    fn from(spec: Spec) -> Self {
        Self {
            name: spec.name.to_owned(),
            version: spec.version.to_owned(),
            description: spec.description.to_owned(),
            sources: spec.sources,
            sinks: spec.sinks.into_iter().map(Into::into).collect(),
            parameters: spec.parameters,
        }
    }
}

impl From<Sink> for wit::Sink {
    fn from(sink: Sink) -> Self {
        let target = match sink.target {
            Target::Topic(topic) => wit::Target::Topic(topic.to_owned()),
            Target::Table { name, columns, conflict } => wit::Target::Table(table(name, columns, conflict)),
            Target::Statement { sql, placeholders } => {
                wit::Target::Statement(wit::Statement { sql: sql.to_owned(), placeholders: placeholders.to_vec() })
            }
        };
        Self { name: sink.name.to_owned(), target }
    }
}

fn table(name: &str, columns: &[Column], conflict: Conflict) -> wit::Table {
    let (on_conflict, key) = match conflict {
        Conflict::Fail(key) => (wit::Conflict::Fail, key),
        Conflict::Ignore(key) => (wit::Conflict::Ignore, key),
        Conflict::Update(key) => (wit::Conflict::Update, key),
    };
    let columns = columns.iter().map(|column| wit::ColumnSpec {
        name: column.name.to_owned(),
        type_: column.kind,
        nullable: column.nullable,
    });
    wit::Table {
        name: name.to_owned(),
        columns: columns.collect(),
        key: key.iter().map(|&column| column.to_owned()).collect(),
        on_conflict,
    }
}

/// The parameter by which a job declares that it remembers something. Names that begin with `pelton.` are the contract's.
pub(crate) const REMEMBERS: &str = "pelton.remembers";

impl Spec {
    /// Holds something in its fields from one batch to the next, said in words: `the last reading of each sensor`. It ends
    /// with the instance, so the host warns and asks before it ends one. What was said before is replaced.
    pub fn remembers(mut self, what: &str) -> Self {
        self.parameters.retain(|parameter| parameter.name != REMEMBERS);
        self.parameter(REMEMBERS, what, "true")
    }
}
