//! Apply: a job is to be so, whatever it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use pelton_model::text::{cut, line};

use super::Prepared;
use super::reload::{Diff, target};
use crate::checks::{May, idle_instances};
use crate::components::Component;
use crate::error::Error;
use crate::flow;
use crate::jobs::Jobs;
use crate::record::{JobRecord, Note};
use crate::supervisor::Supervised;
use crate::types::{Applied, Apply, Done, Submit};

/// Longest value of a parameter in a difference, bytes.
const VALUE_BYTES: usize = 80;
/// Longest list of changes in a job's history, bytes.
const WHY_BYTES: usize = 1_000;

impl Jobs {
    /// Has a job be what a request says: submits it where there is none of its name, else changes what differs, all at
    /// once and between two batches. A job that is paused stays so. A dry run only says what that would change.
    pub fn apply(&self, request: &Apply) -> Result<Applied, Error> {
        self.have_it_so(request).map_err(Error::of_a_file)
    }

    fn have_it_so(&self, request: &Apply) -> Result<Applied, Error> {
        let submit = &request.job;
        let (wasm, file) = self.component(submit.available.as_deref(), submit.digest.as_deref())?;
        let component = self.services.components.load(&wasm)?;
        let wanted = self.wanted(submit, &component, file)?;
        let name = wanted.name.clone();
        // What needs nobody else is told by a dry run as well.
        flow::check(&name, &wanted.spec, wanted.allow_loop)?;
        let version = self.services.version(&wanted, &component);
        version.map_err(|error| Error::BadParameters(format!("{error:#}")))?;
        let there = self.desired(&name)?.filter(|entry| !entry.record.cancelled);
        let mut applied = Applied { name, changes: Vec::new(), created: Vec::new(), notice: None };
        match &there {
            None => applied.changes = submitted(&wanted),
            Some(entry) => applied.changes = differences(&entry.record, &wanted)?,
        }
        if request.dry_run && !applied.changes.is_empty() {
            let before = there.as_ref().map(|entry| &entry.record.spec);
            let may = May { create: submit.create, create_sources: &submit.create_sources };
            let plan = self.services.checks.plan(&applied.name, before, &wanted.spec, may)?;
            applied.changes.extend(plan.into_iter().map(|missing| format!("create it: {missing}")));
        }
        if request.dry_run || applied.changes.is_empty() {
            return Ok(applied);
        }
        if there.is_none() {
            match self.submit(submit) {
                Ok(Done { changed, created, notice, .. }) => {
                    if changed.is_none() {
                        applied.changes.clear();
                    }
                    return Ok(Applied { created, notice, ..applied });
                }
                // Others have submitted it meanwhile, and otherwise.
                Err(Error::AlreadySubmitted(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let changed = self.change(&applied.name, |entry, supervised| {
            applied.changes = differences(&entry.record, &wanted)?;
            if applied.changes.is_empty() {
                return Ok(None);
            }
            let changes = cut(&applied.changes.join(", "), WHY_BYTES).into_owned();
            let why = submit.why.clone().unwrap_or_else(|| format!("apply: {}", line(&changes)));
            let note = self.note(submit.by.as_deref(), &why)?;
            let of = (&component, &*wasm);
            let (prepared, created) = self.applied(&entry.record, supervised, &wanted, of, submit, &note)?;
            applied.created.extend(created);
            Ok(Some(prepared))
        })?;
        applied.notice = idle_instances(&*self.services.checks, &changed.supervised.record());
        let (name, changes) = (&applied.name, applied.changes.join(", "));
        tracing::info!(job.name = name, "applied to {name}: {}", line(&changes));
        Ok(applied)
    }

    fn applied(
        &self,
        before: &JobRecord,
        supervised: &Arc<Supervised>,
        wanted: &JobRecord,
        (component, wasm): (&Component, &[u8]),
        submit: &Submit,
        note: &Note,
    ) -> Result<(Prepared, Vec<String>), Error> {
        let mut record = JobRecord {
            parameters: wanted.parameters.clone(),
            mapping: wanted.mapping.clone(),
            parallelism: wanted.parallelism,
            allow_loop: wanted.allow_loop,
            file: wanted.file.clone().or_else(|| before.file.clone()),
            ..before.clone()
        };
        flow::check(&record.name, &wanted.spec, record.allow_loop)?;
        let is_another = wanted.digest != before.digest;
        if !is_another && (&record.parameters, &record.mapping) == (&before.parameters, &before.mapping) {
            record.note(note);
            return Ok((Prepared { record, version: None }, Vec::new()));
        }
        let prepared = self.opened(supervised, record, component, is_another, note)?;
        self.keep_component(wasm, "failed to keep the component")?;
        // The last, since it may make what is missing.
        let may = May { create: submit.create, create_sources: &submit.create_sources };
        let created = self.services.checks.changed(before, &wanted.spec, may)?;
        Ok((prepared, created))
    }
}

/// What a job is that is not there yet.
fn submitted(wanted: &JobRecord) -> Vec<String> {
    let mut lines = vec![format!("submit it: {} {}", wanted.spec.name, wanted.spec.version)];
    lines.extend(wanted.parameters.iter().map(|(name, value)| format!("parameter {name}: {}", short(value))));
    lines.extend(wanted.spec.topics().into_iter().map(|topic| format!("+ source {topic}")));
    lines.extend(wanted.spec.sinks.iter().map(|sink| format!("+ sink {} ({})", sink.name, target(&sink.target))));
    if wanted.parallelism.number().is_some_and(|number| number > 1) {
        lines.push(format!("parallelism: {}", wanted.parallelism));
    }
    lines
}

/// What has to change, a line each. Refuses what only another submit can change.
fn differences(before: &JobRecord, wanted: &JobRecord) -> Result<Vec<String>, Error> {
    if before.group != wanted.group {
        let (job, has, wanted) = (before.name.clone(), before.group.clone(), wanted.group.clone());
        return Err(Error::OtherGroup { job, has, wanted });
    }
    let mut lines = Vec::new();
    if before.digest != wanted.digest {
        let of = |record: &JobRecord| {
            format!("{} ({})", record.spec.version, record.digest.get(..12).unwrap_or(&record.digest))
        };
        lines.push(format!("component: {} → {}", of(before), of(wanted)));
    }
    lines.extend(Diff::new(&before.spec, &wanted.spec).lines());
    let (read, reads) = (before.spec.topics(), wanted.spec.topics());
    if let Some(new) = reads.iter().find(|topic| !read.contains(topic)) {
        lines.push(format!(
            "source {new} is read from its end, or where it was when the job read it before; `from` is for new jobs"
        ));
    }
    let (was, is) = (before.values(), wanted.values());
    let names: BTreeSet<_> = was.keys().chain(is.keys()).copied().collect();
    for name in names.into_iter().filter(|name| was.get(name) != is.get(name)) {
        let set =
            |record: &JobRecord| record.parameters.get(name).map_or("its default".to_owned(), |value| short(value));
        lines.push(format!("parameter {name}: {} → {}", set(before), set(wanted)));
    }
    if before.parallelism != wanted.parallelism {
        lines.push(format!("parallelism: {} → {}", before.parallelism, wanted.parallelism));
    }
    if before.allow_loop != wanted.allow_loop {
        lines.push(format!("allow_loop: {} → {}", before.allow_loop, wanted.allow_loop));
    }
    if let Some(what) = before.spec.remembers.as_ref().filter(|_| !lines.is_empty() && !before.paused) {
        lines.push(format!("it forgets what it remembers: {what}"));
    }
    Ok(lines)
}

fn short(value: &str) -> String {
    cut(&line(value), VALUE_BYTES).into_owned()
}
