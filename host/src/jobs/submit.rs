//! What a submit checks before anything starts: the component, its parameters, its topics and tables. Everything that is
//! missing or wrong is told at once; nothing is changed unless `create` asks for it or all is well.

use std::sync::Arc;

use super::guest_host::GuestHost;
use super::registry::{DroppedFile, Record};
use crate::api::types::{Guarantee, Problem, Submit};
use crate::config::Config;
use crate::dead_letter;
use pelton_model::name::check_name;

use crate::engine::{Engine, Job, TooLong};
use crate::kafka::{Admin, StartFrom};
use crate::metrics::Metrics;
use crate::sink::postgres::{self, PostgresConfig, Session};
use crate::spec::{Spec, Target};

/// Most instances of a job.
const MOST_INSTANCES: usize = 256;
/// Partitions of a topic that is created beside no other.
const PARTITIONS: i32 = 1;
/// What dead letters may be larger than their records: the headers that tell of them.
const DEAD_LETTER_ROOM: u64 = 64 << 10;

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
    config: &Arc<Config>,
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
    let config = Arc::clone(config);
    let admin = Arc::new(Admin::new(&config.kafka).map_err(|error| unavailable("Kafka", &error))?);
    all_there(&config, &admin, &name, job.spec(), request.create).await?;
    pin(admin, &record.group, job.spec().topics(), request.from.unwrap_or(StartFrom::Latest), request.from.is_some())
        .await?;
    Ok((record, Some(job)))
}

/// Checks the topics and tables of a new version of a job, and pins where it starts on topics that are new to it. One that
/// declares what the version before did needs neither Kafka nor Postgres for that.
pub(super) async fn resources(config: &Config, record: &Record, spec: &Spec, create: bool) -> Result<(), Problem> {
    let (before, mut after) = (record.spec.topics(), spec.topics());
    if before == after && record.spec.sinks == spec.sinks {
        return Ok(());
    }
    let admin = Arc::new(Admin::new(&config.kafka).map_err(|error| unavailable("Kafka", &error))?);
    all_there(config, &admin, &record.name, spec, create).await?;
    after.retain(|topic| !before.contains(topic));
    if after.is_empty() { Ok(()) } else { pin(admin, &record.group, after, StartFrom::Latest, false).await }
}

/// Refuses, with everything that is missing or of the wrong shape, or creates what can be created.
async fn all_there(config: &Config, admin: &Arc<Admin>, name: &str, spec: &Spec, create: bool) -> Result<(), Problem> {
    let mut problems = Problems::default();
    topics(admin, spec, name, create, &mut problems).await?;
    tables(config, name, spec, create, &mut problems).await?;
    if problems.missing.is_empty() {
        return Ok(());
    }
    let mut problem = Problem::new(422, "missing", "something that the job needs is missing", "");
    problem.causes = problems.missing;
    problem.fix = problems.creatable.then(|| "repeat it with --create to create what is missing".to_owned());
    Err(problem)
}

async fn pin(admin: Arc<Admin>, group: &str, topics: Vec<String>, from: StartFrom, anew: bool) -> Result<(), Problem> {
    let group = group.to_owned();
    blocking(move || {
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        admin.pin_start(&group, &topics, from, anew).map_err(|error| unavailable("Kafka", &error))
    })
    .await
}

fn unavailable(what: &str, error: &anyhow::Error) -> Problem {
    Problem::new(503, "unavailable", format!("{what} can't be asked for what the job needs"), format!("{error:#}"))
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

#[derive(Debug, Default)]
struct Problems {
    missing: Vec<String>,
    /// Whether `--create` would help with any of them.
    creatable: bool,
}

impl Problems {
    fn add(&mut self, text: String, creatable: bool) {
        self.missing.push(text);
        self.creatable |= creatable;
    }
}

async fn partitions(admin: &Arc<Admin>, topic: &str) -> Result<Option<i32>, Problem> {
    let (admin, topic) = (Arc::clone(admin), topic.to_owned());
    blocking(move || admin.partitions(&topic).map_err(|error| unavailable("Kafka", &error))).await
}

/// Checks the topics. The dead-letter topic is Pelton's own and is made without being asked for.
async fn topics(
    admin: &Arc<Admin>,
    spec: &Spec,
    name: &str,
    create: bool,
    problems: &mut Problems,
) -> Result<(), Problem> {
    let mut like = PARTITIONS;
    let sources = spec.sources.iter().map(|source| (source.topic.as_str(), "reads"));
    let sinks = spec.sinks.iter().filter_map(|sink| match &sink.target {
        Target::Topic(topic) => Some((topic.as_str(), "writes")),
        _ => None,
    });
    for (topic, verb) in sources.chain(sinks) {
        match partitions(admin, topic).await? {
            Some(found) => like = like.max(found),
            None if create => {
                let made = admin.create_topic(topic, like, &[]).await;
                made.map_err(|error| unavailable("Kafka", &error))?;
                tracing::info!("created topic {topic} with {like} partitions for job {name}");
            }
            None => problems.add(format!("topic {topic:?}, which the job {verb}, does not exist"), true),
        }
    }
    let dead = dead_letter::topic(name);
    if problems.missing.is_empty() && partitions(admin, &dead).await?.is_none() {
        let mut largest = None;
        for source in &spec.sources {
            let setting = admin.topic_setting(&source.topic, "max.message.bytes").await;
            largest = largest.max(setting.and_then(|setting| setting.parse::<u64>().ok()));
        }
        let largest = largest.map(|bytes| (bytes + DEAD_LETTER_ROOM).min(i32::MAX as u64).to_string());
        let mut settings = vec![("retention.ms", "-1")];
        settings.extend(largest.as_deref().map(|bytes| ("max.message.bytes", bytes)));
        if let Err(error) = admin.create_topic(&dead, PARTITIONS, &settings).await {
            problems
                .add(format!("the dead-letter topic {dead:?} does not exist and can't be created: {error:#}"), false);
        }
    }
    Ok(())
}

/// Checks the tables and statements.
async fn tables(
    config: &Config,
    name: &str,
    spec: &Spec,
    create: bool,
    problems: &mut Problems,
) -> Result<(), Problem> {
    let targets: Vec<_> = spec.sinks.iter().filter(|sink| !matches!(sink.target, Target::Topic(_))).collect();
    if targets.is_empty() {
        return Ok(());
    }
    let away = |error: String| unavailable("Postgres", &anyhow::anyhow!("{error}"));
    let settings = PostgresConfig::of(&config.postgres).map_err(|error| away(format!("{error:#}")))?;
    let application = format!("pelton/{name}");
    let session = Session::connect(&settings.url, &application, settings.connect_timeout).await.map_err(away)?;
    for sink in targets {
        let mut found = postgres::check(session.client(), &sink.target).await.map_err(away)?;
        if let Target::Table(table) = &sink.target
            && create
            && found.iter().any(|problem| problem.creatable)
        {
            postgres::create(session.client(), table).await.map_err(away)?;
            tracing::info!("created table {} for job {name}", table.name);
            found = postgres::check(session.client(), &sink.target).await.map_err(away)?;
        }
        for problem in found {
            problems.add(problem.text, problem.creatable);
        }
    }
    Ok(())
}
