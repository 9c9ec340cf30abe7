//! Every reading through the statement of the article's JdbcSink. It says what to do with a message that comes twice,
//! which the article's did not: there it ended the job.

use pelton_job::{Error, Job, Outputs, Parameters, Record, Reject, Sink, Spec, Type};
use sensors::Reading;

const READINGS: Sink = Sink::statement(
    "readings",
    "INSERT INTO raw_sensors_data (message_id, sensor_id, message, timestamp) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
    &[Type::Varchar, Type::Int4, Type::Text, Type::Timestamptz],
);

/// The job.
pub struct SensorStatement;

impl Job for SensorStatement {
    fn spec() -> Spec {
        Spec::new(
            "sensor_statement",
            env!("CARGO_PKG_VERSION"),
            env!("CARGO_PKG_DESCRIPTION"),
        )
        .source("sensors")
        .sink(READINGS)
    }

    fn configure(_: &Parameters) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process(&mut self, record: &Record<'_>, out: &mut Outputs) -> Result<(), Reject> {
        let reading = Reading::parse(record.text()?)?;
        let parameters = [
            (&*reading.message_id).into(),
            reading.sensor_id.into(),
            (&*reading.message).into(),
            reading.microseconds.into(),
        ];
        out.row(&READINGS, &parameters);
        Ok(())
    }
}

pelton_job::export!(SensorStatement);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reading_is_an_execution() {
        let reading = r#"{"message_id": "a", "sensor_id": 1, "message": {"temperature": 20.0}, "timestamp": "2024-05-02T10:11:12+00:00"}"#;
        let run = pelton_job::testing::run::<SensorStatement>(&[], [reading, "", reading]).unwrap();
        let origins: Vec<_> = run
            .rows(&READINGS)
            .into_iter()
            .map(|(origin, _)| origin)
            .collect();
        assert_eq!(origins, [0, 2]);
        assert_eq!(run.rejects(), [(1, "value is empty")]);
    }
}
