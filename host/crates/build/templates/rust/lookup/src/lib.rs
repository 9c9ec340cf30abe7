//! Adds to each reading the site of its sensor, which a parameter says.

use std::collections::BTreeMap;

use pelton_job::{Error, Job, Outputs, Parameters, Record, Reject, Sink, Spec, json::Paths};
use serde_json::json;

const LOCATED: Sink = Sink::topic("located");

const READING: Paths<2> = Paths::new(["sensor_id", "message.temperature"]);

struct Located {
    sites: BTreeMap<i32, String>,
}

impl Job for Located {
    fn spec() -> Spec {
        Spec::new("{{name}}", env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_DESCRIPTION"))
            .source("sensors")
            .sink(LOCATED)
            .required_parameter("sites", "a JSON object: the site of each sensor")
    }

    fn configure(parameters: &Parameters) -> Result<Self, Error> {
        let sites: String = parameters.get("sites")?;
        let sites = serde_json::from_str(&sites).map_err(|error| format!("parameter `sites`: {error}"))?;
        Ok(Self { sites })
    }

    fn process(&mut self, record: &Record<'_>, out: &mut Outputs) -> Result<(), Reject> {
        let [sensor, temperature] = record.fields(&READING)?;
        let (sensor, temperature) = (sensor.int4()?, temperature.float8()?);
        let site = self.sites.get(&sensor).ok_or_else(|| format!("sensor {sensor} has no site"))?;
        let located = json!({ "sensor_id": sensor, "site": site, "temperature": temperature }).to_string();
        out.send(&LOCATED, record.key(), Some(located.as_bytes()), &[]);
        Ok(())
    }
}

pelton_job::export!(Located);

#[cfg(test)]
mod tests;
