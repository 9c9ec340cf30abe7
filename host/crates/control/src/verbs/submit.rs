//! Upload and submit.

use std::sync::Arc;

use crate::record::{DroppedFile, JobRecord};
use pelton_model::name::check_name;
use pelton_model::parallelism::Parallelism;

use super::difference;
use crate::checks::{May, check_parallelism, idle_instances};
use crate::components::Component;
use crate::error::Error;
use crate::flow;
use crate::guest::GuestHost;
use crate::jobs::Jobs;
use crate::trim::give_back;
use crate::types::{Done, Guarantee, JobView, Submit, Uploaded};
use pelton_model::bounds;
use pelton_model::metrics::Metrics;
use pelton_model::start::StartFrom;
use pelton_model::text::cut;

/// Longest list of offsets that is told.
const SHOWN_BYTES: usize = 1_000;

/// What is said where a job that is submitted already was to start somewhere else.
fn not_from(name: &str, from: &StartFrom) -> String {
    let text = from.to_string();
    let text = cut(&text, SHOWN_BYTES);
    let the = if matches!(from, StartFrom::Latest | StartFrom::Earliest) { "the " } else { "" };
    format!(
        "{name} is submitted already and goes on from its committed offsets, not from {the}{text}; to have it begin \
         there, pause it, move it (`pelton seek {name} --from {text}`) and resume it"
    )
}

/// Whether a job is as a submit asks for. The 1 of a record from before `auto` was what a submit without a number meant.
fn is_same(record: &JobRecord, wanted: &JobRecord, request: &Submit) -> bool {
    let means_one = request.parallelism.is_none() && record.parallelism == Parallelism::Of(1);
    let parallelism = if means_one { record.parallelism } else { wanted.parallelism };
    record.is_same(&JobRecord { parallelism, ..wanted.clone() })
}

impl Jobs {
    /// Takes in a component, so that it can be submitted by its digest.
    pub fn upload(&self, wasm: &[u8]) -> Result<Uploaded, Error> {
        let component = self.services.components.load(wasm)?;
        let digest = self.keep_component(wasm, "failed to keep the component")?;
        Ok(Uploaded { digest, spec: component.spec().as_ref().clone() })
    }

    /// Starts a job. Refused, with every reason at once, when something that it needs is missing or of the wrong shape.
    /// Repeating a submit that is already in force changes nothing. One of the same name that is about to end is waited
    /// for.
    pub fn submit(&self, request: &Submit) -> Result<Done, Error> {
        let (wasm, file) = self.component(request.available.as_deref(), request.digest.as_deref())?;
        let component = self.services.components.load(&wasm)?;
        let wanted = self.wanted(request, &component, file)?;
        let name = wanted.name.clone();
        loop {
            // Until the job is there for others to see: what is pinned here is where it starts.
            let claim = self.groups.claim(&**self.services.clock(), &wanted.group, &name);
            let _claim = claim.map_err(|job| Error::GroupTaken { group: wanted.group.clone(), job })?;
            let existing = match self.services.catalog.get(&name) {
                Ok(existing) => existing,
                Err(error) if error.is_damaged() => None,
                Err(error) => return Err(Error::internal("failed to keep the job", &error)),
            };
            match existing {
                Some(entry) if entry.record.cancelled => {
                    self.wait_until_gone(&name)?;
                    continue;
                }
                Some(entry) if is_same(&entry.record, &wanted, request) => {
                    self.reconciler.wait(&self.reconciler.slot(&name), entry.revision)?;
                    let notice = request.from.as_ref().map(|from| not_from(&name, from));
                    return Ok(Done { job: self.submitted(&name)?, changed: None, created: Vec::new(), notice });
                }
                Some(_) => return Err(Error::AlreadySubmitted(name)),
                None => {}
            }
            flow::check(&name, &wanted.spec, wanted.allow_loop)?;
            self.check_group(&wanted)?;
            self.configure(&wanted, &component)?;
            let may = May { create: request.create, create_sources: &request.create_sources };
            let created = self.services.checks.submitted(&wanted, request.from.as_ref(), may)?;
            let past = self.past(&name);
            let mut wanted = wanted.clone();
            past.iter().for_each(|past| wanted.follow(past));
            if self.begin(&wanted, &wasm, &component)? {
                tracing::info!(job.name = name, "submitted {name} ({})", wanted.digest);
                let job = self.submitted(&name)?;
                let after = past.and_then(|past| difference::after(&past, &wanted));
                let idle = idle_instances(&*self.services.checks, &wanted);
                let notice = after.into_iter().chain(idle).reduce(|after, idle| format!("{after}; {idle}"));
                let changed = Some(difference::of_new(&wanted));
                return Ok(Done { job, changed, created, notice });
            }
        }
    }

