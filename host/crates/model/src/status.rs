//! How a job is doing, with the reason: what `show` and `/readyz` tell.
//!
//! Each [part](Part) of a job raises and clears conditions of its own; the state is that of the worst one. A notice is
//! a condition that doesn't hold the job up. It ends when what it tells of is over; one of an event, which is over at
//! once, after a day.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::log::JobLog;
use crate::sync::lock;

/// How long is told what has happened and was over at once.
pub const TOLD: Duration = Duration::from_secs(24 * 3600);

/// A job's state, worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It was stopped or is about to be.
    Stopped,
    /// It is held until it is resumed.
    Paused,
    /// It works.
    Running,
    /// It is about to run.
    Starting,
    /// It works in part, or waits for something that is away.
    Degraded,
    /// Whole batches fail.
    Failing,
    /// Nothing gets through; it is retried with backoff.
    Failed,
}

impl State {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Paused => "paused",
            Self::Running => "running",
            Self::Starting => "starting",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
            Self::Failed => "failed",
        }
    }
}

/// A part of a job that can be well or not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Its attempts to run.
    Job,
    /// A client of a server, as its connector calls it.
    Client(&'static str),
    /// An instance of its component.
    Instance {
        /// From 0.
        number: usize,
        /// The job's name.
        job: String,
    },
    /// A sink, as one instance writes to it.
    Sink {
        /// The sink's name.
        sink: String,
        /// The instance's number.
        instance: usize,
    },
    /// A sink that refuses one row or message after the other: the sink's name, or the topic's.
    Refusing(String),
    /// Its rest while nothing comes: the client that it has given up for so long.
    Sleep(&'static str),
    /// A version that it is to have and that can't be put to work for now.
    Version,
    /// A version that its file in `usr_jobs` asks for, and that was refused.
    Reload,
    /// What the host has rolled back.
    Rollback,
    /// Its file in `usr_jobs`.
    File,
    /// Where its outputs go, and who else reads what it reads.
    Flow,
}

impl Part {
    /// A topic that takes nothing for now.
    pub const TOPIC: Self = Self::Client("kafka topic");
}

impl Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job => f.write_str("job"),
            Self::Client(client) | Self::Sleep(client) => f.write_str(client),
            Self::Instance { number, job } => write!(f, "instance {number} of {job}"),
            Self::Sink { sink, instance } => write!(f, "sink {sink} of instance {instance}"),
            Self::Refusing(sink) => write!(f, "refusals of {sink}"),
            Self::Version => f.write_str("version"),
            Self::Reload => f.write_str("reload"),
            Self::Rollback => f.write_str("rollback"),
            Self::File => f.write_str("file"),
            Self::Flow => f.write_str("flow"),
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Condition {
    /// Which part of the job: `kafka`, `guest`, `sink raw_sensors_data`, ….
    pub part: String,
    /// What the condition makes of the job.
    pub state: State,
    /// What is wrong, for people.
    pub reason: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// What is told of a part.
#[derive(Debug)]
struct Report {
    /// What it makes of the job; none where it is a notice.
    state: Option<State>,
    reason: String,
    since: DateTime<Utc>,
    /// When it ends by itself.
    until: Option<DateTime<Utc>>,
}

impl Report {
    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until <= Utc::now())
    }

    fn is_notice(&self) -> bool {
        self.state.is_none() && !self.is_over()
    }
}

#[derive(Debug)]
struct Inner {
    /// What the job is while nothing is wrong.
    base: State,
    told: BTreeMap<Part, Report>,
}

impl Inner {
    /// The conditions, or the notices, by part as it is printed.
    fn conditions(&self, notices: bool) -> Vec<Condition> {
        let condition = |(part, told): (&Part, &Report)| Condition {
            part: part.to_string(),
            state: told.state.unwrap_or(State::Running),
            reason: told.reason.clone(),
            since: told.since,
        };
        let is_one = |told: &Report| if notices { told.is_notice() } else { told.state.is_some() };
        let mut found: Vec<_> = self.told.iter().filter(|(_, told)| is_one(told)).map(condition).collect();
        found.sort_by(|one, other| one.part.cmp(&other.part));
        found
    }
}

/// A job's state, shared by its parts. What changes is a line in the job's log.
#[derive(Debug)]
pub struct Status {
    inner: Mutex<Inner>,
    log: Arc<JobLog>,
}

impl Default for Status {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

impl Status {
    /// Of a job that has this log.
    pub fn new(log: Arc<JobLog>) -> Self {
        Self { inner: Mutex::new(Inner { base: State::Starting, told: BTreeMap::new() }), log }
    }

    /// Says what the job is while nothing is wrong.
    pub fn set(&self, base: State) {
        let before = std::mem::replace(&mut lock(&self.inner).base, base);
        if before != base {
            self.log.add(tracing::Level::INFO, "host", base.as_str());
        }
    }

    /// Raises or renews the condition of a part; says whether the part was well before.
    pub fn raise(&self, part: &Part, state: State, reason: impl Into<String>) -> bool {
        let mut inner = lock(&self.inner);
        let reason = reason.into();
        let before = inner.told.get(part).filter(|told| told.state.is_some());
        let since = before.map_or_else(Utc::now, |told| told.since);
        let was_well = before.is_none();
        if was_well {
            let level = match state {
                State::Starting => tracing::Level::INFO,
                State::Degraded => tracing::Level::WARN,
                _ => tracing::Level::ERROR,
            };
            self.log.add(level, "host", format!("{part}: {reason}"));
        }
        inner.told.insert(part.clone(), Report { state: Some(state), reason, since, until: None });
        was_well
    }

