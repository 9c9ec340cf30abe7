//! Passes each reading on to the topic that its temperature says.

use pelton_job::{Error, Job, Outputs, Parameters, Record, Reject, Sink, Spec, json::Paths};

const HOT: Sink = Sink::topic("hot");
const MILD: Sink = Sink::topic("mild");
const COLD: Sink = Sink::topic("cold");

const READING: Paths<1> = Paths::new(["message.temperature"]);

struct ByTemperature {
    hot: f64,
    cold: f64,
}

impl Job for ByTemperature {
    fn spec() -> Spec {
        Spec::new("{{name}}", env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_DESCRIPTION"))
            .source("sensors")
            .sink(HOT)
            .sink(MILD)
            .sink(COLD)
            .parameter("hot", "degrees Celsius above which a reading is hot", "30")
            .parameter("cold", "degrees Celsius below which it is cold", "10")
    }

    fn configure(parameters: &Parameters) -> Result<Self, Error> {
        let (hot, cold) = (parameters.get("hot")?, parameters.get("cold")?);
        if cold > hot {
            return Err("`cold` is above `hot`".into());
        }
        Ok(Self { hot, cold })
    }

    fn process(&mut self, record: &Record<'_>, out: &mut Outputs) -> Result<(), Reject> {
        let [temperature] = record.fields(&READING)?;
        let topic = match temperature.float8()? {
            celsius if celsius > self.hot => HOT,
            celsius if celsius < self.cold => COLD,
            _ => MILD,
        };
        out.forward(&topic);
        Ok(())
    }
}

pelton_job::export!(ByTemperature);

#[cfg(test)]
mod tests;
