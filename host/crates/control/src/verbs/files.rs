//! What files in `usr_jobs` ask for, as they come, change and go.

use std::sync::Arc;

use crate::record::DroppedFile;
use pelton_delivery::wake::Wake;

use super::reload::USR_JOBS;
use crate::error::Error;
use crate::jobs::Jobs;
use crate::types::{Reload, Submit};
use pelton_model::spec::Spec;
use pelton_model::status::Part;

impl Jobs {
    /// A file in `usr_jobs` was read: jobs that came from it are reloaded, and, if so asked for, a job that is not
    /// submitted yet is.
    pub(crate) fn file_dropped(self: &Arc<Self>, file: DroppedFile, spec: Option<&Spec>) {
        let is_submitted = |spec: &Spec| self.find(&spec.name).is_ok();
        let is_new = self.services.config().submit_all && spec.is_some_and(|spec| !is_submitted(spec));
        let (jobs, name) = (Arc::clone(self), file.name.clone());
        let work = move || {
            if is_new {
                jobs.submit_file(&file.name);
            }
            jobs.reload_from(&file);
        };
        if let Err(error) = self.services.clock().spawn("usr-jobs-changed", Box::new(work)) {
            tracing::error!("{name} is not taken over: there is no thread: {error}");
        }
    }

    /// Submits a file. Refusals are told; where a server is away, or still counts a host that was killed as a member,
    /// it is tried again with backoff, while the file is there.
    fn submit_file(&self, file: &str) {
        let wake = Wake::default();
        for after in self.services.environment.pace.backoff() {
            let request = Submit {
                available: Some(file.to_owned()),
                by: Some(USR_JOBS.to_owned()),
                why: Some("--submit-all".to_owned()),
                ..Submit::default()
            };
            match self.submit(&request).map_err(Error::without_create) {
                Ok(_) => return,
                Err(_) if self.reconciler.is_closed() => return,
                Err(error) if error.is_temporary() => tracing::warn!("{file} is not submitted yet: {error}"),
                Err(error) => return tracing::error!("{file} is not submitted: {error}"),
            }
            self.services.clock().wait(&wake, after);
            if self.reconciler.is_closed() || self.available.has(file) == Some(false) {
                return;
            }
        }
    }

    /// A file in `usr_jobs` is new or has changed: jobs that came from it take it over.
    fn reload_from(&self, file: &DroppedFile) {
        for supervised in self.reconciler.all() {
            let Some(known) = supervised.record().file.filter(|known| known.name == file.name) else { continue };
            if known.digest == file.digest {
                // It asks for nothing else any more.
                supervised.observed.status.clear_notice(&Part::Reload);
            } else {
                let request = Reload {
                    by: Some(USR_JOBS.to_owned()),
                    why: Some(format!("{} changed", file.name)),
                    ..Reload::default()
                };
                // Its failure is told among the job's notices.
                let _ = self.reload(&supervised.observed.name, &request);
            }
        }
    }

    /// Tells in each job whose file is gone, and takes that back once it is there again.
    pub(crate) fn tell_of_files(&self) {
        // Once a host stops, its folder is its owner's to remove.
        if self.reconciler.is_closed() {
            return;
        }
        for supervised in self.reconciler.all() {
            let file = supervised.file();
            let status = &supervised.observed.status;
            match file.as_deref().and_then(|file| self.available.has(file)) {
                Some(false) if !status.has_notice(&Part::File) => {
                    // What it asked for is gone with it.
                    status.clear_notice(&Part::Reload);
                    let file = file.unwrap_or_default();
                    let told = format!("{file} is gone from usr_jobs; the job goes on from the host's copy");
                    supervised.notice(&Part::File, &told);
                }
                Some(true) => drop(status.clear_notice(&Part::File)),
                _ => {}
            }
        }
    }
}
