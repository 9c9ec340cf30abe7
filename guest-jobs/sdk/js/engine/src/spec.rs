//! What a job declares, as its script says it in JSON.

use pelton_job::{Column, Conflict, Sink, Spec, Type, bindings::pelton::job::types as wit};
use serde::{Deserialize, Deserializer, de::Error};

/// What a job declares.
#[derive(Deserialize)]
pub(crate) struct Declared {
    name: Text,
    version: Text,
    description: Text,
    sources: Vec<Source>,
    sinks: Vec<DeclaredSink>,
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
struct Source {
    topic: Text,
    headers: bool,
}

#[derive(Deserialize)]
struct DeclaredSink {
    name: Text,
    target: Target,
}

#[derive(Deserialize)]
#[serde(tag = "tag", content = "val", rename_all = "lowercase")]
enum Target {
    Topic(Text),
    Table(Table),
    Statement(Statement),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Table {
    name: Text,
    columns: Vec<DeclaredColumn>,
    key: Vec<Text>,
    on_conflict: Text,
}

#[derive(Deserialize)]
struct DeclaredColumn {
    name: Text,
    r#type: Kind,
    nullable: bool,
}

#[derive(Deserialize)]
struct Statement {
    sql: Text,
    placeholders: Vec<Kind>,
}

#[derive(Deserialize)]
struct Parameter {
    name: Text,
    description: Text,
    default: Option<Text>,
}

/// A text that lives as long as the instance, which is told once what its job declares.
#[derive(Clone, Copy)]
struct Text(&'static str);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(String::deserialize(deserializer)?.leak()))
    }
}

/// A type of Postgres by its name.
#[derive(Clone, Copy)]
struct Kind(Type);

const KINDS: [(&str, Type); 16] = [
    ("boolean", Type::Boolean),
    ("int2", Type::Int2),
    ("int4", Type::Int4),
    ("int8", Type::Int8),
    ("float4", Type::Float4),
    ("float8", Type::Float8),
    ("numeric", Type::Numeric),
    ("text", Type::Text),
    ("varchar", Type::Varchar),
    ("bytea", Type::Bytea),
    ("timestamptz", Type::Timestamptz),
    ("timestamp", Type::Timestamp),
    ("date", Type::Date),
    ("uuid", Type::Uuid),
    ("json", Type::Json),
    ("jsonb", Type::Jsonb),
];

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let found = KINDS.iter().find(|(candidate, _)| *candidate == name);
        found.map(|(_, kind)| Self(*kind)).ok_or_else(|| D::Error::custom(format!("there is no type `{name}`")))
    }
}

impl Declared {
    /// Reads what the script says.
    pub(crate) fn read(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| format!("the job declares what no job can: {error}"))
    }

    /// The same as it crosses.
    pub(crate) fn spec(&self) -> wit::Spec {
        let mut spec = Spec::new(self.name.0, self.version.0, self.description.0);
        for source in &self.sources {
            spec = if source.headers { spec.source_with_headers(source.topic.0) } else { spec.source(source.topic.0) };
        }
        for sink in self.sinks() {
            spec = spec.sink(sink);
        }
        for Parameter { name, description, default } in &self.parameters {
            spec = match default {
                Some(default) => spec.parameter(name.0, description.0, default.0),
                None => spec.required_parameter(name.0, description.0),
            };
        }
        spec.into()
    }

    /// The sinks, in their order.
    pub(crate) fn sinks(&self) -> Vec<Sink> {
        self.sinks.iter().map(|sink| sink.target.sink().named(sink.name.0)).collect()
    }
}

impl Target {
    fn sink(&self) -> Sink {
        match self {
            Self::Topic(topic) => Sink::topic(topic.0),
            Self::Table(table) => {
                let columns: Vec<_> = table.columns.iter().map(DeclaredColumn::column).collect();
                let key: &[_] = table.key.iter().map(|column| column.0).collect::<Vec<_>>().leak();
                let conflict = match table.on_conflict.0 {
                    "ignore" => Conflict::Ignore(key),
                    "update" => Conflict::Update(key),
                    _ => Conflict::Fail(key),
                };
                Sink::table(table.name.0, columns.leak(), conflict)
            }
            Self::Statement(statement) => {
                let placeholders: Vec<_> = statement.placeholders.iter().map(|kind| kind.0).collect();
                Sink::statement("", statement.sql.0, placeholders.leak())
            }
        }
    }
}

impl DeclaredColumn {
    fn column(&self) -> Column {
        let column = Column::new(self.name.0, self.r#type.0);
        if self.nullable { column.nullable() } else { column }
    }
}
