//! Turns of redrives and purges: one of a job at a time on a host.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use pelton_model::sync::lock;

use crate::error::Error;

/// The redrives and purges of a host.
#[derive(Debug, Default)]
pub(crate) struct Redrives {
    /// The jobs that have one.
    busy: Mutex<BTreeSet<String>>,
    /// Whether all are to end.
    pub(crate) stop: AtomicBool,
}

impl Redrives {
    /// Makes every redrive end after what it has in flight, or before that where a sink is down.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    pub(crate) fn enter(&self, job: &str) -> Result<Turn<'_>, Error> {
        let is_free = lock(&self.busy).insert(job.to_owned());
        if is_free { Ok(Turn { redrives: self, job: job.to_owned() }) } else { Err(Error::Busy(job.to_owned())) }
    }
}

/// One job's turn; it ends when this is dropped.
pub(crate) struct Turn<'a> {
    redrives: &'a Redrives,
    job: String,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.redrives.busy).remove(&self.job);
    }
}
