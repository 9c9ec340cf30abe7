//! From the job's answer to the sinks: each output to the one that it names, each reject to the dead letters.

use std::sync::Arc;

use pelton_connect::outputs::Made;
use pelton_connect::{Error, Outputs, Report};
use pelton_delivery::delivery::Delivery;
use pelton_model::record::Outcome;
use pelton_model::spec;
use pelton_model::stage::Stage;

/// The sinks of one instance.
///
/// A sink that two versions declare alike is handed on as it is, with all that waits in it, so order is kept. One that
/// the new version no longer has writes what it was given and is then closed.
#[derive(Debug)]
pub struct Router {
    instance: usize,
    outputs: Outputs,
    report: Report,
    /// In the order of declaration.
    sinks: Vec<Made>,
    /// Those of versions before, while they write what they were given.
    retired: Vec<Made>,
}

impl Router {
    /// The router of an instance, with these sinks.
    ///
    /// # Errors
    /// A sink can't be made.
    pub fn new(instance: usize, outputs: &Outputs, report: &Report, sinks: &[spec::Sink]) -> Result<Self, Error> {
        let made = outputs.sinks(instance, sinks, &mut Vec::new())?;
        Ok(Self { instance, outputs: outputs.clone(), report: report.clone(), sinks: made, retired: Vec::new() })
    }

    /// Takes other sinks from now on.
    ///
    /// # Errors
    /// One can't be made; the router has none then.
    pub fn change(&mut self, sinks: &[spec::Sink]) -> Result<(), Error> {
        let mut had = std::mem::take(&mut self.sinks);
        self.sinks = self.outputs.sinks(self.instance, sinks, &mut had)?;
        self.retired.retain(|(_, sink)| !sink.has_ended());
        had.iter().for_each(|(_, sink)| sink.retire());
        self.retired.append(&mut had);
        Ok(())
    }

    /// Hands everything over; never waits for a sink. The caller holds an acknowledgement of the delivery meanwhile.
    pub fn route(&self, delivery: &Arc<Delivery>, outcome: Outcome) {
        self.report.metrics.rejects.inc_by(outcome.rejects.len() as u64);
        for reject in &outcome.rejects {
            self.give_up(delivery, reject.index, Stage::Reject, &reject.reason);
        }
        for output in outcome.outputs {
            match self.sinks.get(output.sink() as usize) {
                Some((_, sink)) => sink.write(delivery, output),
                // The check of the answer leaves none.
                None => self.report.fault.set(format!("an output for sink {} that it does not take", output.sink())),
            }
        }
    }

    /// Sends record `index` to the dead letters.
    pub fn give_up(&self, delivery: &Arc<Delivery>, index: u32, stage: Stage, reason: &str) {
        self.outputs.letters().send(delivery, index, stage, reason);
    }

    /// Says why the attempt can't go on.
    pub fn fail(&self, reason: String) {
        self.report.fault.set(reason);
    }
}
