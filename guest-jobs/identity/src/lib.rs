//! Passes every record of `sensors` on to `alerts`. In benchmarks it shows what the host itself costs.

use pelton_job::{Error, Job, Outputs, Parameters, Record, Reject, Sink, Spec};

const ALERTS: Sink = Sink::topic("alerts");

/// The job.
pub struct Identity;

impl Job for Identity {
    fn spec() -> Spec {
        Spec::new("identity", env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_DESCRIPTION")).source("sensors").sink(ALERTS)
    }

    fn configure(_: &Parameters) -> Result<Self, Error> {
        Ok(Self)
    }

    fn process(&mut self, _: &Record<'_>, out: &mut Outputs) -> Result<(), Reject> {
        out.forward(&ALERTS);
        Ok(())
    }
}

pelton_job::export!(Identity);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_is_forwarded() {
        let run = pelton_job::testing::run::<Identity>(&[], ["a", "", "c"]).unwrap();
        assert_eq!(run.forwards(&ALERTS), [0, 1, 2]);
        assert_eq!(run.rejects(), []);
    }
}
