//! What it takes to run a submitted job's present version once more, beside its instances: for a redrive.

use std::sync::Arc;

use super::{Jobs, internal, supervise};
use crate::api::types::Problem;
use crate::pipeline::redrive::RedriveJob;

impl Jobs {
    /// The present version of a submitted job. May compile its component: call it where blocking is allowed.
    pub fn running(&self, name: &str) -> Result<RedriveJob, Problem> {
        let supervised = self.find(name)?;
        let record = supervised.record();
        let job =
            self.load()(&record.digest).map_err(|error| internal("the job's component can't be loaded", &error))?;
        let version = supervise::version(&record, &job).map_err(|error| {
            Problem::new(422, "bad-parameters", "the job's parameters don't fit its version", format!("{error:#}"))
        })?;
        let surroundings = self.surroundings.clone();
        Ok(RedriveJob { job: supervised.at_work(), version: Arc::new(version), surroundings })
    }
}
