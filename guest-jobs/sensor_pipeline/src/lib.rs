//! The article's `postgres_sink.py`: every reading becomes a row of `raw_sensors_data`, readings above a temperature
//! become alerts too.

use pelton_job::{
    Column, Conflict, Error, Job, Outputs, Parameters, Record, Reject, Sink, Spec, Type, json::Paths, python::Object,
};

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
const READING: Paths<5> = Paths::new(["message_id", "sensor_id", "message", "message.temperature", "timestamp"]);

struct SensorPipeline(f64);

impl Job for SensorPipeline {
    fn spec() -> Spec {
        Spec::new("sensor_pipeline", "0.1.0", env!("CARGO_PKG_DESCRIPTION"))
            .source("sensors")
            .sink(READINGS)
            .sink(ALERTS)
            .parameter("threshold", "degrees Celsius above which a reading is an alert", "30")
    }

    fn configure(parameters: &Parameters) -> Result<Self, Error> {
        Ok(Self(parameters.get("threshold")?))
    }

    fn process(&mut self, record: &Record<'_>, out: &mut Outputs) -> Result<(), Reject> {
        let [id, sensor, message, temperature, time] = record.fields(&READING)?;
        let (id, sensor, message) = (id.text()?, sensor.int4()?, message.object()?);
        let (temperature, microseconds) = (temperature.float8()?, time.timestamptz()?);
        let row = [(&*id).into(), sensor.into(), (&*message).into(), microseconds.into()];
        out.row(&READINGS, &row);
        if temperature > self.0 {
            let alert = Object::new()
                .text("message_id", &id)
                .int("sensor_id", sensor)
                .float("temperature", temperature)
                .text("alert", "High temperature detected")
                .text("timestamp", &time.text()?)
                .finish();
            out.send(&ALERTS, record.key(), Some(&alert), &[]);
        }
        Ok(())
    }
}

pelton_job::export!(SensorPipeline);

#[cfg(test)]
mod tests;
