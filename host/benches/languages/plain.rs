//! `sensor_pipeline` as one writes it in native Rust who thinks of nothing but the task: types with serde, and chrono.

use chrono::{DateTime, Utc};
use pelton::engine::{Failure, Process};
use pelton::record::{Batch, Column, ColumnData, Messages, Outcome, Output, Packed, Reject, Rows};
use serde::{Deserialize, Serialize};

const THRESHOLD: f64 = 30.0;

#[derive(Deserialize)]
struct Reading {
    message_id: String,
    sensor_id: i32,
    message: Measured,
    timestamp: DateTime<Utc>,
}

#[derive(Deserialize, Serialize)]
struct Measured {
    temperature: f64,
    pressure: f64,
    vibration: f64,
}

#[derive(Serialize)]
struct Alert<'a> {
    message_id: &'a str,
    sensor_id: i32,
    temperature: f64,
    alert: &'a str,
    timestamp: DateTime<Utc>,
}

/// The job; it has no settings and no state.
pub(crate) struct Plain;

impl Plain {
    fn record(index: u32, value: &[u8], rows: &mut Table, alerts: &mut Messages) -> serde_json::Result<()> {
        let reading: Reading = serde_json::from_slice(value)?;
        rows.origin.push(index);
        rows.ids.push(reading.message_id.as_bytes());
        rows.sensors.push(reading.sensor_id);
        rows.messages.push(&serde_json::to_vec(&reading.message)?);
        rows.times.push(reading.timestamp.timestamp_micros());
        if reading.message.temperature > THRESHOLD {
            let alert = Alert {
                message_id: &reading.message_id,
                sensor_id: reading.sensor_id,
                temperature: reading.message.temperature,
                alert: "High temperature detected",
                timestamp: reading.timestamp,
            };
            alerts.origin.push(index);
            alerts.keys.push(None);
            alerts.values.push(Some(&serde_json::to_vec(&alert)?));
        }
        Ok(())
    }
}

#[derive(Default)]
struct Table {
    origin: Vec<u32>,
    ids: Packed,
    sensors: Vec<i32>,
    messages: Packed,
    times: Vec<i64>,
}

impl Process for Plain {
    fn process(&mut self, batch: &Batch) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::default();
        let (mut rows, mut alerts) = (Table::default(), Messages::default());
        for (i, index) in (0..batch.len()).zip(0..) {
            let value = batch.values.get(i).unwrap_or_default();
            if let Err(error) = Self::record(index, value, &mut rows, &mut alerts) {
                outcome.rejects.push(Reject { index, reason: error.to_string() });
            }
        }
        let column = |data| Column { validity: Vec::new(), data };
        let columns = vec![
            column(ColumnData::Packed(rows.ids)),
            column(ColumnData::Int32s(rows.sensors)),
            column(ColumnData::Packed(rows.messages)),
            column(ColumnData::Int64s(rows.times)),
        ];
        outcome.outputs.push(Output::Messages { sink: 0, messages: alerts });
        outcome.outputs.push(Output::Rows { sink: 1, rows: Rows { origin: rows.origin, columns } });
        Ok(outcome)
    }
}
