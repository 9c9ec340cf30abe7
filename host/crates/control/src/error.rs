//! Why the control plane refuses something.

mod letters;

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::sync::Arc;

use pelton_connect::letters::LettersError;
use pelton_model::error::Error as ModelError;
use pelton_model::explanation::Explanation;
use pelton_model::text::{cut, line, quoted};
use pelton_pipeline::redrive::RedriveError;

/// Most instances of a job.
pub(crate) const MOST_INSTANCES: usize = 256;
/// Longest list of files in a refusal, bytes.
const LIST_BYTES: usize = 2_000;
/// Longest shadow run, seconds.
pub(crate) const LONGEST_SHADOW: u32 = 3600;

/// A refusal.
#[derive(Debug, Clone)]
pub enum Error {
    /// No job of that name is submitted.
    NoSuchJob(String),
    /// The job has been cancelled and is about to end.
    Ending(String),
    /// A change would end the instances of a job that remembers something.
    WouldForget {
        /// The job.
        job: String,
        /// What it remembers.
        what: String,
    },
    /// The history of a job that is not gone can't be purged.
    StillSubmitted(String),
    /// The job was changed by others at every try.
    Contended(String),
    /// A request names no component, or two.
    WhichComponent,
    /// No such component was uploaded, or it is damaged.
    NoSuchComponent(String),
    /// Nothing of that name is in `usr_jobs`.
    NotAvailable {
        /// What was asked for.
        name: String,
        /// The folder.
        folder: PathBuf,
        /// What the folder has instead.
        has: String,
    },
    /// A file in `usr_jobs` is being written or has not been read yet.
    Unsettled {
        /// The file, and what happens to it.
        what: String,
        /// Why.
        cause: String,
    },
    /// A component is no job.
    NotAJob {
        /// The file's name, where it is one of `usr_jobs`.
        file: Option<String>,
        /// Why.
        cause: String,
    },
    /// Compiling takes too long.
    CompileTime(String),
    /// Another job has that name.
    AlreadySubmitted(String),
    /// Another job reads with that consumer group.
    GroupTaken {
        /// The group.
        group: String,
        /// The job that has it.
        job: String,
    },
    /// A submitted job is to have another consumer group.
    OtherGroup {
        /// The job.
        job: String,
        /// The group that it has.
        has: String,
        /// The one that it is to have.
        wanted: String,
    },
    /// A job would read its own dead letters.
    OwnLetters {
        /// The job.
        job: String,
        /// Its dead-letter topic.
        topic: String,
    },
    /// A job would write into what it reads.
    OwnSource {
        /// The job.
        job: String,
        /// The topics that it reads and writes.
        topics: Vec<String>,
        /// What allows it.
        allow: &'static str,
    },
    /// The guarantee can't be given.
    NoExactlyOnce,
    /// The name is none.
    BadName(String),
    /// A text of a request is longer than it may be, or not clean.
    BadText(String),
    /// That many instances can't be had.
    BadParallelism(usize),
    /// The job refuses its parameters.
    BadParameters(String),
    /// The parameters that are kept don't fit the version that is kept.
    UnfitParameters(String),
    /// A server can't be asked for what the job needs.
    Away {
        /// Its name.
        server: String,
        /// Why.
        cause: String,
    },
    /// What the job needs is missing or of the wrong shape.
    Missing {
        /// What.
        causes: Vec<String>,
        /// What would help.
        help: Help,
    },
    /// A job is to start where its topics have nothing.
    NoSuchOffset {
        /// What they have instead, by partition.
        causes: Vec<String>,
    },
    /// No topic of that name is there.
    NoSuchTopic(String),
    /// So many look into topics already.
    TooManyLooks(usize),
    /// A seek of a job that is not held.
    NotPaused(String),
    /// A seek of a job whose group has members.
    GroupInUse {
        /// The job.
        job: String,
        /// The group.
        group: String,
    },
    /// A reload names no component, and the job came from no file.
    NoFile(String),
    /// A reload would drop something.
    WouldDrop {
        /// The job.
        job: String,
        /// The difference, by lines.
        lines: Vec<String>,
    },
    /// There is no version to go back to.
    NoEarlierVersion {
        /// The job.
        job: String,
        /// The version asked for.
        wanted: Option<u32>,
        /// The version that runs.
        runs: u32,
    },
    /// A shadow run can't last that long.
    BadShadowTime(u32),
    /// A shadow run of a job that is not running yet.
    NotRunning(String),
    /// No shadow run was started.
    NoShadow(String),
    /// A redrive or purge of the job is under way.
    Busy(String),
    /// A redrive of a job that is not submitted.
    NothingToRedriveThrough(String),
    /// Dead letters can't be found, shown or purged.
    Letters(Arc<LettersError>),
    /// A redrive was ended.
    Redrive(Arc<RedriveError>),
    /// The host is stopping; what was asked for is written down.
    Stopping(String),
    /// The host failed.
    Internal {
        /// At what.
        what: String,
        /// Why.
        cause: String,
    },
}