    /// A job that has begun, unless somebody has cancelled it by now.
    fn submitted(&self, name: &str) -> Result<JobView, Error> {
        self.show(name).map_err(|_| Error::Ending(name.to_owned()))
    }

    /// The job of a name that is gone, if it is known.
    fn past(&self, name: &str) -> Option<JobRecord> {
        self.services.catalog.past(name).unwrap_or_else(|error| {
            tracing::warn!(job.name = name, "{name} begins with no history: {error}");
            None
        })
    }

    /// The record that a submit asks for.
    pub(super) fn wanted(
        &self,
        request: &Submit,
        component: &Component,
        file: Option<DroppedFile>,
    ) -> Result<JobRecord, Error> {
        if request.guarantee == Guarantee::ExactlyOnce {
            return Err(Error::NoExactlyOnce);
        }
        check_parallelism(request.parallelism.unwrap_or_default())?;
        let name = request.name.clone().unwrap_or_else(|| component.spec().name.clone());
        check_name(&name).map_err(|error| Error::BadName(error.to_string()))?;
        request.group.as_deref().map(bounds::group).transpose()?;
        bounds::parameters(&request.parameters)?;
        let note = self.note(request.by.as_deref(), request.why.as_deref().unwrap_or("submit"))?;
        let spec = request.mapping.apply(component.spec())?;
        let mut mapping = request.mapping.clone();
        mapping.retain(component.spec());
        let mut record = JobRecord {
            group: request.group.clone().unwrap_or_else(|| format!("pelton-{name}")),
            name,
            parallelism: request.parallelism.unwrap_or_default(),
            submitted: note.at,
            file,
            allow_loop: request.allow_loop,
            parameters: request.parameters.clone().into(),
            mapping,
            ..JobRecord::default()
        };
        record.adopt(&component.digest, &spec, &note);
        Ok(record)
    }

    /// Refuses the group of a new job where another job has it.
    fn check_group(&self, wanted: &JobRecord) -> Result<(), Error> {
        let records = self.reconciler.all().into_iter().map(|supervised| supervised.record());
        match records.into_iter().find(|other| other.group == wanted.group && other.name != wanted.name) {
            Some(other) => Err(Error::GroupTaken { group: wanted.group.clone(), job: other.name }),
            None => Ok(()),
        }
    }

    /// Lets the job look at its parameters, once.
    fn configure(&self, wanted: &JobRecord, component: &Component) -> Result<(), Error> {
        let refused = |error: &dyn std::fmt::Display| Error::BadParameters(format!("{error:#}"));
        let version = self.services.version(wanted, component).map_err(|error| refused(&error))?;
        let nobody = Arc::new(Metrics::default()).job(&wanted.name);
        let host = GuestHost::new(&wanted.name, Arc::default(), nobody, Arc::clone(self.services.clock()));
        let instance = component.program.instantiate(&version.parameters, Arc::new(host));
        instance.map(drop).inspect_err(|_| give_back()).map_err(|failure| refused(&failure))
    }

    /// Writes the record of a new job and waits until it has begun; false where there is one by now.
    fn begin(&self, wanted: &JobRecord, wasm: &[u8], component: &Component) -> Result<bool, Error> {
        let what = "failed to keep the job";
        self.keep_component(wasm, what)?;
        let slot = self.reconciler.slot(&wanted.name);
        let version = self.services.version(wanted, component);
        slot.prepare(wanted, version.map_err(|error| Error::BadParameters(format!("{error:#}")))?);
        match self.services.catalog.put(wanted, None) {
            Ok(revision) => self.reconciler.wait(&slot, revision).map(|()| true),
            Err(error) => {
                slot.take_prepared(wanted);
                if error.is_conflict() { Ok(false) } else { Err(Error::internal(what, &error)) }
            }
        }
    }

    /// Waits until a job that has been cancelled is gone from the catalog.
    fn wait_until_gone(&self, name: &str) -> Result<(), Error> {
        let slot = self.reconciler.slot(name);
        let is_over = || {
            let is_there = self.services.catalog.get(name).is_ok_and(|entry| entry.is_some_and(|e| e.record.cancelled));
            self.reconciler.is_closed() || !is_there
        };
        slot.changes.wait(&**self.services.clock(), is_over);
        if self.reconciler.is_closed() { Err(Error::Stopping(name.to_owned())) } else { Ok(()) }
    }
}
