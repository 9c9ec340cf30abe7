//! The end of a verb that takes as long as a job drains: what is desired is written, and done whether or not anybody
//! waits.

use std::sync::Arc;

use crate::catalog::Revision;
use pelton_delivery::clock::Clock;

use crate::error::Error;
use crate::reconciler::Reconciler;
use crate::slot::Slot;
use crate::supervisor::{Phase, Supervised};
use crate::types::{Done, JobView};

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// The job does nothing, or is to go on already.
    Held,
    /// The job has ended and all of it is forgotten.
    Gone,
}

/// The end of a verb, which may be waited for.
#[derive(Debug)]
#[must_use = "nobody sees the answer"]
pub struct Completion {
    pub(crate) reconciler: Arc<Reconciler>,
    pub(crate) slot: Arc<Slot>,
    pub(crate) supervised: Arc<Supervised>,
    pub(crate) revision: Revision,
    pub(crate) until: Until,
    /// What the verb has changed; nothing where all was so already.
    pub(crate) changed: Option<String>,
}

impl Completion {
    /// The answer, once there is one.
    pub fn answer(&self) -> Option<Result<Done, Error>> {
        if let Some(last) = self.supervised.last() {
            return Some(Ok(self.of(last.clone())));
        }
        if let Some(error) = self.slot.failure(self.revision) {
            return Some(Err(error));
        }
        let (told, does) = (self.supervised.duty.told(), self.supervised.duty.does());
        let is_held = does != Phase::Running || told == Phase::Running;
        match self.until {
            Until::Held if is_held => Some(Ok(self.of(self.supervised.view()))),
            _ if self.reconciler.is_closed() => Some(Err(Error::Stopping(self.slot.name.clone()))),
            _ => None,
        }
    }

    /// Waits for the answer in a task.
    pub async fn done(self) -> Result<Done, Error> {
        self.slot.changes.until(|| self.answer().is_some()).await;
        self.end()
    }

    /// Waits for the answer on a thread.
    pub fn wait(self, clock: &dyn Clock) -> Result<Done, Error> {
        self.slot.changes.wait(clock, || self.answer().is_some());
        self.end()
    }

    fn of(&self, job: JobView) -> Done {
        Done { job, changed: self.changed.clone(), created: Vec::new(), notice: None }
    }

    fn end(&self) -> Result<Done, Error> {
        self.answer().unwrap_or_else(|| Err(Error::Stopping(self.slot.name.clone())))
    }
}
