//! What must come of records, judged by their bytes and not by the kind that the generator meant. Shares no code with
//! the jobs: a general JSON parser, chrono for times, and printing of its own.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Record;

/// What must come of records.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Expected {
    /// The rows of `raw_sensors_data`, by message id.
    pub(crate) rows: BTreeMap<String, Row>,
    /// The values in `alerts`, and how often each of the two jobs writes it if nothing fails.
    pub(crate) alerts: BTreeMap<String, usize>,
    /// The indices of records that both jobs reject.
    pub(crate) rejected: BTreeSet<usize>,
    /// The indices of records whose rows Postgres refuses: dead letters of `sensor_pipeline` only. Alerts of them are
    /// sent all the same.
    pub(crate) refused: BTreeSet<usize>,
}

/// A row of `raw_sensors_data` apart from its key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) sensor_id: i32,
    pub(crate) message: String,
    pub(crate) timestamp: DateTime<Utc>,
}

/// What the jobs must make of these records.
pub(crate) fn expected(records: &[Record]) -> Expected {
    let mut expected = Expected::default();
    for (index, record) in records.iter().enumerate() {
        let Some(judged) = record.value.as_deref().and_then(judge) else {
            expected.rejected.insert(index);
            continue;
        };
        if let Some(alert) = judged.alert {
            *expected.alerts.entry(alert).or_default() += 1;
        }
        if judged.message_id.chars().count() > 255 {
            expected.refused.insert(index);
        } else {
            // The first one stays.
            expected.rows.entry(judged.message_id).or_insert(judged.row);
        }
    }
    expected
}

struct Judged {
    message_id: String,
    row: Row,
    alert: Option<String>,
}

/// What comes of a value; `None` where it is no reading.
fn judge(value: &[u8]) -> Option<Judged> {
    let value: Value = serde_json::from_str(str::from_utf8(value).ok()?).ok()?;
    let message = value.get("message")?.as_object()?;
    let message_id = value.get("message_id")?.as_str()?;
    let sensor_id = i32::try_from(value.get("sensor_id")?.as_i64()?).ok()?;
    let temperature = message.get("temperature")?.as_f64()?;
    let time = value.get("timestamp")?.as_str()?;
    let timestamp = DateTime::parse_from_rfc3339(time).ok()?.to_utc();
    let has_nul = |value: &Value| value.as_str().is_some_and(|text| text.contains('\0'));
    if message_id.contains('\0') || message.values().any(has_nul) {
        return None;
    }
    // The generator keeps the article's order of fields, and its strings are plain.
    let inner: Vec<String> = ["temperature", "pressure", "vibration", "note"]
        .iter()
        .filter_map(|name| Some(format!("\"{name}\": {}", message.get(*name)?)))
        .collect();
    assert_eq!(inner.len(), message.len(), "the checker knows every field that is generated");
    let alert = (temperature > 30.0).then(|| {
        format!(
            "{{\"message_id\": \"{message_id}\", \"sensor_id\": {sensor_id}, \"temperature\": {temperature:?}, \
             \"alert\": \"High temperature detected\", \"timestamp\": \"{time}\"}}"
        )
    });
    let row = Row { sensor_id, message: format!("{{{}}}", inner.join(", ")), timestamp };
    Some(Judged { message_id: message_id.to_owned(), row, alert })
}
