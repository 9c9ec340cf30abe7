//! Passes on the readings above a temperature.

use pelton_job::{Error, Job, Outputs, Parameters, Record, Reject, Sink, Spec};

const HOT: Sink = Sink::topic("hot");

struct HotReadings {
    above: f64,
}

impl Job for HotReadings {
    fn spec() -> Spec {
        Spec::new("{{name}}", env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_DESCRIPTION"))
            .source("sensors")
            .sink(HOT)
            .parameter("above", "degrees Celsius", "30")
    }

    fn configure(parameters: &Parameters) -> Result<Self, Error> {
        Ok(Self { above: parameters.get("above")? })
    }

    fn process(&mut self, record: &Record<'_>, out: &mut Outputs) -> Result<(), Reject> {
        let reading: serde_json::Value = serde_json::from_str(record.text()?)?;
        let temperature = reading["message"]["temperature"].as_f64().ok_or("no temperature")?;
        if temperature > self.above {
            out.forward(&HOT);
        }
        Ok(())
    }
}

pelton_job::export!(HotReadings);

#[cfg(test)]
mod tests;
