//! The dead letters of a host's jobs: list, show, redrive, purge.
//!
//! They outlive their jobs, so all but redrive work for a cancelled job as well. One redrive or purge of a job at a
//! time on a host: another one is refused meanwhile. Between hosts the later redrive wins, and the earlier one ends.

use std::sync::Arc;

use pelton_connect::letters::types::{
    DeadLetter, DeadLetterList, ListDeadLetters, Purge, Purged, Redrive, Redriven, Which,
};
use pelton_connect::letters::{Letters, purge};
use pelton_model::name::check_name;
use pelton_pipeline::Job;
use pelton_pipeline::redrive::{self, RedriveJob};

use crate::error::Error;
use crate::jobs::Jobs;

impl Jobs {
    /// The newest dead letters that fit, and counts of all of them.
    pub fn dead_letters(&self, job: &str, request: &ListDeadLetters) -> Result<DeadLetterList, Error> {
        Ok(self.letters(job)?.list(request)?)
    }

    /// One dead letter, whole.
    pub fn dead_letter(&self, job: &str, which: &Which) -> Result<DeadLetter, Error> {
        Ok(self.letters(job)?.show(which)?)
    }

    /// Sends dead letters through the job's present version.
    pub fn redrive(&self, job: &str, request: &Redrive) -> Result<Redriven, Error> {
        let letters = self.letters(job)?;
        if self.find(job).is_err() {
            return Err(Error::NothingToRedriveThrough(job.to_owned()));
        }
        let _turn = self.redrives.enter(job)?;
        Ok(redrive::redrive(&self.redrive_job(job)?, &letters, request, &self.redrives.stop)?)
    }

    /// Deletes dead letters.
    pub fn purge(&self, job: &str, request: &Purge) -> Result<Purged, Error> {
        let _turn = self.redrives.enter(job)?;
        let letters = self.letters(job)?;
        Ok(purge::purge(&letters, request)?)
    }

    /// The letters of a job; refused where there never was such a job.
    fn letters(&self, job: &str) -> Result<Letters, Error> {
        // The name becomes a topic's and a folder's.
        if check_name(job).is_err() {
            return Err(Error::NoSuchJob(job.to_owned()));
        }
        let environment = &self.services.environment;
        let letters = Letters::open(&**environment.connectors.letters(), &environment.letters(), job)?;
        if !letters.exist() {
            self.find(job)?;
        }
        Ok(letters)
    }

    /// The present version of a submitted job. May compile its component.
    fn redrive_job(&self, job: &str) -> Result<RedriveJob, Error> {
        let supervised = self.find(job)?;
        let record = supervised.record();
        let component = self
            .services
            .component(&record.digest)
            .map_err(|error| Error::internal("the job's component can't be loaded", &format!("{error:#}")))?;
        let version = self.services.version(&record, &component);
        let version = version.map_err(|error| Error::UnfitParameters(format!("{error:#}")))?;
        let job = Job {
            tracer: self.services.tracer.as_ref().map(|tracer| tracer.job(&record.name, &record.group)),
            name: record.name.into(),
            host: Arc::clone(&supervised.observed.host),
            metrics: supervised.observed.metrics.clone(),
        };
        Ok(RedriveJob { job, version: Arc::new(version), environment: self.services.environment.clone() })
    }
}
