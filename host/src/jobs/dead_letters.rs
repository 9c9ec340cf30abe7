//! The dead letters of a host's jobs: list, show, redrive, purge.
//!
//! They outlive their jobs, so all but redrive work for a cancelled job as well. One redrive or purge of a job at a time on
//! a host: another one is refused meanwhile. Between hosts the later redrive wins, and the earlier one ends.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::submit::blocking;
use super::{Jobs, no_such_job};
use crate::api::types::Problem;
use crate::api::types::dead_letters::{
    DeadLetter, DeadLetterList, ListDeadLetters, Purge, Purged, Redrive, Redriven, Which,
};
use crate::pipeline::redrive;
use pelton_connect::letters::{Letters, purge};
use pelton_model::name::check_name;
use pelton_model::sync::lock;

/// The redrives and purges of a host.
#[derive(Debug, Default)]
pub(super) struct Redrives {
    /// The jobs that have one.
    busy: Mutex<BTreeSet<String>>,
    stop: AtomicBool,
}

impl Redrives {
    /// Makes every redrive end after what it has in flight, or before that where a sink is down.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    fn enter(&self, job: &str) -> Result<Turn<'_>, Problem> {
        if lock(&self.busy).insert(job.to_owned()) {
            return Ok(Turn { redrives: self, job: job.to_owned() });
        }
        let title = format!("the dead letters of {job:?} are being redriven or purged already");
        Err(Problem::new(409, "busy", title, "one redrive or purge of a job runs at a time")
            .fix("try again when it is done"))
    }
}

/// One job's turn; it ends when this is dropped.
struct Turn<'a> {
    redrives: &'a Redrives,
    job: String,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.redrives.busy).remove(&self.job);
    }
}

impl Jobs {
    /// The newest dead letters that fit, and counts of all of them.
    pub async fn dead_letters(
        self: &Arc<Self>,
        job: String,
        request: ListDeadLetters,
    ) -> Result<DeadLetterList, Problem> {
        let jobs = Arc::clone(self);
        blocking(move || Ok(jobs.letters(&job)?.list(&request)?)).await
    }

    /// One dead letter, whole.
    pub async fn dead_letter(self: &Arc<Self>, job: String, which: Which) -> Result<DeadLetter, Problem> {
        let jobs = Arc::clone(self);
        blocking(move || Ok(jobs.letters(&job)?.show(&which)?)).await
    }

    /// Sends dead letters through the job's present version. Goes on to its end also when nobody waits for the answer.
    pub async fn redrive(self: &Arc<Self>, job: String, request: Redrive) -> Result<Redriven, Problem> {
        let jobs = Arc::clone(self);
        blocking(move || {
            let letters = jobs.letters(&job)?;
            if !lock(&jobs.supervised).contains_key(&job) {
                let title = format!("the job {job:?} is not submitted, so nothing can be redriven through it");
                return Err(Problem::new(409, "not-submitted", title, "its dead letters are kept")
                    .fix("submit it again, then redrive"));
            }
            let _turn = jobs.redrives.enter(&job)?;
            Ok(redrive::redrive(&jobs.running(&job)?, &letters, &request, &jobs.redrives.stop)?)
        })
        .await
    }

    /// Deletes dead letters.
    pub async fn purge(self: &Arc<Self>, job: String, request: Purge) -> Result<Purged, Problem> {
        let jobs = Arc::clone(self);
        blocking(move || {
            let _turn = jobs.redrives.enter(&job)?;
            let letters = jobs.letters(&job)?;
            Ok(purge::purge(&letters, &request)?)
        })
        .await
    }

    /// The letters of a job; refused where there never was such a job.
    fn letters(&self, job: &str) -> Result<Letters, Problem> {
        // The name becomes a topic's and a folder's.
        if check_name(job).is_err() {
            return Err(no_such_job(job));
        }
        let letters = Letters::open(&**self.surroundings.connectors.letters(), &self.surroundings.letters(), job)?;
        if !letters.exist() && !lock(&self.supervised).contains_key(job) {
            return Err(no_such_job(job));
        }
        Ok(letters)
    }
}
