//! Runs a job natively, over records given in a test, through the same packing as in the host.

use crate::{
    Job, Sink, Type, Value,
    bindings::pelton::job::types::{Batch, Outcome, Output},
    numbers::{pack, unpack},
    packed::{HeadersWriter, Nullable},
    runner::Runner,
    spec::REMEMBERS,
};

/// A record to give to a job. `From` makes one of a value.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value; nothing for a tombstone.
    pub value: Option<Vec<u8>>,
    /// The headers. Given to the job whether or not its source asks for them.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Milliseconds since the Unix epoch.
    pub timestamp: Option<i64>,
}

impl From<&str> for Input {
    fn from(value: &str) -> Self {
        Self::from(value.as_bytes())
    }
}

impl From<&[u8]> for Input {
    fn from(value: &[u8]) -> Self {
        Self { value: Some(value.to_vec()), ..Self::default() }
    }
}

/// A message that a job sent.
#[derive(Debug, PartialEq)]
pub struct Message<'a> {
    /// Which record it was made from.
    pub origin: usize,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: Vec<(&'a str, Option<&'a [u8]>)>,
}

/// What a job made of the records.
pub struct Run {
    sinks: Vec<Sink>,
    outcome: Outcome,
}

/// Configures a job and hands it one batch: partition 0, offsets from 0. Parameters that aren't given have their
/// defaults.
///
/// # Errors
/// What `configure` says; a parameter that has no default and isn't given, or isn't declared; a mistake of the job in
/// its outputs.
pub fn run<J: Job>(
    parameters: &[(&str, &str)],
    records: impl IntoIterator<Item = impl Into<Input>>,
) -> Result<Run, String> {
    let mut spec = J::spec();
    // A declaration, of which no host tells the job.
    spec.parameters.retain(|parameter| parameter.name != REMEMBERS);
    let mut settings = Vec::new();
    for parameter in &spec.parameters {
        let given = parameters.iter().find(|(name, _)| *name == parameter.name).map(|(_, value)| (*value).to_owned());
        let value = given.or_else(|| parameter.default.clone());
        settings.push((parameter.name.clone(), value.ok_or(format!("parameter `{}` is not set", parameter.name))?));
    }
    for (name, _) in parameters {
        if !spec.parameters.iter().any(|parameter| parameter.name == *name) {
            return Err(format!("the job has no parameter `{name}`"));
        }
    }
    let records: Vec<Input> = records.into_iter().map(Into::into).collect();
    let outcome = Runner::<J>::new(settings)?.process(&batch(&records))?;
    Ok(Run { sinks: spec.sinks, outcome })
}

/// Records as they cross.
pub(crate) fn batch(records: &[Input]) -> Batch {
    let mut keys = Nullable::with_capacity(0, 0);
    let mut values = Nullable::with_capacity(0, 0);
    let mut headers = HeadersWriter::after(0);
    for record in records {
        keys.push(record.key.as_deref());
        values.push(record.value.as_deref());
        headers.push(record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())));
    }
    Batch {
        source: 0,
        partition: 0,
        offsets: pack((0_i64..).take(records.len())),
        timestamps: pack(records.iter().map(|record| record.timestamp.unwrap_or(-1))),
        keys: keys.finish(),
        values: values.finish(),
        headers: Some(headers.finish()),
    }
}

impl Run {
    /// The indices of the records that were forwarded to a sink, in order.
    pub fn forwards(&self, sink: &Sink) -> Vec<usize> {
        let forwards = self.outcome.outputs.iter().filter_map(|output| match output {
            Output::Forward(forward) if self.is(sink, forward.sink) => Some(&forward.origin),
            _ => None,
        });
        forwards.flat_map(|origin| origins(origin)).collect()
    }

    /// The messages that were sent to a sink, in order.
    pub fn messages(&self, sink: &Sink) -> Vec<Message<'_>> {
        let messages = self.outcome.outputs.iter().filter_map(|output| match output {
            Output::Messages(messages) if self.is(sink, messages.sink) => Some(messages),
            _ => None,
        });
        let each = messages.flat_map(|messages| {
            origins(&messages.origin).enumerate().map(|(n, origin)| Message {
                origin,
                key: messages.keys.get(n),
                value: messages.values.get(n),
                headers: messages.headers.iter().flat_map(|headers| headers.get(n)).collect(),
            })
        });
        each.collect()
    }

    /// The rows that were written to a sink, in order, each with the index of its record.
    pub fn rows(&self, sink: &Sink) -> Vec<(usize, Vec<Value<'_>>)> {
        let types: Vec<Type> = sink.row().unwrap_or_default().into_iter().map(|(_, kind)| kind).collect();
        let rows = self.outcome.outputs.iter().filter_map(|output| match output {
            Output::Rows(rows) if self.is(sink, rows.sink) => Some(rows),
            _ => None,
        });
        let each = rows.flat_map(|rows| {
            origins(&rows.origin).enumerate().map(|(n, origin)| {
                let values = rows.columns.iter().zip(&types).filter_map(move |(column, &kind)| column.get(kind, n));
                (origin, values.collect())
            })
        });
        each.collect()
    }

    /// The rejects: the index of the record, and the reason.
    pub fn rejects(&self) -> Vec<(usize, &str)> {
        self.outcome.rejects.iter().map(|reject| (reject.index as usize, reject.reason.as_str())).collect()
    }

    fn is(&self, sink: &Sink, index: u32) -> bool {
        self.sinks.get(index as usize).is_some_and(|candidate| candidate.name == sink.name)
    }
}

/// The records that outputs were made from.
fn origins(origin: &[u8]) -> impl Iterator<Item = usize> {
    unpack::<u32>(origin).map(|index| index as usize)
}
