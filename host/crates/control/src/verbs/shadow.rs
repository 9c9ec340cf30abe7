//! Shadow runs: a component beside a job for a while, on copies of its records, without writing anything.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::error::LONGEST_SHADOW;
use crate::guest::GuestHost;
use crate::jobs::Jobs;
use crate::types::{ShadowReport, ShadowRun};
use pelton_model::metrics::Metrics;
use pelton_model::sync::lock;
use pelton_pipeline::shadow::Shadow;

impl Jobs {
    /// Begins a shadow run; one that is under way ends.
    pub fn shadow(&self, job: &str, request: &ShadowRun) -> Result<ShadowReport, Error> {
        let supervised = self.find(job)?;
        let (wasm, _) = self.component(request.available.as_deref(), request.digest.as_deref())?;
        if !(1..=LONGEST_SHADOW).contains(&request.seconds) {
            return Err(Error::BadShadowTime(request.seconds));
        }
        let current = supervised.running().ok_or_else(|| Error::NotRunning(job.to_owned()))?;
        let mut record = supervised.record();
        let component = self.services.components.load(&wasm)?;
        record.parameters.make_mut().retain(|name, _| component.spec().parameters.iter().any(|p| p.name == *name));
        record.mapping.retain(component.spec());
        record.digest = component.digest.to_string();
        let refused = |error: &dyn std::fmt::Display| Error::BadParameters(format!("{error:#}"));
        let next = self.services.version(&record, &component).map_err(|error| refused(&error))?;
        // Its lines and counts are nobody's: it only answers what would be.
        let nobody = Arc::new(Metrics::default()).job(&record.name);
        let host = Arc::new(GuestHost::new(&record.name, Arc::default(), nobody, Arc::clone(self.services.clock())));
        let ready = next.job.instantiate(&next.parameters, Arc::clone(&host) as Arc<_>);
        let ready = ready.map_err(|failure| refused(&failure))?;
        let time = Duration::from_secs(request.seconds.into());
        let shadow =
            Shadow::start(&self.services.environment.pace, &record.name, next.with_ready(vec![ready]), host, time)
                .map_err(|error| Error::internal("failed to start the shadow run", &format!("{error:#}")))?;
        if let Some(before) = lock(&current.shadow).replace(Arc::clone(&shadow)) {
            before.stop();
        }
        let report = shadow.report();
        let told = format!("a shadow run of {} has begun", report.declared);
        supervised.observed.log.add(tracing::Level::INFO, "host", told);
        Ok(report)
    }

    /// What the last shadow run of a job has found so far; `end` ends it.
    pub fn shadow_report(&self, job: &str, end: bool) -> Result<ShadowReport, Error> {
        let shadow = self.find(job)?.running().and_then(|current| lock(&current.shadow).clone());
        let shadow = shadow.ok_or_else(|| Error::NoShadow(job.to_owned()))?;
        if end {
            shadow.stop();
        }
        Ok(shadow.report())
    }
}
