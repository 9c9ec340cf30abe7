//! One instance of a job: takes batches as the contract hands them over, and answers in kind. Used by [`crate::export!`]
//! and by the tests.

use crate::{
    Job, Outputs, Parameters,
    bindings::pelton::job::types::{self as wit, Batch, Outcome},
    numbers::Number,
};
use std::cell::{Cell, RefCell};

std::thread_local! {
    /// Partition and offset of the record at hand, for the message of a panic.
    static AT: Cell<Option<(i32, i64)>> = const { Cell::new(None) };
}

/// A configured job.
pub(crate) struct Runner<J> {
    job: J,
    out: Outputs,
}

impl<J: Job> Runner<J> {
    pub(crate) fn new(parameters: Vec<(String, String)>) -> Result<Self, String> {
        let job = J::configure(&Parameters(parameters)).map_err(|error| error.0)?;
        Ok(Self { job, out: Outputs::new(&J::spec().sinks) })
    }

    pub(crate) fn process(&mut self, batch: &Batch) -> Result<Outcome, String> {
        let mut rejects = Vec::new();
        let records = i64::count(&batch.offsets);
        for (index, position) in (0..records).zip(0..) {
            self.out.turn_to(position, records);
            let record = crate::Record { batch, index };
            AT.set(Some((record.partition(), record.offset())));
            if let Err(reject) = self.job.process(&record, &mut self.out) {
                rejects.push(wit::Reject { index: position, reason: reject.0 });
            }
            if let Some(mistake) = self.out.take_mistake() {
                self.out.finish();
                return Err(format!("{mistake} (at offset {})", record.offset()));
            }
        }
        AT.set(None);
        Ok(Outcome { outputs: self.out.finish(), rejects })
    }
}

/// The place of the one job of a component.
pub struct Slot<J>(RefCell<Option<Runner<J>>>);

impl<J: Job> Slot<J> {
    /// Before `configure`.
    pub const fn empty() -> Self {
        Self(RefCell::new(None))
    }

    /// `task.configure`
    ///
    /// # Errors
    /// The job's own.
    pub fn configure(&self, parameters: Vec<(String, String)>) -> Result<(), String> {
        log_panics();
        *self.0.borrow_mut() = Some(Runner::new(parameters)?);
        Ok(())
    }

    /// `task.process`
    ///
    /// # Errors
    /// A mistake of the job in its outputs, or no `configure` before.
    pub fn process(&self, batch: &Batch) -> Result<Outcome, String> {
        match &mut *self.0.borrow_mut() {
            Some(runner) => runner.process(batch),
            None => Err("process was called before configure succeeded".to_owned()),
        }
    }
}

/// `task.describe`
pub fn describe<J: Job>() -> wit::Spec {
    log_panics();
    J::spec().into()
}

/// A panic is a bare trap to the host: let the job's log say on which record, why and where. The host takes the last
/// error line before a trap as its reason.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let mut text = match AT.get() {
            Some((partition, offset)) => {
                format!("record at partition {partition} offset {offset}: panicked")
            }
            None => "panicked".to_owned(),
        };
        if let Some(place) = panic.location() {
            text += &format!(" at {place}");
        }
        text += ": ";
        text += panic.payload_as_str().unwrap_or("no message");
        crate::log::error(&text);
    }));
}
