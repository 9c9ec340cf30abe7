//! What a job makes of a batch, gathered per sink in the form in which it crosses. Buffers are sized by what the batch
//! before needed, so that a steady stream of batches doesn't grow them step by step.

use crate::{
    Sink, Type, Value,
    bindings::pelton::job::types::{Forward, Messages, Output, Rows},
    numbers::Number,
    packed::{HeadersWriter, Nullable},
    rows::Column,
};

/// Takes what a job emits. Each output is tied to the record at hand.
///
/// Emitting to a sink that the spec doesn't declare, or a row that doesn't fit its sink, is a mistake of the job: the
/// batch fails with a reason that says what was wrong.
pub struct Outputs {
    sinks: Vec<State>,
    done: Vec<Output>,
    at: At,
    mistake: Option<String>,
}

/// Where in the batch the job is.
#[derive(Clone, Copy, Default)]
struct At {
    record: u32,
    /// How many records the batch has.
    records: usize,
}

impl At {
    /// An empty list of origins with room for each record once.
    fn origin(self) -> Vec<u8> {
        Vec::with_capacity(size_of::<u32>() * self.records)
    }
}

/// A sink, and its output in the making.
struct State {
    index: u32,
    name: &'static str,
    /// Names and types of a row's values; nothing for a topic.
    row: Option<Vec<(String, Type)>>,
    open: Option<Open>,
    /// The bytes of the last output's keys and values, or of its columns.
    sizes: Vec<usize>,
}

enum Open {
    Forward { origin: Vec<u8> },
    Messages { origin: Vec<u8>, keys: Nullable, values: Nullable, headers: Option<Box<HeadersWriter>> },
    Rows { origin: Vec<u8>, columns: Vec<Column> },
}

impl Outputs {
    #[doc(hidden)]
    pub fn new(sinks: &[Sink]) -> Self {
        let state = |(index, sink): (u32, &Sink)| State {
            index,
            name: sink.name,
            row: sink.row(),
            open: None,
            sizes: Vec::new(),
        };
        let sinks = (0..).zip(sinks).map(state).collect();
        Self { sinks, done: Vec::new(), at: At::default(), mistake: None }
    }

    /// Passes the record on to a topic unchanged: key, value and headers. Costs next to nothing.
    pub fn forward(&mut self, sink: &Sink) {
        self.emit(sink, State::forward);
    }

    /// Sends a message to a topic.
    pub fn send(&mut self, sink: &Sink, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&str, Option<&[u8]>)]) {
        self.emit(sink, |state, at| state.send(at, key, value, headers));
    }

    /// Writes a row to a table, or runs a statement: one value per declared column or placeholder, in their order.
    pub fn row(&mut self, sink: &Sink, values: &[Value<'_>]) {
        self.emit(sink, |state, at| state.row(at, values));
    }

    fn emit(&mut self, sink: &Sink, into: impl FnOnce(&mut State, At) -> Result<Option<Output>, String>) {
        let result = match self.sinks.iter_mut().find(|state| state.name == sink.name) {
            Some(state) => into(state, self.at),
            None => Err("not among the sinks of the job's spec".to_owned()),
        };
        match result {
            Ok(sealed) => self.done.extend(sealed),
            Err(reason) => {
                self.mistake.get_or_insert_with(|| format!("sink `{}`: {reason}", sink.name));
            }
        }
    }

    /// What follows was made from this record of a batch of so many.
    #[doc(hidden)]
    pub fn turn_to(&mut self, record: u32, records: usize) {
        self.at = At { record, records };
    }

    /// The job's first mistake since the last call, if any.
    #[doc(hidden)]
    pub fn take_mistake(&mut self) -> Option<String> {
        self.mistake.take()
    }

    /// Hands over the batch's outputs, and is empty again.
    #[doc(hidden)]
    pub fn finish(&mut self) -> Vec<Output> {
        let mut outputs = std::mem::take(&mut self.done);
        outputs.extend(self.sinks.iter_mut().filter_map(State::seal));
        outputs
    }
}

/// Each adds to the open output where its kind fits; else it opens another and gives back the one before, so that a
/// sink gets its outputs in the order in which the job emitted them.
impl State {
    fn forward(&mut self, at: At) -> Result<Option<Output>, String> {
        self.must_be_topic()?;
        if let Some(Open::Forward { origin }) = &mut self.open {
            at.record.push(origin);
            return Ok(None);
        }
        let mut origin = at.origin();
        at.record.push(&mut origin);
        let sealed = self.seal();
        self.open = Some(Open::Forward { origin });
        Ok(sealed)
    }

    fn send(
        &mut self,
        at: At,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> Result<Option<Output>, String> {
        self.must_be_topic()?;
        let mut sealed = None;
        if !matches!(self.open, Some(Open::Messages { .. })) {
            sealed = self.seal();
            self.open = Some(Open::Messages {
                origin: at.origin(),
                keys: Nullable::with_capacity(at.records, self.size(0)),
                values: Nullable::with_capacity(at.records, self.size(1)),
                headers: None,
            });
        }
        if let Some(Open::Messages { origin, keys, values, headers: writer }) = &mut self.open {
            if !headers.is_empty() || writer.is_some() {
                let writer = writer.get_or_insert_with(|| Box::new(HeadersWriter::after(u32::count(origin))));
                writer.push(headers.iter().copied());
            }
            at.record.push(origin);
            keys.push(key);
            values.push(value);
        }
        Ok(sealed)
    }

    fn row(&mut self, at: At, values: &[Value<'_>]) -> Result<Option<Output>, String> {
        let Some(row) = &self.row else {
            return Err("a topic takes no rows".to_owned());
        };
        if values.len() != row.len() {
            return Err(format!("a row has {} values, not {}", row.len(), values.len()));
        }
        if self.open.is_none() {
            let column =
                |(n, (_, kind)): (usize, &(String, Type))| Column::with_capacity(*kind, at.records, self.size(n));
            let columns = row.iter().enumerate().map(column).collect();
            self.open = Some(Open::Rows { origin: at.origin(), columns });
        }
        if let Some(Open::Rows { origin, columns }) = &mut self.open {
            at.record.push(origin);
            for ((column, value), (name, _)) in columns.iter_mut().zip(values).zip(row) {
                column.push(*value).map_err(|reason| format!("{name} is {reason}"))?;
            }
        }
        Ok(None)
    }

    fn must_be_topic(&self) -> Result<(), String> {
        match self.row {
            None => Ok(()),
            Some(_) => Err("a table or statement takes rows, not messages".to_owned()),
        }
    }

    fn size(&self, n: usize) -> usize {
        self.sizes.get(n).copied().unwrap_or_default()
    }

    fn seal(&mut self) -> Option<Output> {
        let sink = self.index;
        Some(match self.open.take()? {
            Open::Forward { origin } => Output::Forward(Forward { sink, origin }),
            Open::Messages { origin, keys, values, headers } => {
                self.sizes.clear();
                self.sizes.extend([keys.bytes(), values.bytes()]);
                Output::Messages(Messages {
                    sink,
                    origin,
                    keys: keys.finish(),
                    values: values.finish(),
                    headers: headers.map(|headers| headers.finish()),
                })
            }
            Open::Rows { origin, columns } => {
                self.sizes.clear();
                self.sizes.extend(columns.iter().map(Column::bytes));
                Output::Rows(Rows { sink, origin, columns: columns.into_iter().map(Column::finish).collect() })
            }
        })
    }
}
