//! The live line: what has become of the readings so far. Where the output is no terminal it becomes a plain line every
//! few seconds.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::HumanCount;
use pelton_model::status::State;
use tokio::time::{MissedTickBehavior, interval};

use crate::host::Job;
use crate::terminal::Terminal;

/// How often the live line is renewed.
const RENEW: Duration = Duration::from_millis(100);
/// How often the jobs are asked, which is how exactly the first alert is timed.
const POLL: Duration = Duration::from_millis(10);
/// How often a plain line is printed where there is no terminal.
const PLAIN: Duration = Duration::from_secs(5);
/// How long the end waits for readings that are under way.
const SETTLE: Duration = Duration::from_secs(2);

/// Counts of what jobs do with the readings sent.
pub(crate) struct LiveLine<'a> {
    started: Instant,
    jobs: Box<dyn Fn() -> Vec<Job>>,
    sent: &'a Cell<u64>,
    first_alert: Option<Duration>,
}

impl<'a> LiveLine<'a> {
    /// `started` is from when on the first alert is timed.
    pub(crate) fn new(started: Instant, jobs: Box<dyn Fn() -> Vec<Job>>, sent: &'a Cell<u64>) -> Self {
        Self { started, jobs, sent, first_alert: None }
    }

    /// Shows the counts for ever; ends only where they can't be shown.
    pub(crate) async fn show(&mut self, terminal: &Terminal) -> Result<()> {
        let every = if terminal.is_hidden() { PLAIN } else { RENEW };
        let mut polls = interval(POLL);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut shown = Instant::now();
        loop {
            polls.tick().await;
            if !self.find_first_alert() && shown.elapsed() < every {
                continue;
            }
            shown = Instant::now();
            let line = self.line();
            if terminal.is_hidden() {
                terminal.say(&line)?;
            } else {
                terminal.show(line);
            }
        }
    }

    /// Waits until every job has read what was sent, so that the last counts add up; not for long, for a job may be
    /// stuck.
    pub(crate) async fn settle(&self) {
        let deadline = Instant::now() + SETTLE;
        let mut polls = interval(POLL);
        while (self.jobs)().iter().any(|job| job.records_in < self.sent.get()) && Instant::now() < deadline {
            polls.tick().await;
        }
    }

    /// Whether this call has found it.
    fn find_first_alert(&mut self) -> bool {
        let found = self.first_alert.is_none() && (self.jobs)().iter().any(|job| records_out(job, "alerts") > 0);
        if found {
            self.first_alert = Some(self.started.elapsed());
        }
        found
    }

    /// The counts as they are now.
    pub(crate) fn line(&mut self) -> String {
        self.find_first_alert();
        let jobs = (self.jobs)();
        let sum = |count: fn(&Job) -> u64| HumanCount(jobs.iter().map(count).sum());
        let mut line = format!(
            "{} readings, {} alerts, {} rows, {} dead letters, lag {}",
            HumanCount(self.sent.get()),
            sum(|job| records_out(job, "alerts")),
            sum(|job| records_out(job, "raw_sensors_data")),
            sum(|job| job.dead_letters),
            sum(|job| job.lag.unwrap_or(0)),
        );
        if let Some(first_alert) = self.first_alert {
            line += &format!("; first alert after {:.1} s", first_alert.as_secs_f64());
        }
        for job in jobs.iter().filter(|job| !matches!(job.state, State::Running | State::Stopped)) {
            line += &format!("; {} is {}", job.name, job.state.as_str());
            for reason in &job.reasons {
                line += &format!(" ({reason})");
            }
        }
        line
    }
}

fn records_out(job: &Job, sink: &str) -> u64 {
    job.records_out.get(sink).copied().unwrap_or(0)
}
