//! The article's `postgres_sink.py`: every reading becomes a row of `raw_sensors_data`, readings above a temperature
//! become alerts too.

use pelton_job::{
    Column, Conflict, Error, Job, Outputs, Parameters, Record, Reject, Sink, Spec, Type,
};
use sensors::Reading;

const ALERTS: Sink = Sink::topic("alerts");
const READINGS: Sink = Sink::table(
    "raw_sensors_data",
    &[
        Column::new("message_id", Type::Varchar),
        Column::new("sensor_id", Type::Int4),
        Column::new("message", Type::Text),
        Column::new("timestamp", Type::Timestamptz),
    ],
    Conflict::Ignore(&["message_id"]),
);

/// The job.
pub struct SensorPipeline {
    threshold: f64,
    alert: String,
}

impl Job for SensorPipeline {
    fn spec() -> Spec {
        Spec::new(
            "sensor_pipeline",
            env!("CARGO_PKG_VERSION"),
            env!("CARGO_PKG_DESCRIPTION"),
        )
        .source("sensors")
        .sink(READINGS)
        .sink(ALERTS)
        .parameter(
            "threshold",
            "degrees Celsius above which a reading is an alert",
            "30",
        )
    }

    fn configure(parameters: &Parameters) -> Result<Self, Error> {
        Ok(Self {
            threshold: parameters.get("threshold")?,
            alert: String::new(),
        })
    }

    fn process(&mut self, record: &Record<'_>, out: &mut Outputs) -> Result<(), Reject> {
        let reading = Reading::parse(record.text()?)?;
        let row = [
            (&*reading.message_id).into(),
            reading.sensor_id.into(),
            (&*reading.message).into(),
            reading.microseconds.into(),
        ];
        out.row(&READINGS, &row);
        if reading.temperature > self.threshold {
            self.alert.clear();
            reading.write_alert(&mut self.alert)?;
            out.send(&ALERTS, record.key(), Some(self.alert.as_bytes()), &[]);
        }
        Ok(())
    }
}

pelton_job::export!(SensorPipeline);

#[cfg(test)]
mod tests {
    use super::*;
    use pelton_job::Value;

    const HOT: &str = r#"{"message_id": "hot", "sensor_id": 34, "message": {"temperature": 30.5, "pressure": 950.0}, "timestamp": "2024-05-02T10:11:12.5+00:00"}"#;
    const COLD: &str = r#"{"message_id":"cold","sensor_id":1,"message":{"temperature":15},"timestamp":"2024-05-02T12:11:12+02:00"}"#;

    #[test]
    fn every_reading_is_a_row_and_hot_ones_are_alerts() {
        let run = pelton_job::testing::run::<SensorPipeline>(&[], [COLD, "{}", HOT]).unwrap();
        let cold = vec![
            Value::Text("cold"),
            Value::Int4(1),
            Value::Text(r#"{"temperature": 15}"#),
            Value::Int8(1_714_644_672_000_000),
        ];
        let hot = vec![
            Value::Text("hot"),
            Value::Int4(34),
            Value::Text(r#"{"temperature": 30.5, "pressure": 950.0}"#),
            Value::Int8(1_714_644_672_500_000),
        ];
        assert_eq!(run.rows(&READINGS), [(0, cold), (2, hot)]);
        let alerts: Vec<_> = run
            .messages(&ALERTS)
            .iter()
            .map(|message| message.origin)
            .collect();
        assert_eq!(alerts, [2]);
        assert_eq!(run.rejects(), [(1, "missing field `message_id` in value")]);
    }
}
