//! Everything that changes a submitted job: reload, rollback, set, scale, pause, resume. Each verb may be repeated: what is
//! in force already changes nothing.
//!
//! A change is prepared aside, kept in the registry, and only then put to work; whatever fails before leaves the job as it
//! was, running, with the reason among its conditions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::guest_host::GuestHost;
use super::registry::{DroppedFile, Record};
use super::submit::{self, blocking};
use super::supervise::{Supervised, version};
use super::{FILE, Jobs, internal};
use crate::api::types::{JobView, Problem, Reload, Rollback, Scale, SetParameters, ShadowReport, ShadowRun};
use crate::engine::Job;
use crate::metrics::Metrics;
use crate::pipeline::shadow::Shadow;
use crate::pipeline::{RolledBack, Version};
use crate::spec::{Spec, Target};
use pelton_model::sync::lock;

/// The part under which it is told that a version was not taken over, or was rolled back.
pub(super) const RELOAD: &str = "reload";
/// Who changes a job when its file does.
pub(super) const USR_JOBS: &str = "usr_jobs";
/// Most instances that are opened before a version is put to work; the others are opened as they are needed.
const OPENED: usize = 8;
/// Longest shadow run, seconds.
const LONGEST_SHADOW: u32 = 3600;

/// What a new version would change of a job's sources and sinks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Diff {
    /// What goes: records would no longer be read or written there.
    pub(super) drops: Vec<String>,
    /// What comes.
    pub(super) adds: Vec<String>,
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
            let line = |sink: &crate::spec::Sink| match &sink.target {
                Target::Topic(topic) => format!("sink {} (topic {topic})", sink.name),
                Target::Table(table) => format!("sink {} (table {})", sink.name, table.name),
                Target::Statement(statement) => format!("sink {} (statement {})", sink.name, statement.sql),
            };
            spec.sinks.iter().map(line).collect()
        };
        for of in [&sources as &dyn Fn(&Spec) -> Vec<String>, &sinks] {
            let (before, after) = (of(before), of(after));
            diff.drops.extend(before.iter().filter(|line| !after.contains(line)).map(|line| format!("- {line}")));
            diff.adds.extend(after.iter().filter(|line| !before.contains(line)).map(|line| format!("+ {line}")));
        }
        diff
    }

    fn lines(self) -> Vec<String> {
        self.drops.into_iter().chain(self.adds).collect()
    }
}

/// What a change is for the history.
struct Note<'a> {
    by: Option<String>,
    why: &'a str,
}

impl Note<'_> {
    fn by(&self) -> &str {
        self.by.as_deref().unwrap_or("unknown")
    }
}

impl Jobs {
    /// Puts another component to work in a running job, between two batches. Refused, with the job going on as it was,
    /// where the component is no job, lacks something, or would drop a source or sink without being forced to.
    pub async fn reload(&self, name: &str, request: Reload) -> Result<JobView, Problem> {
        let supervised = self.find(name)?;
        let _changing = supervised.changing.lock().await;
        // Who asks a question has the answer; what a file asks is told in the job.
        let by_a_file = request.by.as_deref() == Some(USR_JOBS);
        let result = self.try_reload(&supervised, request).await;
        let is_question = result.as_ref().is_err_and(|problem| problem.code == "would-drop") && !by_a_file;
        if !is_question {
            tell(&supervised, &result);
        }
        result.map(|()| supervised.view())
    }