/// What helps where something is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Help {
    /// Whether any of it has to be mended by hand first.
    pub by_hand: bool,
    /// Whether `--create` would make any of it.
    pub creatable: bool,
    /// What `--create-source` would make.
    pub sources: Vec<String>,
    /// Whether the job is asked for by a file, which has keys for these flags.
    pub of_a_file: bool,
}

impl Help {
    fn told(&self) -> Option<String> {
        let name = |topic: &String| format!("--create-source {}", line(topic));
        let sources = match self.sources.iter().map(name).collect::<Vec<_>>() {
            names if self.of_a_file && !names.is_empty() => {
                format!("`create_sources = {:?}` in its file", self.sources)
            }
            names => names.join(" "),
        };
        let create = if self.of_a_file { "`create = true` in its file" } else { "--create" };
        let told = match (self.creatable, sources.is_empty()) {
            (false, true) => return None,
            (true, true) => format!("repeat it with {create} to create what is missing"),
            (false, false) => format!("if the name is right, repeat it with {sources} to create what the job reads"),
            (true, false) => format!(
                "repeat it with {create} to create what the job writes, and, if the name is right, with {sources} to \
                 create what it reads"
            ),
        };
        Some(if self.by_hand { format!("mend what can't be created; then {told}") } else { told })
    }
}

impl Error {
    /// The same from whoever has no way to ask for anything to be made.
    pub(crate) fn without_create(self) -> Self {
        match self {
            Self::Missing { causes, .. } => Self::Missing { causes, help: Help::default() },
            error => error,
        }
    }

    /// The same for whoever asks by a file.
    pub(crate) fn of_a_file(self) -> Self {
        match self {
            Self::Missing { causes, help } => Self::Missing { causes, help: Help { of_a_file: true, ..help } },
            Self::OwnSource { job, topics, .. } => {
                Self::OwnSource { job, topics, allow: "`allow_loop = true` in its file" }
            }
            error => error,
        }
    }

    /// The same, with what was created before it: it stays.
    pub(crate) fn after(mut self, created: &[String]) -> Self {
        let told = format!("created before that: {}", created.join(", "));
        match &mut self {
            _ if created.is_empty() => {}
            Self::Away { cause, .. } => *cause = format!("{cause}; {told}"),
            Self::Missing { causes, .. } | Self::NoSuchOffset { causes } => causes.push(told),
            _ => {}
        }
        self
    }

    /// A failure of the host, which is a line in its log as well.
    pub(crate) fn internal(what: &str, cause: &dyn Display) -> Self {
        tracing::error!("{what}: {cause:#}");
        Self::Internal { what: what.to_owned(), cause: format!("{cause:#}") }
    }

