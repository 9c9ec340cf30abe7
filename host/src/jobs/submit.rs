//! What a submit checks before anything starts: the component, its parameters, its topics and tables. Everything that is
//! missing or wrong is told at once; nothing is changed unless `create` asks for it or all is well.

use std::sync::Arc;

use super::guest_host::GuestHost;
use super::registry::{DroppedFile, Record};
use crate::api::types::{Guarantee, Problem, Submit};
use pelton_model::name::check_name;

use crate::engine::{Engine, Job, TooLong};
use crate::metrics::Metrics;
use crate::spec::Spec;
use pelton_connect::{Connectors, Fix};
use pelton_model::partition::StartFrom;

/// Most instances of a job.
const MOST_INSTANCES: usize = 256;

/// Runs blocking work off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Problem::new(500, "internal", "a task failed", error.to_string())),
    }
}

/// Compiles a component, or says why it is not a job.
pub(super) fn load(engine: &Engine, wasm: &[u8]) -> Result<Job, Problem> {
    engine.load(wasm).map_err(|error| match error.downcast_ref::<TooLong>() {
        Some(error) => Problem::new(422, "compile-time", "the component is not compiled", error.to_string())
            .fix("try again later, or raise limits.compile_time; what never ends keeps its place until the host is restarted"),
        None => Problem::new(422, "not-a-job", "the file is not a job", format!("{error:#}")),
    })
}

/// Refuses a number of instances that can't be had.
pub(super) fn check_parallelism(parallelism: usize) -> Result<(), Problem> {
    if (1..=MOST_INSTANCES).contains(&parallelism) {
        return Ok(());
    }
    let detail = format!("parallelism {parallelism} is not between 1 and {MOST_INSTANCES}");
    Err(Problem::new(422, "bad-request", "that many instances can't be had", detail))
}

/// What is said where a job that is submitted already was to start somewhere else.
pub(super) fn not_from(name: &str, from: StartFrom) -> String {
    let from = from.as_str();
    format!(
        "{name} is submitted already and goes on from its committed offsets, not from the {from}; to begin there, cancel it \
         (`pelton cancel {name}`) and submit it again with --from {from}"
    )
}

/// Checks everything and pins where the job starts. `None` beside the record says that this very job is submitted already.
pub(super) async fn prepare(
    connectors: &Arc<Connectors>,
    request: &Submit,
    job: Job,
    file: Option<DroppedFile>,
    submitted: impl Fn(&str) -> Option<Record>,
) -> Result<(Record, Option<Job>), Problem> {
    let refused = |detail: String| Problem::new(422, "bad-request", "the job is not submitted", detail);
    if request.guarantee == Guarantee::ExactlyOnce {
        return Err(refused("exactly-once is not available in this version".to_owned())
            .fix("submit it with --guarantee at-least-once; a table with a key and on-conflict ignore or update holds each row once all the same"));
    }
    check_parallelism(request.parallelism.unwrap_or(1))?;
    let name = request.name.clone().unwrap_or_else(|| job.spec().name.clone());
    check_name(&name).map_err(|error| refused(error.to_string()))?;
    let mut record = Record::new(name.clone(), &job, request);
    record.file = file;
    if let Some(existing) = submitted(&name) {
        return if existing.is_same(&record) {
            Ok((existing, None))
        } else {
            Err(Problem::new(409, "already-submitted", format!("a job {name:?} is submitted already"), "with another component or other settings")
                .fix(format!("change it while it runs (`pelton reload`, `set`, `scale`), cancel it first (`pelton cancel {name}`; its offsets are kept), or submit this one under another --name")))
        };
    }
    configure(&job, request).await?;
    all_there(connectors, &name, job.spec(), request.create).await?;
    let from = request.from.unwrap_or(StartFrom::Latest);
    pin(connectors, &record.group, job.spec().topics(), from, request.from.is_some()).await?;
    Ok((record, Some(job)))
}

/// Checks the topics and tables of a new version of a job, and pins where it starts on topics that are new to it. One that
/// declares what the version before did needs neither Kafka nor Postgres for that.
pub(super) async fn resources(
    connectors: &Arc<Connectors>,
    record: &Record,
    spec: &Spec,
    create: bool,
) -> Result<(), Problem> {
    let (before, mut after) = (record.spec.topics(), spec.topics());
    if before == after && record.spec.sinks == spec.sinks {
        return Ok(());
    }
    all_there(connectors, &record.name, spec, create).await?;
    after.retain(|topic| !before.contains(topic));
    if after.is_empty() { Ok(()) } else { pin(connectors, &record.group, after, StartFrom::Latest, false).await }
}

/// Refuses, with everything that is missing or of the wrong shape, or creates what can be created.
async fn all_there(connectors: &Arc<Connectors>, name: &str, spec: &Spec, create: bool) -> Result<(), Problem> {
    let (connectors, name, spec) = (Arc::clone(connectors), name.to_owned(), spec.clone());
    blocking(move || {
        let findings = connectors.check(&name, &spec, create).map_err(unavailable)?;
        if findings.is_empty() {
            return Ok(());
        }
        let mut problem = Problem::new(422, "missing", "something that the job needs is missing", "");
        let creatable = findings.iter().any(|finding| finding.fix == Fix::Create);
        problem.causes = findings.into_iter().map(|finding| finding.text).collect();
        problem.fix = creatable.then(|| "repeat it with --create to create what is missing".to_owned());
        Err(problem)
    })
    .await
}

async fn pin(
    connectors: &Arc<Connectors>,
    group: &str,
    topics: Vec<String>,
    from: StartFrom,
    anew: bool,
) -> Result<(), Problem> {
    let (connectors, group) = (Arc::clone(connectors), group.to_owned());
    blocking(move || connectors.sources().pin_start(&group, &topics, from, anew).map_err(unavailable)).await
}

fn unavailable(error: pelton_connect::Error) -> Problem {
    let what = error.connector().unwrap_or("what is beside the host");
    Problem::new(503, "unavailable", format!("{what} can't be asked for what the job needs"), error.to_string())
}

/// Lets the job look at its parameters, once.
async fn configure(job: &Job, request: &Submit) -> Result<(), Problem> {
    let refused = |reason: String| Problem::new(422, "bad-parameters", "the job refuses its parameters", reason);
    let set: Vec<_> = request.parameters.clone().into_iter().collect();
    let parameters = job.parameters(&set).map_err(|error| refused(error.to_string()))?;
    let host =
        Arc::new(GuestHost::new(&job.spec().name, Arc::default(), Arc::new(Metrics::default()).job(&job.spec().name)));
    let job = job.clone();
    blocking(move || job.instantiate(&parameters, host).map(drop).map_err(|failure| refused(failure.to_string()))).await
}