    async fn try_reload(&self, supervised: &Arc<Supervised>, request: Reload) -> Result<(), Problem> {
        let mut record = supervised.record();
        let (wasm, file) = match (&request.available, &request.digest, &record.file) {
            (None, None, None) => {
                return Err(Problem::new(
                    400,
                    "bad-request",
                    format!("{} is not reloaded", record.name),
                    "it did not come from a file in usr_jobs, so there is none to look at",
                )
                .fix(format!("say which component: pelton reload {} FILE", record.name)));
            }
            (None, None, Some(file)) => self.available.read(&file.name).await?,
            (available, digest, came_from) => {
                let (wasm, file) = self.component(available, digest).await?;
                (wasm, file.or_else(|| came_from.clone()))
            }
        };
        let engine = self.engine.clone();
        let bytes = wasm.clone();
        let job = blocking(move || submit::load(&engine, &bytes)).await?;
        record.file = file;
        if job.digest() == record.digest {
            // Only the file may be another one.
            return self.keep(supervised, record, None);
        }
        let diff = Diff::new(&record.spec, job.spec());
        if !request.force && !diff.drops.is_empty() {
            let mut problem = Problem::new(
                409,
                "would-drop",
                format!("{} is not reloaded: the new version would drop something", record.name),
                "",
            );
            problem.causes = diff.lines();
            return Err(problem.fix("reload it with --force if that is meant; the version before goes on until then"));
        }
        submit::resources(&self.surroundings.connectors, &record, job.spec(), request.create).await?;
        self.registry.put_component(&wasm).map_err(|error| internal("failed to keep the component", &error))?;
        let mut parameters = record.parameters.clone();
        if request.force {
            parameters.retain(|name, _| job.spec().parameters.iter().any(|p| p.name == *name));
        }
        let why = request.why.as_deref().unwrap_or("reload");
        self.put_to_work(supervised, record, &job, parameters, true, &Note { by: request.by, why }).await
    }

    /// Goes back to an earlier version and the parameters that it had; its component is kept by digest. That one is not on
    /// probation.
    pub async fn rollback(&self, name: &str, request: Rollback) -> Result<JobView, Problem> {
        let supervised = self.find(name)?;
        let _changing = supervised.changing.lock().await;
        let record = supervised.record();
        if request.to == Some(record.version) {
            return Ok(supervised.view());
        }
        let result = async {
            let Some(to) = record.earlier(request.to).cloned() else {
                let wanted = request.to.map_or("earlier version".to_owned(), |to| format!("version {to}"));
                return Err(Problem::new(
                    409,
                    "no-earlier-version",
                    format!("{name} has no {wanted}"),
                    format!("it runs version {}", record.version),
                )
                .fix(format!("`pelton show {name}` lists its versions")));
            };
            let job = self.job(to.digest.clone()).await?;
            submit::resources(&self.surroundings.connectors, &record, job.spec(), false).await?;
            let why = request.why.as_deref().unwrap_or("rollback");
            self.put_to_work(&supervised, record, &job, to.parameters, false, &Note { by: request.by, why }).await
        }
        .await;
        tell(&supervised, &result);
        result.map(|()| supervised.view())
    }

    /// Sets parameters, between two batches. A job that refuses them goes on with those that it had.
    pub async fn set(&self, name: &str, request: SetParameters) -> Result<JobView, Problem> {
        let supervised = self.find(name)?;
        let _changing = supervised.changing.lock().await;
        let record = supervised.record();
        let mut parameters = record.parameters.clone();
        for (key, value) in &request.parameters {
            match value {
                Some(value) => drop(parameters.insert(key.clone(), value.clone())),
                None => drop(parameters.remove(key)),
            }
        }
        if parameters != record.parameters {
            let shown: Vec<_> = request.parameters.keys().map(String::as_str).collect();
            let why = format!("set {}", shown.join(", "));
            let job = self.job(record.digest.clone()).await?;
            self.put_to_work(&supervised, record, &job, parameters, false, &Note { by: request.by, why: &why }).await?;
        }
        Ok(supervised.view())
    }

    /// Changes the number of instances, once what is in flight is delivered.
    pub async fn scale(&self, name: &str, request: Scale) -> Result<JobView, Problem> {
        submit::check_parallelism(request.parallelism)?;
        let why = format!("scale {}", request.parallelism);
        let change = |record: &mut Record| {
            std::mem::replace(&mut record.parallelism, request.parallelism) != request.parallelism
        };
        self.adjust(name, Note { by: request.by, why: &why }, change).await.map(|supervised| supervised.view())
    }

    /// Holds a job: what is in flight is delivered and committed, and it leaves its group, so that it costs nothing.
    pub async fn pause(&self, name: &str, by: Option<String>) -> Result<JobView, Problem> {
        let supervised =
            self.adjust(name, Note { by, why: "pause" }, |record| !std::mem::replace(&mut record.paused, true)).await?;
        supervised.paused().await;
        Ok(supervised.view())
    }

    /// Lets a held job go on from its offsets.
    pub async fn resume(&self, name: &str, by: Option<String>) -> Result<JobView, Problem> {
        let change = |record: &mut Record| std::mem::replace(&mut record.paused, false);
        self.adjust(name, Note { by, why: "resume" }, change).await.map(|supervised| supervised.view())
    }

