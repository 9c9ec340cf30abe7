//! `sensor_alerts` without Wasm: the same parsing, in the same pipeline, on the host's own heap.

use std::sync::Arc;

use pelton::engine::{Failure, Host, Process, Program};
use pelton::record::{Batch, Messages, Outcome, Output, Reject};
use pelton::spec::{Sink, Source, Spec, Target};
use sensors::Reading;

const THRESHOLD: f64 = 30.0;

/// The program.
pub(crate) struct Filter(Arc<Spec>);

impl Filter {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Spec {
            name: "native".to_owned(),
            version: "0".to_owned(),
            sources: vec![Source { topic: super::SOURCE.to_owned(), headers: false }],
            sinks: vec![Sink { name: super::SINK.to_owned(), target: Target::Topic(super::SINK.to_owned()) }],
            ..Spec::default()
        }))
    }
}

struct Instance {
    alert: String,
}

impl Program for Filter {
    fn spec(&self) -> &Arc<Spec> {
        &self.0
    }

    fn instantiate(&self, _: &[(String, String)], _: Arc<dyn Host>) -> Result<Box<dyn Process>, Failure> {
        Ok(Box::new(Instance { alert: String::new() }))
    }
}

impl Process for Instance {
    fn process(&mut self, batch: &Batch) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::default();
        let mut messages = Messages::default();
        for i in 0..batch.len() {
            let index = i as u32;
            let text = std::str::from_utf8(batch.values.get(i).unwrap_or_default()).unwrap_or_default();
            match Reading::parse(text) {
                Err(reason) => outcome.rejects.push(Reject { index, reason }),
                Ok(reading) if reading.temperature > THRESHOLD => {
                    self.alert.clear();
                    reading.write_alert(&mut self.alert).map_err(|error| Failure::Error(error.to_string()))?;
                    messages.origin.push(index);
                    messages.keys.push(batch.keys.get(i));
                    messages.values.push(Some(self.alert.as_bytes()));
                }
                Ok(_) => {}
            }
        }
        outcome.outputs.push(Output::Messages { sink: 0, messages });
        Ok(outcome)
    }
}

/// How many of the readings are alerts.
pub(crate) fn expected_alerts(readings: &[String]) -> u64 {
    let hot = |text: &&String| Reading::parse(text).is_ok_and(|reading| reading.temperature > THRESHOLD);
    readings.iter().filter(hot).count() as u64
}
