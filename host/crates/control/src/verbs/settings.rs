//! Set and scale.

use super::{Prepared, may_forget};
use crate::checks::{check_parallelism, idle_instances};
use crate::error::Error;
use crate::jobs::Jobs;
use crate::record::JobRecord;
use crate::types::{Done, Scale, SetParameters};
use pelton_model::bounds;
use pelton_model::text::cut;

/// Longest list of parameters in a job's history.
const SHOWN_BYTES: usize = 1_000;

impl Jobs {
    /// Sets parameters, between two batches. A job that refuses them goes on with those that it had.
    pub fn set(&self, job: &str, request: &SetParameters) -> Result<Done, Error> {
        request.parameters.keys().try_for_each(|key| bounds::parameter(key))?;
        let shown: Vec<_> = request.parameters.keys().map(String::as_str).collect();
        let note = self.note(request.by.as_deref(), &format!("set {}", cut(&shown.join(", "), SHOWN_BYTES)))?;
        let found = self.change(job, |entry, supervised| {
            let mut parameters = (*entry.record.parameters).clone();
            for (key, value) in &request.parameters {
                match value {
                    Some(value) => drop(parameters.insert(key.clone(), value.clone())),
                    None => drop(parameters.remove(key)),
                }
            }
            if parameters == *entry.record.parameters {
                return Ok(None);
            }
            bounds::parameters(&parameters)?;
            may_forget(&entry.record, request.force)?;
            let record = JobRecord { parameters: parameters.into(), ..entry.record.clone() };
            let component = self.kept(&record.digest)?;
            self.opened(supervised, record, &component, false, &note).map(Some)
        })?;
        Ok(found.done())
    }

    /// Changes the number of instances, once what is in flight is delivered.
    pub fn scale(&self, job: &str, request: &Scale) -> Result<Done, Error> {
        let parallelism = request.parallelism;
        check_parallelism(parallelism)?;
        let note = self.note(request.by.as_deref(), &format!("scale {parallelism}"))?;
        let found = self.change(job, |entry, _| {
            if entry.record.parallelism == parallelism {
                return Ok(None);
            }
            may_forget(&entry.record, request.force)?;
            let mut record = entry.record.clone();
            record.parallelism = parallelism;
            record.note(&note);
            Ok(Some(Prepared { record, version: None }))
        })?;
        tracing::info!(job.name = job, "{} of {job} by {}", note.why, note.by);
        let notice = idle_instances(&*self.services.checks, &found.supervised.record());
        Ok(Done { notice, ..found.done() })
    }
}
