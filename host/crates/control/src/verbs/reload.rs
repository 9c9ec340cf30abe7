//! Reload and rollback: another version, between two batches.

use std::sync::Arc;

use crate::record::{DroppedFile, JobRecord, Note};

use super::{Found, Prepared, may_forget, tell_refused};
use crate::checks::May;
use crate::components::Component;
use crate::error::Error;
use crate::flow;
use crate::jobs::Jobs;
use crate::supervisor::Supervised;
use crate::types::{Done, Reload, Rollback};
use pelton_model::spec::{Spec, Target};
use pelton_model::status::Part;

/// Who changes a job when its file does.
pub(crate) const USR_JOBS: &str = "usr_jobs";
/// Most instances that are opened before a version is put to work; the others are opened as they are needed.
const OPENED: usize = 8;

/// What a new version would change of a job's sources and sinks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Diff {
    /// What goes: records would no longer be read or written there.
    drops: Vec<String>,
    /// What comes.
    adds: Vec<String>,
}

impl Diff {
    pub(super) fn new(before: &Spec, after: &Spec) -> Self {
        let mut diff = Self::default();
        if before.name != after.name {
            diff.drops.push(format!("- name {}", before.name));
            diff.adds.push(format!("+ name {}", after.name));
        }
        let sources =
            |spec: &Spec| -> Vec<String> { spec.sources.iter().map(|s| format!("source {}", s.topic)).collect() };
        let sinks = |spec: &Spec| -> Vec<String> {
            spec.sinks.iter().map(|sink| format!("sink {} ({})", sink.name, target(&sink.target))).collect()
        };
        for of in [&sources as &dyn Fn(&Spec) -> Vec<String>, &sinks] {
            let (before, after) = (of(before), of(after));
            diff.drops.extend(before.iter().filter(|line| !after.contains(line)).map(|line| format!("- {line}")));
            diff.adds.extend(after.iter().filter(|line| !before.contains(line)).map(|line| format!("+ {line}")));
        }
        diff
    }

    pub(super) fn lines(self) -> Vec<String> {
        self.drops.into_iter().chain(self.adds).collect()
    }
}

/// Where a sink leads, for people.
pub(super) fn target(target: &Target) -> String {
    match target {
        Target::Topic(topic) => format!("topic {topic}"),
        Target::Table(table) => format!("table {}", table.name),
        Target::Statement(statement) => format!("statement {}", statement.sql),
    }
}

/// A component that is to be a job's next version.
struct Next {
    wasm: Vec<u8>,
    file: Option<DroppedFile>,
    component: Component,
}

impl Jobs {
    /// Puts another component to work in a running job, between two batches. Refused, with the job going on as it was,
    /// where the component is no job, lacks something, or would drop a source or sink without being forced to.
    pub fn reload(&self, job: &str, request: &Reload) -> Result<Done, Error> {
        let supervised = self.find(job)?;
        // Who asks a question has the answer; what a file asks is told in the job.
        let by_a_file = request.by.as_deref() == Some(USR_JOBS);
        let note = self.note(request.by.as_deref(), request.why.as_deref().unwrap_or("reload"))?;
        let (mut next, mut created) = (None, Vec::new());
        let result = self.change(job, |entry, supervised| {
            let next = match &next {
                Some(next) => next,
                None => next.insert(self.next(&entry.record, request)?),
            };
            self.reloaded(entry.record.clone(), supervised, next, request, &note, &mut created)
        });
        let result = if by_a_file { result.map_err(Error::without_create) } else { result };
        match &result {
            Ok(_) => drop(supervised.observed.status.clear_notice(&Part::Reload)),
            Err(error) if error.is_question() && !by_a_file => {}
            Err(error) => tell_refused(&supervised, &Part::Reload, error, by_a_file),
        }
        result.map(|found| Done { created, ..found.done() })
    }

    /// The component that a reload asks for.
    fn next(&self, record: &JobRecord, request: &Reload) -> Result<Next, Error> {
        let (wasm, file) = match (&request.available, &request.digest, &record.file) {
            // It is the same with other topics or tables, whatever its file has by now.
            (None, None, _) if !request.mapping.is_empty() => (self.uploaded(&record.digest)?, None),
            (None, None, None) => return Err(Error::NoFile(record.name.clone())),
            (None, None, Some(file)) => self.component(Some(&file.name), None)?,
            (available, digest, _) => self.component(available.as_deref(), digest.as_deref())?,
        };
        let component = self.services.components.load(&wasm)?;
        Ok(Next { wasm, file, component })
    }

