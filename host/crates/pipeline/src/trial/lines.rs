//! The lines that a trial prints: one JSON object each, spaced as Python's `json.dumps` spaces, so that they read well
//! and compare byte for byte.

use std::io;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use serde_json::ser::Formatter;

use pelton_connect::sink::RowCheck;
use pelton_model::record::text::{cell, real, text};
use pelton_model::record::{Outcome, Output, Rows};
use pelton_model::spec::{ColumnType, Sink, Spec, Target};
use pelton_runtime::Failure;

use super::recorder::{LogLine, Metric};
use super::summary::Summary;

pub(super) fn log(line: &LogLine) -> String {
    let level = line.level.as_str().to_ascii_lowercase();
    Object::new().member("log", &level).member("message", &line.message).end()
}

pub(super) fn metric((name, metric): &(String, Metric)) -> String {
    let line = Object::new().member("metric", name);
    match metric {
        Metric::Count(count) => line.member("value", count),
        Metric::Gauge(gauge) => line.raw("value", &real(*gauge)),
    }
    .end()
}

/// A batch whose outcome is printed.
pub(super) struct Printed<'a> {
    /// The number of its first record.
    pub(super) first: u64,
    pub(super) spec: &'a Spec,
    pub(super) checks: &'a [Box<dyn RowCheck>],
}

/// One line, and where it belongs.
struct Line {
    record: u32,
    sink: usize,
    text: String,
}

impl Printed<'_> {
    pub(super) fn failure(&self, index: u32, failure: &Failure) -> String {
        self.object(index).member("failure", &failure.to_string()).end()
    }

    /// Prints outputs and rejects by record, then by sink as declared, then as the job emitted them.
    pub(super) fn outcome(
        &self,
        outcome: &Outcome,
        summary: &mut Summary,
        print: &mut dyn FnMut(&str) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut lines = Vec::new();
        for output in &outcome.outputs {
            let number = output.sink() as usize;
            let (Some(sink), Some(counts)) = (self.spec.sinks.get(number), summary.outputs.get_mut(number)) else {
                continue;
            };
            counts.outputs += output.origin().len() as u64;
            for (n, &record) in output.origin().iter().enumerate() {
                let line = self.object(record).member("sink", &sink.name);
                let line = match output {
                    Output::Forward { .. } => line.member("forward", &true),
                    Output::Messages { messages, .. } => {
                        let line = line.bytes("key", messages.keys.get(n)).bytes("value", messages.values.get(n));
                        let headers: Vec<_> = messages.headers.iter().flat_map(|headers| headers.of(n)).collect();
                        let headers: Vec<_> =
                            headers.into_iter().map(|(name, value)| (text(name), value.map(text))).collect();
                        if headers.is_empty() { line } else { line.member("headers", &headers) }
                    }
                    Output::Rows { rows, .. } => {
                        let line = line.raw("row", &row(rows, sink, n));
                        match self.checks.get(number).and_then(|check| check.refusal(rows, n)) {
                            Some(reason) => {
                                counts.refused += 1;
                                line.member("refused", &reason)
                            }
                            None => line,
                        }
                    }
                };
                lines.push(Line { record, sink: number, text: line.end() });
            }
        }
        summary.rejects += outcome.rejects.len() as u64;
        lines.extend(outcome.rejects.iter().map(|reject| Line {
            record: reject.index,
            sink: self.spec.sinks.len(),
            text: self.object(reject.index).member("reject", &reject.reason).end(),
        }));
        lines.sort_by_key(|line| (line.record, line.sink));
        lines.iter().try_for_each(|line| print(&line.text))
    }

    fn object(&self, record: u32) -> Object {
        Object::new().member("record", &(self.first + u64::from(record)))
    }
}

/// Row `n`; the placeholders of a statement are `$1`, `$2`, ….
fn row(rows: &Rows, sink: &Sink, n: usize) -> String {
    let mut row = Object::new();
    for (i, column) in rows.columns.iter().enumerate() {
        let (name, column_type) = match &sink.target {
            Target::Table(table) => table.columns.get(i).map(|column| (column.name.clone(), column.column_type)),
            Target::Statement(statement) => statement.placeholders.get(i).map(|&kind| (format!("${}", i + 1), kind)),
            Target::Topic(_) => None,
        }
        .unwrap_or_else(|| (format!("${}", i + 1), ColumnType::Bytea));
        row = row.raw(&name, &cell(column, column_type, n));
    }
    row.end()
}

/// An object in the making, its members in the order in which they are given.
struct Object(String);

impl Object {
    fn new() -> Self {
        Self("{".to_owned())
    }

    fn member<T: Serialize + ?Sized>(self, name: &str, value: &T) -> Self {
        self.raw(name, &json(value))
    }

    /// A member whose value is JSON already.
    fn raw(mut self, name: &str, value: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push_str(", ");
        }
        self.0.push_str(&json(name));
        self.0.push_str(": ");
        self.0.push_str(value);
        self
    }

    /// Bytes as text, or under `<name>_base64` where they are none.
    fn bytes(self, name: &str, bytes: Option<&[u8]>) -> Self {
        match bytes.map(|bytes| std::str::from_utf8(bytes).map_err(|_| BASE64_STANDARD.encode(bytes))) {
            None => self.raw(name, "null"),
            Some(Ok(text)) => self.member(name, text),
            Some(Err(base64)) => self.member(&format!("{name}_base64"), &base64),
        }
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// A value as JSON, spaced.
fn json<T: Serialize + ?Sized>(value: &T) -> String {
    let mut out = Vec::new();
    match value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Spaced)) {
        Ok(()) => String::from_utf8_lossy(&out).into_owned(),
        // Texts, numbers and lists of them always have a form in JSON.
        Err(_) => "null".to_owned(),
    }
}

/// One blank after each comma between items.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }
}