    /// Whether the same may go well later, with nothing changed.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unsettled { .. } | Self::Away { .. } | Self::Stopping(_))
    }

    /// Whether it asks whoever reloads for a decision.
    pub fn is_question(&self) -> bool {
        matches!(self, Self::WouldDrop { .. } | Self::WouldForget { .. })
    }

    /// The cause, the place, and what to do.
    pub fn explain(&self) -> Explanation {
        let because = |code, title: &str, cause: &str| Explanation::new(code, title, cause);
        let not_submitted = |cause: &str| because("bad-request", "the job is not submitted", cause);
        match self {
            Self::NoSuchJob(job) => {
                because("no-such-job", &format!("there is no job {}", quoted(job)), "it is not submitted on this host")
                    .fix("`pelton list` shows the jobs")
            }
            Self::Ending(job) => because("ending", &format!("{job} is being cancelled"), "it delivers what is in flight")
                .fix("wait until it is gone, and submit it again if it is to go on"),
            Self::WouldForget { job, what } => because(
                "would-forget",
                &format!("{job} is not changed: it would forget something"),
                &format!("it declares that it remembers, and this ends its instances: {what}"),
            )
            .fix("do it with --force if that is meant; it goes on from its offsets, and with nothing remembered"),
            Self::StillSubmitted(job) => {
                because("still-submitted", &format!("the history of {job} is not purged"), "the job is submitted")
                    .fix(format!("cancel it first (`pelton cancel {job}`)"))
            }
            Self::Contended(job) => {
                because("contended", &format!("{job} is not changed"), "others were changing it all the time").fix("try again")
            }
            Self::WhichComponent => {
                because("bad-request", "the request makes no sense", "give either `available` or `digest`")
            }
            Self::NoSuchComponent(cause) => {
                because("no-such-component", "no such component", cause)
                    .fix("submit the file itself; programs upload it first (`POST /api/v1/components`)")
            }
            Self::NotAvailable { name, folder, has } => because(
                "not-available",
                &format!("no job {} is available", quoted(name)),
                &format!("the host's folder {} {}", folder.display(), cut(has, LIST_BYTES)),
            )
            .fix("drop its .wasm there, or submit the file itself"),
            Self::Unsettled { what, cause } => because("unavailable", what, cause).fix("try again"),
            Self::NotAJob { file, cause } => {
                because("not-a-job", &format!("{} is not a job", file.as_deref().unwrap_or("the file")), cause)
            }
            Self::CompileTime(cause) => because("compile-time", "the component is not compiled", cause).fix(
                "try again later, or raise limits.compile_time",
            ),
            Self::AlreadySubmitted(job) => because(
                "already-submitted",
                &format!("a job {job:?} is submitted already"),
                "with another component or other settings",
            )
            .fix(format!(
                "change it while it runs (`pelton reload`, `set`, `scale`), cancel it first (`pelton cancel {job}`; its offsets \
                 are kept), or submit this one under another --name"
            )),
            Self::GroupTaken { group, job } => because(
                "group-taken",
                "the job is not submitted",
                &format!("the consumer group {group:?} is the one of the job {job}: they would take each other's records"),
            )
            .fix("leave --group out, or give it a group of its own; two jobs with a group each have all records both"),
            Self::OtherGroup { job, has, wanted } => because(
                "other-group",
                &format!("{job} is not changed"),
                &format!("it reads with the consumer group {has:?}, not with {wanted:?}: its offsets would be others"),
            )
            .fix(format!(
                "leave `group` as it is, or cancel the job (`pelton cancel {job}`) and apply this again, with `from`"
            )),
            Self::OwnLetters { job, topic } => because(
                "own-dead-letters",
                &format!("{job} can't read its own dead letters"),
                &format!("a record of {topic:?} that it gives up would come back to it for ever"),
            )
            .fix(format!(
                "bring dead letters back with `pelton dlq redrive {job}`, or read them with a job of another --name"
            )),
            Self::OwnSource { job, topics, allow } => because(
                "own-source",
                &format!("{job} would write into what it reads"),
                &format!("each output to {} may make another one, without end", topics.join(", ")),
            )
            .fix(format!(
                "submit it with {allow} if that is meant; where it is submitted already, cancel it first \
                 (`pelton cancel {job}`; its offsets are kept)"
            )),
            Self::NoExactlyOnce => not_submitted("exactly-once is not available in this version").fix(
                "submit it with --guarantee at-least-once; a table with a key and on-conflict ignore or update holds each \
                 row once all the same",
            ),
            Self::BadName(cause) => not_submitted(cause),
            Self::BadText(cause) => because("bad-request", "the request makes no sense", cause),
            Self::BadParallelism(asked) => because(
                "bad-request",
                "that many instances can't be had",
                &format!("parallelism {asked} is not between 1 and {MOST_INSTANCES}"),
            ),
            Self::BadParameters(cause) => because("bad-parameters", "the job refuses its parameters", cause),
            Self::UnfitParameters(cause) => {
                because("bad-parameters", "the job's parameters don't fit its version", cause)
            }
            Self::Away { server, cause } => {
                because("unavailable", &format!("{server} can't be asked for what the job needs"), cause)
            }
            Self::Missing { causes, help } => Explanation {
                code: "missing",
                title: "something that the job needs is missing".to_owned(),
                causes: causes.clone(),
                fix: help.told(),
            },
            Self::NoSuchOffset { causes } => Explanation {
                code: "no-such-offset",
                title: "the job can't start there".to_owned(),
                causes: causes.clone(),
                fix: Some("name partitions and offsets that are there, or the next offset for the end".to_owned()),
            },
            Self::NoSuchTopic(topic) => {
                because("no-such-topic", &format!("there is no topic {topic:?}"), "Kafka has none of that name")
            }
            Self::TooManyLooks(most) => {
                because("too-many-streams", "the topic is not looked into", &format!("{most} others look into topics"))
                    .fix("end a `pelton tail -f` that nobody looks at, or try again in a second")
            }
            Self::NotPaused(job) => {
                because("not-paused", &format!("{job} is not moved"), "it is not paused, and commits its own offsets")
                    .fix(format!(
                        "hold it first (`pelton pause {job}`), and let it go on afterwards (`pelton resume {job}`)"
                    ))
            }
            Self::GroupInUse { job, group } => because(
                "group-in-use",
                &format!("{job} is not moved"),
                &format!(
                    "its consumer group {group:?} has members elsewhere, such as on other hosts, and Kafka takes \
                     offsets from these only"
                ),
            )
            .fix("pause the job on every host that runs it in this group, and seek again"),
            Self::NoFile(job) => because(
                "bad-request",
                &format!("{job} is not reloaded"),
                "it did not come from a file in usr_jobs, so there is none to look at",
            )
            .fix(format!("say which component: pelton reload {job} FILE")),
            Self::WouldDrop { job, lines } => Explanation {
                code: "would-drop",
                title: format!("{job} is not reloaded: the new version would drop something"),
                causes: lines.clone(),
                fix: Some("reload it with --force if that is meant; the version before goes on until then".to_owned()),
            },
            Self::NoEarlierVersion { job, wanted, runs } => {
                let wanted = wanted.map_or("earlier version".to_owned(), |to| format!("version {to}"));
                because("no-earlier-version", &format!("{job} has no {wanted}"), &format!("it runs version {runs}"))
                    .fix(format!("`pelton show {job}` lists its versions"))
            }
            Self::BadShadowTime(seconds) => because(
                "bad-request",
                "the shadow run is not started",
                &format!("{seconds} seconds are not between 1 and {LONGEST_SHADOW}"),
            ),
            Self::NotRunning(job) => {
                because("not-running", "the shadow run is not started", &format!("{job} is not running yet"))
            }
            Self::NoShadow(job) => because(
                "no-shadow",
                &format!("{job} has no shadow run"),
                "none was started since the host runs the job",
            ),
            Self::Busy(job) => because(
                "busy",
                &format!("the dead letters of {job:?} are being redriven or purged already"),
                "one redrive or purge of a job runs at a time",
            )
            .fix("try again when it is done"),
            Self::NothingToRedriveThrough(job) => because(
                "not-submitted",
                &format!("the job {job:?} is not submitted, so nothing can be redriven through it"),
                "its dead letters are kept",
            )
            .fix("submit it again, then redrive"),
            Self::Letters(error) => letters::explain(error),
            Self::Redrive(error) => letters::explain_redrive(error),
            Self::Stopping(job) => {
                because("stopping", "the host is stopping", &format!("what was asked of {job} is kept"))
                    .fix("look again when the host is back: it is done then")
            }
            Self::Internal { what, cause } => because("internal", what, cause),
        }
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.explain().fmt(f)
    }
}

impl std::error::Error for Error {}

/// Of the bounds that texts of requests have.
impl From<ModelError> for Error {
    fn from(error: ModelError) -> Self {
        Self::BadText(error.to_string())
    }
}

impl From<LettersError> for Error {
    fn from(error: LettersError) -> Self {
        Self::Letters(Arc::new(error))
    }
}

impl From<RedriveError> for Error {
    fn from(error: RedriveError) -> Self {
        Self::Redrive(Arc::new(error))
    }
}