    fn reloaded(
        &self,
        mut record: JobRecord,
        supervised: &Arc<Supervised>,
        Next { wasm, file, component }: &Next,
        request: &Reload,
        note: &Note,
        created: &mut Vec<String>,
    ) -> Result<Option<Prepared>, Error> {
        let before = record.clone();
        let declared = component.spec();
        record.file = file.clone().or(record.file);
        record.mapping.retain(declared);
        // What is asked for now was not declared before, nor is it a surprise.
        let diff = Diff::new(&before.spec, &record.mapping.apply(declared)?);
        record.mapping.add(&request.mapping);
        let spec = record.mapping.apply(declared)?;
        record.mapping.retain(declared);
        let is_another = *component.digest != before.digest;
        if !is_another && record.mapping == before.mapping {
            // Only the file may be another one.
            return Ok((record.file != before.file).then_some(Prepared { record, version: None }));
        }
        if !request.force && !diff.drops.is_empty() {
            return Err(Error::WouldDrop { job: record.name, lines: diff.lines() });
        }
        may_forget(&before, request.force)?;
        flow::check(&record.name, &spec, record.allow_loop)?;
        let mapped = record.clone();
        if request.force {
            record.parameters.make_mut().retain(|name, _| declared.parameters.iter().any(|p| p.name == *name));
        }
        let prepared = self.opened(supervised, record, component, is_another, note)?;
        self.keep_component(wasm, "failed to keep the component")?;
        // The last, since it may make what is missing.
        let may = May { create: request.create, create_sources: &request.create_sources };
        created.extend(self.services.checks.changed(&mapped, &spec, may)?);
        Ok(Some(prepared))
    }

    /// Goes back to an earlier version and the parameters, topics and tables that it had; its component is kept by digest.
    /// That one is not on probation.
    pub fn rollback(&self, job: &str, request: &Rollback) -> Result<Done, Error> {
        let supervised = self.find(job)?;
        let note = self.note(request.by.as_deref(), request.why.as_deref().unwrap_or("rollback"))?;
        let result = self.change(job, |entry, supervised| {
            let mut record = entry.record.clone();
            if request.to == Some(record.version) {
                return Ok(None);
            }
            let Some(to) = record.earlier(request.to).cloned() else {
                return Err(Error::NoEarlierVersion { job: record.name, wanted: request.to, runs: record.version });
            };
            may_forget(&record, request.force)?;
            let component = self.kept(&to.digest)?;
            let spec = to.mapping.apply(component.spec())?;
            flow::check(&record.name, &spec, record.allow_loop)?;
            (record.parameters, record.mapping) = (to.parameters, to.mapping);
            let prepared = self.opened(supervised, record, &component, false, &note)?;
            let checked = self.services.checks.changed(&entry.record, &spec, May::default());
            checked.map_err(Error::without_create)?;
            Ok(Some(prepared))
        });
        if let Err(error) = &result {
            tell_refused(&supervised, &Part::Rollback, error, false);
        }
        result.map(Found::done)
    }

    /// Makes a component the version of a record, with the record's parameters, topics and tables, and opens instances.
    pub(super) fn opened(
        &self,
        supervised: &Supervised,
        mut record: JobRecord,
        component: &Component,
        probation: bool,
        note: &Note,
    ) -> Result<Prepared, Error> {
        record.adopt(&component.digest, &record.mapping.apply(component.spec())?, note);
        let refused = |error: &dyn std::fmt::Display| Error::BadParameters(format!("{error:#}"));
        let version = self.services.version(&record, component).map_err(|error| refused(&error))?;
        let open = |_| version.job.instantiate(&version.parameters, Arc::clone(&supervised.observed.host));
        let ready = (0..supervised.duty.instances().min(OPENED)).map(open).collect::<Result<Vec<_>, _>>();
        let mut version = version.with_ready(ready.map_err(|failure| refused(&failure))?);
        if probation {
            let reload = &self.services.config().reload;
            version = version.on_probation(reload.probation_batches, reload.max_failed);
        }
        Ok(Prepared { record, version: Some(version) })
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use pelton_model::spec::{Sink, Source};

    #[test]
    fn a_diff_names_what_goes_and_what_comes() {
        let sink = |name: &str, topic: &str| Sink { name: name.to_owned(), target: Target::Topic(topic.to_owned()) };
        let spec = |sinks| Spec {
            name: "j".to_owned(),
            sources: vec![Source { topic: "in".to_owned(), headers: false }],
            sinks,
            ..Spec::default()
        };
        let before = spec(vec![sink("a", "a"), sink("b", "b")]);
        assert_eq!(Diff::new(&before, &before), Diff::default());
        let mut after = spec(vec![sink("b", "elsewhere"), sink("a", "a")]);
        after.sources.push(Source { topic: "more".to_owned(), headers: true });
        let diff = Diff::new(&before, &after);
        assert_eq!(diff.lines(), ["- sink b (topic b)", "+ source more", "+ sink b (topic elsewhere)"]);
    }
}
