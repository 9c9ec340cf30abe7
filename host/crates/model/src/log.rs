//! A job's log: its own lines and what happens to it, the last of them, for `pelton logs` and the page.

use std::collections::VecDeque;
use std::sync::Mutex;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::sync::lock;

/// How many lines are kept of each job.
const KEPT: usize = 1000;

/// A line of a job's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogLine {
    /// Its number, from 1, since the host started.
    pub seq: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// `job` for the job's own lines, `host` for what the host says of it.
    pub source: String,
    /// The line.
    pub message: String,
}

/// The last lines of one job.
#[derive(Debug)]
pub struct JobLog {
    lines: Mutex<VecDeque<LogLine>>,
    last: watch::Sender<u64>,
}

impl Default for JobLog {
    fn default() -> Self {
        Self { lines: Mutex::default(), last: watch::Sender::new(0) }
    }
}

impl JobLog {
    /// Adds a line; the oldest goes where there are too many.
    pub fn add(&self, level: tracing::Level, source: &str, message: impl Into<String>) {
        let mut lines = lock(&self.lines);
        let seq = *self.last.borrow() + 1;
        let level = level.as_str().to_ascii_lowercase();
        lines.push_back(LogLine { seq, at: Utc::now(), level, source: source.to_owned(), message: message.into() });
        if lines.len() > KEPT {
            lines.pop_front();
        }
        self.last.send_replace(seq);
    }

    /// The kept lines after number `since`, the last `limit` of them.
    pub fn since(&self, since: u64, limit: usize) -> Vec<LogLine> {
        let lines = lock(&self.lines);
        let due = lines.iter().filter(|line| line.seq > since).count();
        lines.iter().filter(|line| line.seq > since).skip(due.saturating_sub(limit)).cloned().collect()
    }

    /// Tells the number of the last line whenever there is a new one.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept() {
        let log = JobLog::default();
        for i in 0..KEPT + 5 {
            log.add(tracing::Level::INFO, "job", i.to_string());
        }
        let all = log.since(0, usize::MAX);
        assert_eq!((all.len(), all[0].seq, all[0].message.as_str()), (KEPT, 6, "5"));
        let last = log.since(KEPT as u64 + 1, 2);
        assert_eq!(last.iter().map(|line| line.seq).collect::<Vec<_>>(), [KEPT as u64 + 4, KEPT as u64 + 5]);
        assert!(log.since(KEPT as u64 + 5, 10).is_empty());
    }
}