    /// Changes a record, if `change` says that there is something to change.
    async fn adjust(
        &self,
        name: &str,
        note: Note<'_>,
        change: impl FnOnce(&mut Record) -> bool,
    ) -> Result<Arc<Supervised>, Problem> {
        let supervised = self.find(name)?;
        let changing = supervised.changing.lock().await;
        let mut record = supervised.record();
        if change(&mut record) {
            record.note(note.by(), note.why);
            self.keep(&supervised, record, None)?;
            tracing::info!(job.name = name, "{} of {name} by {}", note.why, note.by());
        }
        drop(changing);
        Ok(supervised)
    }

    /// Keeps a record and has it take effect.
    fn keep(&self, supervised: &Supervised, record: Record, version: Option<Version>) -> Result<(), Problem> {
        // A job may have been cancelled while this was prepared.
        self.find(&record.name)?;
        self.registry
            .save(&record)
            .map_err(|error| internal("failed to keep the change, the job goes on as it was", &error))?;
        supervised.change(record, version);
        Ok(())
    }

    /// Opens instances of a version, keeps it, and puts it to work.
    async fn put_to_work(
        &self,
        supervised: &Arc<Supervised>,
        mut record: Record,
        job: &Job,
        parameters: BTreeMap<String, String>,
        probation: bool,
        note: &Note<'_>,
    ) -> Result<(), Problem> {
        let before = record.version;
        record.adopt(job.digest(), job.spec(), parameters, note.by(), note.why);
        let refused = |reason: String| Problem::new(422, "bad-parameters", "the job refuses its parameters", reason);
        let next = version(&record, job).map_err(|error| refused(format!("{error:#}")))?;
        let (host, parameters, program) =
            (Arc::clone(&supervised.host), Arc::clone(&next.parameters), Arc::clone(&next.job));
        let count = record.parallelism.min(OPENED);
        let ready = blocking(move || {
            let open = |_| program.instantiate(&parameters, Arc::clone(&host));
            (0..count).map(open).collect::<Result<Vec<_>, _>>().map_err(|failure| refused(failure.to_string()))
        })
        .await?;
        let mut next = next.with_ready(ready);
        if probation {
            next = next.on_probation(self.config.reload.probation_batches, self.config.reload.max_failed);
        }
        let told = format!(
            "version {} ({}) took over from version {before}: {} by {}",
            record.version,
            record.spec.version,
            note.why,
            note.by()
        );
        self.keep(supervised, record, Some(next))?;
        tracing::info!(job.name = supervised.name, "{}: {told}", supervised.name);
        supervised.log.add(tracing::Level::INFO, "host", told);
        Ok(())
    }

    /// Keeps what the pipeline has done already: the version before is back.
    pub(super) async fn rolled_back(&self, supervised: Arc<Supervised>, told: RolledBack) {
        let _changing = supervised.changing.lock().await;
        let mut record = supervised.record();
        if record.version != told.failed.number {
            return;
        }
        let reason = format!("version {} was rolled back by the host: {}", told.failed.number, told.reason);
        let good = record.earlier(Some(told.good.number)).cloned();
        let result = async {
            let good = good.ok_or_else(|| internal("the version before is not known", &anyhow::anyhow!("{reason}")))?;
            let job = self.job(good.digest.clone()).await?;
            record.adopt(&good.digest, job.spec(), good.parameters, "host", &reason);
            let version =
                version(&record, &job).map_err(|error| internal("the version before can't be opened", &error))?;
            self.keep(&supervised, record, Some(version))
        }
        .await;
        if let Err(problem) = result {
            tracing::error!(job.name = supervised.name, "a rollback is not kept over a restart: {problem}");
        }
        supervised.notice(RELOAD, &reason);
    }

