//! Alerts on readings above a temperature: the filter of the article's job. It rejects what `sensor_pipeline` does.

use pelton_job::{Error, Job, Outputs, Parameters, Record, Reject, Sink, Spec, json::Paths, python::Object};

const ALERTS: Sink = Sink::topic("alerts");
const READING: Paths<5> = Paths::new(["message_id", "sensor_id", "message", "message.temperature", "timestamp"]);
struct SensorAlerts(f64);

impl Job for SensorAlerts {
    fn spec() -> Spec {
        Spec::new("sensor_alerts", "0.1.0", env!("CARGO_PKG_DESCRIPTION")).source("sensors").sink(ALERTS).parameter(
            "threshold",
            "degrees Celsius above which a reading is an alert",
            "30",
        )
    }

    fn configure(parameters: &Parameters) -> Result<Self, Error> {
        Ok(Self(parameters.get("threshold")?))
    }

    fn process(&mut self, record: &Record<'_>, out: &mut Outputs) -> Result<(), Reject> {
        let [id, sensor, message, temperature, time] = record.fields(&READING)?;
        let (id, sensor, _) = (id.text()?, sensor.int4()?, message.object()?);
        let (temperature, _) = (temperature.float8()?, time.timestamptz()?);
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

pelton_job::export!(SensorAlerts);

#[cfg(test)]
mod tests;
