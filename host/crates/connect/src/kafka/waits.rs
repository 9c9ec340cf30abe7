//! Tells that a job waits for its partitions, and how long that may take.
//!
//! Whoever joins a group waits until it has dealt its partitions out, which takes seconds. Where a member is gone
//! without a word its partitions are free once its session is over. Until then nothing is read, so the job is not
//! running.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use pelton_model::status::{Part, State, Status};
use pelton_model::sync::lock;

/// The part under which it is told.
pub(super) const PART: Part = Part::Client("kafka group");
/// How long a rebalance takes before it is told.
pub(super) const REBALANCE: Duration = Duration::from_secs(5);
/// What a group takes beside the end of a session.
const SETTLE: Duration = Duration::from_secs(5);

/// How long a group keeps the place of a member that it does not hear of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    pub(super) timeout: Duration,
    /// The setting that says so.
    pub(super) setting: &'static str,
    /// Whether the group tells a member that it has no partition; if not, one that has got none within the time of a
    /// session has none.
    pub(super) tells_of_none: bool,
}

#[derive(Debug)]
struct Wait {
    began: DateTime<Utc>,
    tell_at: Instant,
    until: Instant,
    /// What has been told: whether it takes longer than it may.
    told: Option<bool>,
}

/// Whether a member waits for its partitions.
#[derive(Debug)]
pub(super) struct Waits {
    group: String,
    session: Session,
    status: Arc<Status>,
    wait: Mutex<Option<Wait>>,
}

impl Waits {
    pub(super) fn new(group: &str, session: Session, status: &Arc<Status>) -> Self {
        Self { group: group.to_owned(), session, status: Arc::clone(status), wait: Mutex::default() }
    }

    /// Says that it has no partition from now on; that is told after a while.
    pub(super) fn begin(&self, after: Duration) {
        let now = Instant::now();
        let until = now + self.session.timeout + SETTLE;
        *lock(&self.wait) = Some(Wait { began: Utc::now(), tell_at: now + after, until, told: None });
        self.status.clear_notice(&PART);
        self.look();
    }

    /// Says that the group has dealt its partitions out.
    pub(super) fn end(&self, has_any: bool) {
        *lock(&self.wait) = None;
        self.status.clear(&PART);
        if has_any {
            self.status.clear_notice(&PART);
        } else {
            self.status
                .note(&PART, format!("has no partition: other members of group {:?} have all of them", self.group));
        }
    }

    /// Says that it is no member any more.
    pub(super) fn close(&self) {
        *lock(&self.wait) = None;
        self.status.clear(&PART);
        self.status.clear_notice(&PART);
    }

    /// Tells what is due.
    pub(super) fn look(&self) {
        let now = Instant::now();
        let mut waits = lock(&self.wait);
        let Some(wait) = waits.as_mut().filter(|wait| wait.tell_at <= now) else { return };
        let is_overdue = now >= wait.until;
        if is_overdue && !self.session.tells_of_none {
            drop(waits);
            return self.end(false);
        }
        if wait.told.replace(is_overdue) == Some(is_overdue) {
            return;
        }
        let (group, Session { timeout, setting, .. }) = (&self.group, self.session);
        let reason = if is_overdue {
            format!(
                "waits for its partitions since {} UTC, longer than the session of a member lasts ({setting}, {timeout:?}): \
                 another member of group {group:?} has not given them up, or the group's coordinator does not answer; \
                 `kafka-consumer-groups.sh --describe --members --group {group}` shows who is in it",
                wait.began.format("%H:%M:%S")
            )
        } else {
            let until = wait.began + self.session.timeout + SETTLE;
            format!(
                "waits for its partitions: group {group:?} deals them out within seconds, or, where a member is gone without \
                 a word, once that one's session is over, until at most {} UTC ({setting}, {timeout:?})",
                until.format("%H:%M:%S")
            )
        };
        self.status.raise(&PART, State::Starting, reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(timeout: Duration, tells_of_none: bool) -> (Waits, Arc<Status>) {
        let status = Arc::new(Status::default());
        status.set(State::Running);
        (Waits::new("g", Session { timeout, setting: "session.timeout.ms", tells_of_none }, &status), status)
    }

    #[test]
    fn a_job_that_waits_is_not_running_and_says_until_when() {
        let (waits, status) = waits(Duration::from_secs(30), true);
        waits.begin(Duration::ZERO);
        let (state, told) = status.get();
        assert_eq!(state, State::Starting);
        let reason = &told[0].reason;
        assert!(reason.contains("waits for its partitions: group \"g\""), "{reason}");
        assert!(reason.contains("until at most ") && reason.contains("(session.timeout.ms, 30s)"), "{reason}");
        waits.end(true);
        assert_eq!((status.get().0, status.notices().len()), (State::Running, 0));
        // A rebalance is told only where it lasts.
        waits.begin(Duration::from_secs(60));
        assert_eq!(status.get().0, State::Running);
        waits.end(false);
        assert!(status.notices()[0].reason.contains("has no partition"));
        waits.close();
        assert!(status.notices().is_empty());
    }

    #[test]
    fn what_takes_longer_than_a_session_is_told_so() {
        let (waits, status) = waits(Duration::ZERO, true);
        waits.begin(Duration::ZERO);
        if let Some(wait) = &mut *lock(&waits.wait) {
            wait.until = Instant::now();
        }
        waits.look();
        let reason = &status.get().1[0].reason;
        assert!(reason.contains("longer than the session") && reason.contains("--group g"), "{reason}");
    }

    #[test]
    fn a_group_that_does_not_tell_of_none_is_waited_for_as_long_as_a_session() {
        let (waits, status) = waits(Duration::ZERO, false);
        waits.begin(Duration::ZERO);
        assert_eq!(status.get().0, State::Starting);
        if let Some(wait) = &mut *lock(&waits.wait) {
            wait.until = Instant::now();
        }
        waits.look();
        assert_eq!((status.get().0, status.notices().len()), (State::Running, 1));
    }
}
