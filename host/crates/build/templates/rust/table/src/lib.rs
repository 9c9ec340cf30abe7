//! Writes each reading to a table of Postgres.

use pelton_job::{
    Column, Conflict, Error, Job, Outputs, Parameters, Record, Reject, Sink, Spec, Type, json::Paths,
};

const READINGS: Sink = Sink::table(
    "readings",
    &[
        Column::new("message_id", Type::Text),
        Column::new("sensor_id", Type::Int4),
        Column::new("temperature", Type::Float8),
        Column::new("message", Type::Jsonb),
        Column::new("timestamp", Type::Timestamptz),
    ],
    Conflict::Ignore(&["message_id"]),
);

const READING: Paths<5> = Paths::new(["message_id", "sensor_id", "message.temperature", "message", "timestamp"]);

struct Readings;

impl Job for Readings {
    fn spec() -> Spec {
        Spec::new("{{name}}", env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_DESCRIPTION"))
            .source("sensors")
            .sink(READINGS)
    }

    fn configure(_: &Parameters) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process(&mut self, record: &Record<'_>, out: &mut Outputs) -> Result<(), Reject> {
        let [id, sensor, temperature, message, timestamp] = record.fields(&READING)?;
        let (id, message) = (id.text()?, message.object()?);
        let row = [
            (&*id).into(),
            sensor.int4()?.into(),
            temperature.float8()?.into(),
            (&*message).into(),
            timestamp.timestamptz()?.into(),
        ];
        out.row(&READINGS, &row);
        Ok(())
    }
}

pelton_job::export!(Readings);

#[cfg(test)]
mod tests;
