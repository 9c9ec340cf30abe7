//! How a job is doing, with the reason: what `show` and `/readyz` tell.
//!
//! Each part of a job raises and clears conditions of its own; the state is that of the worst one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::log::JobLog;
use crate::sync::lock;

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

#[derive(Debug)]
struct Inner {
    /// What the job is while nothing is wrong.
    base: State,
    conditions: BTreeMap<String, Condition>,
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
        Self { inner: Mutex::new(Inner { base: State::Starting, conditions: BTreeMap::new() }), log }
    }

    /// Says what the job is while nothing is wrong.
    pub fn set(&self, base: State) {
        let before = std::mem::replace(&mut lock(&self.inner).base, base);
        if before != base {
            self.log.add(tracing::Level::INFO, "host", base.as_str());
        }
    }

    /// Raises or renews the condition of a part; says whether the part was well before.
    pub fn raise(&self, part: &str, state: State, reason: impl Into<String>) -> bool {
        let mut inner = lock(&self.inner);
        let reason = reason.into();
        let before = inner.conditions.get(part);
        let since = before.map_or_else(Utc::now, |condition| condition.since);
        let was_well = before.is_none();
        if was_well {
            let level = if state == State::Degraded { tracing::Level::WARN } else { tracing::Level::ERROR };
            self.log.add(level, "host", format!("{part}: {reason}"));
        }
        inner.conditions.insert(part.to_owned(), Condition { part: part.to_owned(), state, reason, since });
        was_well
    }

    /// Clears the condition of a part; says whether there was one.
    pub fn clear(&self, part: &str) -> bool {
        let was_told = lock(&self.inner).conditions.remove(part).is_some();
        if was_told {
            self.log.add(tracing::Level::INFO, "host", format!("{part}: well again"));
        }
        was_told
    }

    /// Whether a condition of a part is raised.
    pub fn is_told(&self, part: &str) -> bool {
        lock(&self.inner).conditions.contains_key(part)
    }

    /// Clears all conditions, before a new attempt.
    pub fn clear_all(&self) {
        lock(&self.inner).conditions.clear();
    }

    /// The state, and what makes it so.
    pub fn get(&self) -> (State, Vec<Condition>) {
        let inner = lock(&self.inner);
        let conditions: Vec<_> = inner.conditions.values().cloned().collect();
        let state = match inner.base {
            at_rest @ (State::Stopped | State::Paused) => at_rest,
            base => conditions.iter().map(|condition| condition.state).max().unwrap_or(base),
        };
        (state, conditions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_condition_is_the_state() {
        let status = Status::default();
        assert_eq!(status.get().0, State::Starting);
        status.set(State::Running);
        assert!(status.raise("kafka", State::Degraded, "away"));
        assert!(status.raise("guest", State::Failed, "traps"));
        assert!(!status.raise("kafka", State::Degraded, "still away"));
        assert_eq!(status.get().0, State::Failed);
        assert!(status.clear("guest"));
        assert!(!status.clear("guest"));
        let (state, conditions) = status.get();
        assert_eq!((state, conditions[0].reason.as_str()), (State::Degraded, "still away"));
        status.clear_all();
        assert_eq!(status.get().0, State::Running);
    }
}
