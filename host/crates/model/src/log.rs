//! A job's log: its own lines and what happens to it, the last of them, for `pelton logs` and the page. What it keeps
//! is bounded in lines and in bytes, however many read it: they share its lines.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::sync::lock;

/// How many lines are kept of each job.
const KEPT: usize = 1000;
/// How many bytes of text are kept of each job. One longer line is kept alone.
const KEPT_BYTES: usize = 4 << 20;

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

/// A line that is kept, shared by all who read it.
#[derive(Debug)]
pub struct Kept {
    /// The line.
    pub line: LogLine,
    encoded: OnceLock<Bytes>,
}

impl Kept {
    /// The line as it is sent, encoded for the first who asks and shared by all others.
    pub fn encoded(&self, encode: impl FnOnce(&LogLine) -> Bytes) -> Bytes {
        self.encoded.get_or_init(|| encode(&self.line)).clone()
    }
}

/// The last lines of one job.
#[derive(Debug)]
pub struct JobLog {
    lines: Mutex<Lines>,
    last: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<Arc<Kept>>,
    /// Of all messages that are kept.
    bytes: usize,
}

impl Default for JobLog {
    fn default() -> Self {
        Self { lines: Mutex::default(), last: watch::Sender::new(0) }
    }
}

impl JobLog {
    /// Adds a line; the oldest go where there are too many.
    pub fn add(&self, level: tracing::Level, source: &str, message: impl Into<String>) {
        let mut lines = lock(&self.lines);
        let seq = *self.last.borrow() + 1;
        let level = level.as_str().to_ascii_lowercase();
        let line = LogLine { seq, at: Utc::now(), level, source: source.to_owned(), message: message.into() };
        lines.bytes += line.message.len();
        lines.kept.push_back(Arc::new(Kept { line, encoded: OnceLock::new() }));
        while lines.kept.len() > KEPT || (lines.bytes > KEPT_BYTES && lines.kept.len() > 1) {
            let Some(oldest) = lines.kept.pop_front() else { break };
            lines.bytes -= oldest.line.message.len();
        }
        self.last.send_replace(seq);
    }

    /// The kept lines after number `since`, the last `limit` of them.
    pub fn since(&self, since: u64, limit: usize) -> Vec<Arc<Kept>> {
        let lines = lock(&self.lines);
        let due = lines.kept.iter().filter(|kept| kept.line.seq > since).count();
        lines.kept.iter().filter(|kept| kept.line.seq > since).skip(due.saturating_sub(limit)).cloned().collect()
    }

    /// The first kept line after number `since`.
    pub fn after(&self, since: u64) -> Option<Arc<Kept>> {
        let lines = lock(&self.lines);
        let next = lines.kept.partition_point(|kept| kept.line.seq <= since);
        lines.kept.get(next).cloned()
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
        assert_eq!((all.len(), all[0].line.seq, all[0].line.message.as_str()), (KEPT, 6, "5"));
        let last = log.since(KEPT as u64 + 1, 2);
        assert_eq!(last.iter().map(|kept| kept.line.seq).collect::<Vec<_>>(), [KEPT as u64 + 4, KEPT as u64 + 5]);
        assert!(log.since(KEPT as u64 + 5, 10).is_empty());
        let after = |since| log.after(since).map(|kept| kept.line.seq);
        assert_eq!((after(0), after(6), after(KEPT as u64 + 5)), (Some(6), Some(7), None));
    }

    #[test]
    fn long_lines_are_kept_in_bounds_and_the_last_always() {
        let log = JobLog::default();
        for _ in 0..100 {
            log.add(tracing::Level::INFO, "job", "x".repeat(KEPT_BYTES / 4));
        }
        assert_eq!(log.since(0, usize::MAX).len(), 4);
        log.add(tracing::Level::INFO, "job", "x".repeat(KEPT_BYTES * 2));
        log.add(tracing::Level::INFO, "job", "last");
        let all = log.since(0, usize::MAX);
        assert_eq!(all.iter().map(|kept| kept.line.message.len()).collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn a_line_is_encoded_once_for_all() {
        let log = JobLog::default();
        log.add(tracing::Level::INFO, "job", "one");
        let first = log.since(0, 1)[0].encoded(|line| Bytes::from(line.message.clone()));
        let second = log.after(0).unwrap().encoded(|_| unreachable!());
        assert_eq!(first, "one");
        assert_eq!(first.as_ptr(), second.as_ptr());
    }
}
