//! The last records of a job, in and out, for people to look at: off unless asked for, at most one a second, and with
//! what the settings name left out.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use pelton_model::settings::Sampling;

use pelton_model::record::{Batch, Outcome, Output};
use pelton_model::spec::Spec;
use pelton_model::sync::lock;

/// Least time between two samples.
const EVERY: Duration = Duration::from_secs(1);
/// Longest text kept of a key or value, bytes.
const LONGEST: usize = 4096;
/// Most outputs shown for one sink.
const MOST_OUTPUTS: usize = 3;
/// What stands in the place of what is left out.
const REDACTED: &str = "***";

/// A record and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Sample {
    /// When it was taken.
    pub at: DateTime<Utc>,
    /// The record's topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key and value, as text.
    #[serde(rename = "in")]
    pub input: SampleText,
    /// What the job made of it.
    pub out: Vec<SampleOut>,
    /// Why the job rejected it, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
}

/// A key and a value as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SampleText {
    /// The key.
    pub key: Option<String>,
    /// The value.
    pub value: Option<String>,
}

/// One output of a sampled record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SampleOut {
    /// The sink's name.
    pub sink: String,
    /// The message's value, or the row as JSON.
    pub value: String,
}

#[derive(Debug, Default)]
struct Ring {
    last: Option<Instant>,
    samples: VecDeque<Sample>,
}

/// The kept samples of one job.
#[derive(Debug, Default)]
pub struct Samples {
    sampling: Sampling,
    ring: Mutex<Ring>,
}

impl Samples {
    /// None yet.
    pub fn new(sampling: Sampling) -> Self {
        Self { sampling, ring: Mutex::default() }
    }

    /// Whether any are kept.
    pub fn is_on(&self) -> bool {
        self.sampling.on
    }

    /// What is kept, newest last.
    pub fn get(&self) -> Vec<Sample> {
        lock(&self.ring).samples.iter().cloned().collect()
    }

    /// Looks at a batch that was handled `now`; takes its first record where the last sample is old enough.
    pub(crate) fn offer(&self, now: Instant, spec: &Spec, batch: &Batch, outcome: &Outcome) {
        let is_fresh = |last| now.saturating_duration_since(last) < EVERY;
        if !self.sampling.on || lock(&self.ring).last.is_some_and(is_fresh) {
            return;
        }
        let Some(&offset) = batch.offsets.first() else { return };
        let text = |bytes: Option<&[u8]>| bytes.map(|bytes| self.text(bytes));
        let sample = Sample {
            at: Utc::now(),
            topic: batch.topic.to_string(),
            partition: batch.partition,
            offset,
            input: SampleText { key: text(batch.keys.get(0)), value: text(batch.values.get(0)) },
            out: outcome.outputs.iter().flat_map(|output| self.outputs(spec, batch, output)).collect(),
            rejected: outcome.rejects.iter().find(|reject| reject.index == 0).map(|reject| reject.reason.clone()),
        };
        let mut ring = lock(&self.ring);
        ring.last = Some(now);
        ring.samples.push_back(sample);
        while ring.samples.len() > self.sampling.keep.max(1) {
            ring.samples.pop_front();
        }
    }

    /// What an output made of the first record.
    fn outputs(&self, spec: &Spec, batch: &Batch, output: &Output) -> Vec<SampleOut> {
        let Some(sink) = spec.sinks.get(output.sink() as usize) else { return Vec::new() };
        let firsts = output.origin().iter().enumerate().filter(|&(_, &index)| index == 0).take(MOST_OUTPUTS);
        let shown =
            |(n, _)| SampleOut { sink: sink.name.clone(), value: self.text(output.value(n, batch, sink).as_bytes()) };
        firsts.map(shown).collect()
    }

    /// Bytes as text, cut, without what is to be left out.
    fn text(&self, bytes: &[u8]) -> String {
        let mut text = match serde_json::from_slice::<serde_json::Value>(bytes) {
            Ok(mut json) if !self.sampling.redact.is_empty() => {
                redact(&mut json, &self.sampling.redact);
                json.to_string()
            }
            Err(_) if !self.sampling.redact.is_empty() => REDACTED.to_owned(),
            _ => pelton_model::record::text::text(bytes),
        };
        if text.len() > LONGEST {
            text.truncate(text.floor_char_boundary(LONGEST));
            text.push('…');
        }
        text
    }
}

fn redact(json: &mut serde_json::Value, names: &[String]) {
    match json {
        serde_json::Value::Object(members) => {
            for (name, value) in members {
                if names.contains(name) {
                    *value = REDACTED.into();
                } else {
                    redact(value, names);
                }
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| redact(item, names)),
        // A string may itself hold JSON, as the article's `message` column does.
        serde_json::Value::String(text) => {
            if let Ok(mut inner @ (serde_json::Value::Object(_) | serde_json::Value::Array(_))) =
                serde_json::from_str(text)
            {
                redact(&mut inner, names);
                *text = inner.to_string();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_left_out_at_any_depth() {
        let samples = Samples::new(Sampling { redact: vec!["id".to_owned()], ..Sampling::default() });
        let text = samples.text(br#"{"id": 7, "rows": [{"id": "x", "inner": "{\"id\":1,\"t\":2}", "t": 3}]}"#);
        assert_eq!(text, r#"{"id":"***","rows":[{"id":"***","inner":"{\"id\":\"***\",\"t\":2}","t":3}]}"#);
        assert_eq!(samples.text(b"id=7"), "***");
        assert_eq!(Samples::default().text(b"id=7"), "id=7");
    }
}
