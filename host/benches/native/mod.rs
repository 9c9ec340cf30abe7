//! `sensor_alerts` and `sensor_pipeline` without Wasm: the same parsing, in the same pipeline, on the host's own heap.

use std::borrow::Cow;
use std::sync::Arc;

use pelton::engine::{Failure, Host, Process, Program};
use pelton::record::{Batch, Column, ColumnData, Messages, Outcome, Output, Packed, Reject, Rows};
use pelton::spec::{Sink, Source, Spec, Target};
use pelton_job::json::{self, Paths};
use pelton_job::python::{self, Object};

pub(crate) const THRESHOLD: f64 = 30.0;

/// The program; with rows it is `sensor_pipeline`.
pub(crate) struct Filter {
    spec: Arc<Spec>,
    rows: bool,
}

impl Filter {
    /// With `rows`, every reading is a row as well. Only for calls of its own: the sink for the rows is not declared.
    pub(crate) fn new(rows: bool) -> Self {
        let spec = Spec {
            name: "native".to_owned(),
            version: "0".to_owned(),
            sources: vec![Source { topic: super::SOURCE.to_owned(), headers: false }],
            sinks: vec![Sink { name: super::SINK.to_owned(), target: Target::Topic(super::SINK.to_owned()) }],
            ..Spec::default()
        };
        Self { spec: Arc::new(spec), rows }
    }
}

struct Instance {
    rows: bool,
}

/// Records of these values, from an offset on, as the source hands them over.
pub(crate) fn batch(first: i64, values: impl Iterator<Item = String>) -> Batch {
    let mut batch = Batch { topic: super::SOURCE.into(), ..Batch::default() };
    for (offset, value) in (first..).zip(values) {
        batch.offsets.push(offset);
        batch.timestamps.push(1_714_644_672_000 + offset);
        batch.keys.push(None);
        batch.values.push(Some(value.as_bytes()));
        batch.headers.end_record();
    }
    batch
}

/// A reading of the article's.
pub(crate) struct Reading<'a> {
    id: Cow<'a, str>,
    sensor: i32,
    message: Cow<'a, str>,
    pub(crate) temperature: f64,
    timestamp: Cow<'a, str>,
    microseconds: i64,
}

impl<'a> Reading<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, pelton_job::Reject> {
        const PATHS: Paths<5> = Paths::new(["message_id", "sensor_id", "message", "message.temperature", "timestamp"]);
        let [id, sensor, message, temperature, time] = json::fields(text, &PATHS)?;
        Ok(Self {
            id: id.text()?,
            sensor: sensor.int4()?,
            message: message.object()?,
            temperature: temperature.float8()?,
            timestamp: time.text()?,
            microseconds: time.timestamptz()?,
        })
    }

    fn alert(&self) -> python::Text {
        Object::new()
            .text("message_id", &self.id)
            .int("sensor_id", self.sensor)
            .float("temperature", self.temperature)
            .text("alert", "High temperature detected")
            .text("timestamp", &self.timestamp)
            .finish()
    }
}

impl Program for Filter {
    fn spec(&self) -> &Arc<Spec> {
        &self.spec
    }

    fn mapped(&self, spec: Arc<Spec>) -> Arc<dyn Program> {
        Arc::new(Self { spec, rows: self.rows })
    }

    fn instantiate(&self, _: &[(String, String)], _: Arc<dyn Host>) -> Result<Box<dyn Process>, Failure> {
        Ok(Box::new(Instance { rows: self.rows }))
    }
}

impl Process for Instance {
    fn process(&mut self, batch: &Batch) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::default();
        let mut messages = Messages::default();
        let (mut origin, mut ids, mut sensors) = (Vec::new(), Packed::default(), Vec::new());
        let (mut texts, mut times) = (Packed::default(), Vec::new());
        for i in 0..batch.len() {
            let index = i as u32;
            let text = std::str::from_utf8(batch.values.get(i).unwrap_or_default()).unwrap_or_default();
            match Reading::parse(text) {
                Err(reason) => outcome.rejects.push(Reject { index, reason: reason.reason().to_owned() }),
                Ok(reading) => {
                    if self.rows {
                        origin.push(index);
                        ids.push(reading.id.as_bytes());
                        sensors.push(reading.sensor);
                        texts.push(reading.message.as_bytes());
                        times.push(reading.microseconds);
                    }
                    if reading.temperature > THRESHOLD {
                        messages.origin.push(index);
                        messages.keys.push(batch.keys.get(i));
                        messages.values.push(Some(&reading.alert()));
                    }
                }
            }
        }
        outcome.outputs.push(Output::Messages { sink: 0, messages });
        if self.rows {
            let column = |data| Column { validity: Vec::new(), data };
            let columns = vec![
                column(ColumnData::Packed(ids)),
                column(ColumnData::Int32s(sensors)),
                column(ColumnData::Packed(texts)),
                column(ColumnData::Int64s(times)),
            ];
            outcome.outputs.push(Output::Rows { sink: 1, rows: Rows { origin, columns } });
        }
        Ok(outcome)
    }
}
