//! Records of a trial, one to a line, cut into batches as the host cuts them: consecutive records of one partition, at
//! most so many of them, at most so many bytes.

use std::collections::HashMap;
use std::io::{BufRead, Read};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use pelton_model::record::Batch;
use pelton_model::spec::{Source, Spec};

/// Longest line, bytes: more than a record of Kafka has.
const LONGEST_LINE: usize = 64 << 20;

/// What a line of the input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A record's value, as it stands.
    Value,
    /// A JSON object with a record's value, key, headers and coordinates, all optional.
    Envelope,
}

/// A record with all that Kafka knows of it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Envelope {
    key: Option<String>,
    value: Option<String>,
    key_base64: Option<String>,
    value_base64: Option<String>,
    headers: Vec<(String, Option<String>)>,
    timestamp: Option<i64>,
    partition: i32,
    offset: Option<i64>,
    topic: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Record {
    source: u32,
    partition: i32,
    offset: i64,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<String>)>,
}

/// Reads records, and cuts them into batches.
pub(super) struct Records<R> {
    input: R,
    format: Format,
    sources: Vec<Source>,
    most_records: usize,
    most_bytes: usize,
    /// Lines read.
    line: u64,
    /// The offset after the last one, by source and partition.
    next_offsets: HashMap<(u32, i32), i64>,
    /// Read, but of the next batch.
    waiting: Option<Record>,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(input: R, format: Format, spec: &Spec, most_records: usize, most_bytes: usize) -> Self {
        Self {
            input,
            format,
            sources: spec.sources.clone(),
            most_records: most_records.max(1),
            most_bytes,
            line: 0,
            next_offsets: HashMap::new(),
            waiting: None,
        }
    }

    /// The next records; nothing at the end.
    pub(super) fn next_batch(&mut self) -> Result<Option<Batch>> {
        let first = match self.waiting.take() {
            Some(record) => record,
            None => match self.next_record()? {
                Some(record) => record,
                None => return Ok(None),
            },
        };
        let topic = self.sources.get(first.source as usize).map(|source| Arc::from(source.topic.as_str()));
        let mut batch = Batch { topic: topic.unwrap_or_default(), partition: first.partition, ..Batch::default() };
        push(&mut batch, &first);
        while batch.len() < self.most_records {
            let Some(record) = self.next_record()? else { break };
            let is_next = (record.source, record.partition) == (first.source, first.partition)
                && batch.offsets.last().is_some_and(|&last| last < record.offset)
                && batch.bytes() + record.bytes() <= self.most_bytes;
            if !is_next {
                self.waiting = Some(record);
                break;
            }
            push(&mut batch, &record);
        }
        Ok(Some(batch))
    }

    fn next_record(&mut self) -> Result<Option<Record>> {
        let mut line = Vec::new();
        let read = self.input.by_ref().take(LONGEST_LINE as u64 + 1).read_until(b'\n', &mut line);
        if read.with_context(|| format!("failed to read line {} of the records", self.line + 1))? == 0 {
            return Ok(None);
        }
        self.line += 1;
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        ensure!(
            line.len() <= LONGEST_LINE,
            "line {} of the records is longer than {} MiB",
            self.line,
            LONGEST_LINE >> 20
        );
        let record = match self.format {
            Format::Value => self.record(Envelope::default()).map(|record| Record { value: Some(line), ..record }),
            Format::Envelope => envelope(&line).and_then(|envelope| self.record(envelope)),
        };
        record.map(Some).with_context(|| format!("line {} of the records", self.line))
    }

    fn record(&mut self, envelope: Envelope) -> Result<Record> {
        let source = match &envelope.topic {
            None => 0,
            Some(topic) => {
                let topics = || self.sources.iter().map(|source| source.topic.as_str()).collect::<Vec<_>>().join(", ");
                let source = self.sources.iter().position(|source| source.topic == *topic);
                source.with_context(|| format!("the job reads no topic {topic:?}; it reads {}", topics()))? as u32
            }
        };
        let next = self.next_offsets.entry((source, envelope.partition)).or_default();
        let offset = envelope.offset.unwrap_or(*next);
        *next = offset.saturating_add(1);
        Ok(Record {
            source,
            partition: envelope.partition,
            offset,
            timestamp: envelope.timestamp.unwrap_or(-1),
            key: bytes("key", envelope.key, envelope.key_base64)?,
            value: bytes("value", envelope.value, envelope.value_base64)?,
            headers: envelope.headers,
        })
    }
}

impl Record {
    /// As [`Batch::bytes`] counts them.
    fn bytes(&self) -> usize {
        let of = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, String::len));
        of(&self.key) + of(&self.value) + headers.sum::<usize>()
    }
}

fn envelope(line: &[u8]) -> Result<Envelope> {
    serde_json::from_slice(line).context(
        "not an envelope: it must be a JSON object with key, value, key_base64, value_base64, headers, timestamp, \
         partition, offset or topic",
    )
}

fn bytes(name: &str, text: Option<String>, base64: Option<String>) -> Result<Option<Vec<u8>>> {
    ensure!(text.is_none() || base64.is_none(), "it has both {name} and {name}_base64");
    match base64 {
        None => Ok(text.map(String::into_bytes)),
        Some(base64) => {
            BASE64_STANDARD.decode(base64).map(Some).with_context(|| format!("{name}_base64 is not base64"))
        }
    }
}

fn push(batch: &mut Batch, record: &Record) {
    batch.offsets.push(record.offset);
    batch.timestamps.push(record.timestamp);
    batch.keys.push(record.key.as_deref());
    batch.values.push(record.value.as_deref());
    for (name, value) in &record.headers {
        batch.headers.push(name.as_bytes(), value.as_ref().map(String::as_bytes));
    }
    batch.headers.end_record();
}