    /// Clears the condition of a part; says whether there was one.
    pub fn clear(&self, part: &Part) -> bool {
        let was_told = self.remove(part, false);
        if was_told {
            self.log.add(tracing::Level::INFO, "host", format!("{part}: well again"));
        }
        was_told
    }

    /// Whether a condition of a part is raised.
    pub fn is_told(&self, part: &Part) -> bool {
        lock(&self.inner).told.get(part).is_some_and(|told| told.state.is_some())
    }

    /// Whether a sink is held, since it refuses one row or message after the other.
    pub fn is_held(&self) -> bool {
        let is_held =
            |(part, told): (&Part, &Report)| matches!(part, Part::Refusing(_)) && told.state == Some(State::Failed);
        lock(&self.inner).told.iter().any(is_held)
    }

    /// Whether it is told of a sink that it can't be written to for now.
    pub fn waits_for_a_sink(&self) -> bool {
        let waits = |(part, told): (&Part, &Report)| {
            (matches!(part, Part::Sink { .. }) || *part == Part::TOPIC) && told.state.is_some()
        };
        lock(&self.inner).told.iter().any(waits)
    }

    /// Clears all conditions, before a new attempt; notices stay.
    pub fn clear_all(&self) {
        lock(&self.inner).told.retain(|_, told| told.state.is_none());
    }

    /// Tells of a part what does not hold the job up, until it is cleared; it is a line in the log as well.
    pub fn notice(&self, part: &Part, reason: impl Into<String>) {
        let reason = reason.into();
        self.log.add(tracing::Level::WARN, "host", format!("{part}: {reason}"));
        self.note(part, reason);
    }

    /// The same, without a line in the log.
    pub fn note(&self, part: &Part, reason: impl Into<String>) {
        self.tell(part, reason.into(), None);
    }

    /// Tells of a part what has happened, for so long, or until it is cleared; it is a line in the log as well.
    pub fn event(&self, part: &Part, reason: impl Into<String>, lasting: Duration) {
        let reason = reason.into();
        self.log.add(tracing::Level::WARN, "host", format!("{part}: {reason}"));
        self.tell(part, reason, Utc::now().checked_add_signed(TimeDelta::from_std(lasting).unwrap_or_default()));
    }

    fn tell(&self, part: &Part, reason: String, until: Option<DateTime<Utc>>) {
        let told = Report { state: None, reason, since: Utc::now(), until };
        lock(&self.inner).told.insert(part.clone(), told);
    }

    /// Clears a notice; says whether there was one.
    pub fn clear_notice(&self, part: &Part) -> bool {
        self.remove(part, true)
    }

    /// Whether there is a notice of a part.
    pub fn has_notice(&self, part: &Part) -> bool {
        lock(&self.inner).told.get(part).is_some_and(Report::is_notice)
    }

    fn remove(&self, part: &Part, notice: bool) -> bool {
        let told = &mut lock(&self.inner).told;
        let is_there = told.get(part).is_some_and(|told| told.state.is_none() == notice);
        is_there && told.remove(part).is_some()
    }

    /// The state, and what makes it so.
    pub fn get(&self) -> (State, Vec<Condition>) {
        let inner = lock(&self.inner);
        let state = match inner.base {
            at_rest @ (State::Stopped | State::Paused) => at_rest,
            base => inner.told.values().filter_map(|told| told.state).max().unwrap_or(base),
        };
        (state, inner.conditions(false))
    }

    /// The notices.
    pub fn notices(&self) -> Vec<Condition> {
        lock(&self.inner).conditions(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_condition_is_the_state() {
        let status = Status::default();
        let guest = Part::Instance { number: 0, job: "a".to_owned() };
        assert_eq!(status.get().0, State::Starting);
        status.set(State::Running);
        assert!(status.raise(&Part::Client("kafka consumer"), State::Degraded, "away"));
        assert!(status.raise(&guest, State::Failed, "traps"));
        assert!(!status.raise(&Part::Client("kafka consumer"), State::Degraded, "still away"));
        assert_eq!(status.get().0, State::Failed);
        assert!(status.clear(&guest));
        assert!(!status.clear(&guest));
        let (state, conditions) = status.get();
        assert_eq!((state, conditions[0].reason.as_str()), (State::Degraded, "still away"));
        status.clear_all();
        assert_eq!(status.get().0, State::Running);
    }
    #[test]
    fn a_notice_is_no_state_and_outlives_attempts() {
        let status = Status::default();
        status.notice(&Part::File, "gone");
        assert_eq!(status.get(), (State::Starting, Vec::new()));
        status.raise(&Part::Job, State::Failed, "broken");
        status.clear_all();
        assert!(!status.clear(&Part::File), "it is no condition");
        let notices = status.notices();
        assert_eq!((notices[0].part.as_str(), notices[0].state), ("file", State::Running));
        assert!(status.clear_notice(&Part::File) && !status.has_notice(&Part::File));
    }

    #[test]
    fn an_event_is_told_for_a_time() {
        let log = Arc::<JobLog>::default();
        let status = Status::new(Arc::clone(&log));
        status.event(&Part::Rollback, "went back", TOLD);
        assert_eq!(status.notices()[0].reason, "went back");
        status.event(&Part::Rollback, "went back again", Duration::ZERO);
        assert!(status.notices().is_empty() && !status.has_notice(&Part::Rollback));
        assert_eq!(status.get(), (State::Starting, Vec::new()));
        // The log has it all the same.
        assert_eq!(log.since(0, 1)[0].line.message, "rollback: went back again");
    }
}
