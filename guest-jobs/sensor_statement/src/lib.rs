//! Every reading through the statement of the article's JdbcSink. It says what to do with a message that comes twice,
//! which the article's did not: there it ended the job.

use pelton_job::{Error, Job, Outputs, Parameters, Record, Reject, Sink, Spec, Type, json::Paths};

const READINGS: Sink = Sink::statement(
    "readings",
    "INSERT INTO raw_sensors_data (message_id, sensor_id, message, timestamp) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
    &[Type::Varchar, Type::Int4, Type::Text, Type::Timestamptz],
);

const READING: Paths<5> = Paths::new(["message_id", "sensor_id", "message", "message.temperature", "timestamp"]);

struct SensorStatement;

impl Job for SensorStatement {
    fn spec() -> Spec {
        Spec::new("sensor_statement", "0.1.0", env!("CARGO_PKG_DESCRIPTION")).source("sensors").sink(READINGS)
    }

    fn configure(_: &Parameters) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process(&mut self, record: &Record<'_>, out: &mut Outputs) -> Result<(), Reject> {
        let [id, sensor, message, temperature, time] = record.fields(&READING)?;
        let (id, message) = (id.text()?, message.object()?);
        temperature.float8()?;
        let row = [(&*id).into(), sensor.int4()?.into(), (&*message).into(), time.timestamptz()?.into()];
        out.row(&READINGS, &row);
        Ok(())
    }
}

pelton_job::export!(SensorStatement);

#[cfg(test)]
mod tests;