    /// Runs a component beside a job for a while, on copies of its records, without writing anything.
    pub async fn shadow(&self, name: &str, request: ShadowRun) -> Result<ShadowReport, Problem> {
        let supervised = self.find(name)?;
        let (wasm, _) = self.component(&request.available, &request.digest).await?;
        if !(1..=LONGEST_SHADOW).contains(&request.seconds) {
            let detail = format!("{} seconds are not between 1 and {LONGEST_SHADOW}", request.seconds);
            return Err(Problem::new(422, "bad-request", "the shadow run is not started", detail));
        }
        let Some(current) = supervised.running() else {
            return Err(Problem::new(
                409,
                "not-running",
                "the shadow run is not started",
                format!("{name} is not running yet"),
            ));
        };
        let mut record = supervised.record();
        let engine = self.engine.clone();
        let pace = self.surroundings.pace.clone();
        let report = blocking(move || {
            let job = submit::load(&engine, &wasm)?;
            record.parameters.retain(|name, _| job.spec().parameters.iter().any(|p| p.name == *name));
            record.digest = job.digest().to_owned();
            let refused =
                |reason: String| Problem::new(422, "bad-parameters", "the job refuses its parameters", reason);
            let next = version(&record, &job).map_err(|error| refused(format!("{error:#}")))?;
            // Its lines and counts are nobody's: it only answers what would be.
            let nobody = Arc::new(Metrics::default()).job(&record.name);
            let host = Arc::new(GuestHost::new(&record.name, Arc::default(), nobody));
            let ready = next.job.instantiate(&next.parameters, Arc::clone(&host) as Arc<_>);
            let ready = ready.map_err(|failure| refused(failure.to_string()))?;
            let time = Duration::from_secs(request.seconds.into());
            let shadow = Shadow::start(&pace, &record.name, next.with_ready(vec![ready]), host, time)
                .map_err(|error| internal("failed to start the shadow run", &error.into()))?;
            if let Some(before) = lock(&current.shadow).replace(Arc::clone(&shadow)) {
                before.stop();
            }
            Ok(shadow.report())
        })
        .await?;
        supervised.log.add(tracing::Level::INFO, "host", format!("a shadow run of {} has begun", report.declared));
        Ok(report)
    }

    /// What the last shadow run of a job has found so far; `end` ends it.
    pub fn shadow_report(&self, name: &str, end: bool) -> Result<ShadowReport, Problem> {
        let shadow = self.find(name)?.running().and_then(|current| lock(&current.shadow).clone());
        let shadow = shadow.ok_or_else(|| {
            Problem::new(
                404,
                "no-shadow",
                format!("{name} has no shadow run"),
                "none was started since the host runs the job",
            )
        })?;
        if end {
            shadow.stop();
        }
        Ok(shadow.report())
    }

    /// A kept component, compiled.
    pub(super) async fn job(&self, digest: String) -> Result<Job, Problem> {
        let load = self.load();
        blocking(move || load(&digest).map_err(|error| internal("a kept component can't be loaded", &error))).await
    }

    /// Called now and then: keeps what pipelines have rolled back by themselves, and tells of files that are gone.
    pub(super) fn housekeeping(self: &Arc<Self>) {
        for supervised in self.all() {
            if let Some(told) = supervised.running().and_then(|current| current.take_rolled_back()) {
                let jobs = Arc::clone(self);
                let supervised = Arc::clone(&supervised);
                self.runtime.spawn(async move { jobs.rolled_back(supervised, told).await });
            }
            let file = supervised.file();
            match file.as_deref().and_then(|file| self.available.has(file)) {
                Some(false) if !supervised.has_notice(FILE) => {
                    let file = file.unwrap_or_default();
                    supervised
                        .notice(FILE, &format!("{file} is gone from usr_jobs; the job goes on from the host's copy"));
                }
                Some(true) => drop(supervised.clear_notice(FILE)),
                _ => {}
            }
        }
    }

    /// A file in `usr_jobs` is new or has changed: jobs that came from it take it over.
    pub(super) async fn dropped(&self, file: &DroppedFile) {
        for supervised in self.all() {
            let known = supervised.record().file;
            if known.is_some_and(|known| known.name == file.name && known.digest != file.digest) {
                let request = Reload {
                    by: Some(USR_JOBS.to_owned()),
                    why: Some(format!("{} changed", file.name)),
                    ..Reload::default()
                };
                // Its failure is told among the job's conditions.
                let _ = self.reload(&supervised.name, request).await;
            }
        }
    }
}

/// Tells in the job itself how a change of its version went.
fn tell(supervised: &Supervised, result: &Result<(), Problem>) {
    match result {
        Ok(()) => drop(supervised.clear_notice(RELOAD)),
        Err(problem) => {
            let version = supervised.record().version;
            supervised.notice(RELOAD, &format!("{problem}\nversion {version} goes on"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Sink, Source};

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
