//! What the demo shows: lines that stay, log lines, and under them one live line of counts. Where the output is no
//! terminal, the live line becomes a plain line every few seconds.

use std::cell::Cell;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use tokio::time::{MissedTickBehavior, interval};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;

use crate::api::types::JobView;
use crate::jobs::Jobs;
use crate::status::State;
use crate::telemetry;

/// How often the live line is renewed, and how often it is looked for the first alert.
const RENEW: Duration = Duration::from_millis(100);
const LOOK: Duration = Duration::from_millis(10);
/// How often a plain line is printed where there is no terminal.
const PLAIN: Duration = Duration::from_secs(5);
/// How long the end waits for readings that are under way.
const SETTLE: Duration = Duration::from_secs(2);

/// The screen, or what takes its place.
#[derive(Debug, Clone)]
pub(super) struct Terminal(ProgressBar);

impl Terminal {
    /// Takes over the screen, log lines included: warnings and errors, or what `PELTON_LOG` asks for.
    pub(super) fn start() -> Result<Self> {
        let style = ProgressStyle::with_template("{spinner} {wide_msg}").context("failed to lay out the live line")?;
        let terminal = Self(ProgressBar::new_spinner().with_style(style));
        // Logging that has been started before stays.
        let _ = tracing_subscriber::registry()
            .with(telemetry::filter("warn"))
            .with(tracing_subscriber::fmt::layer().with_target(false).with_writer(terminal.clone()))
            .try_init();
        Ok(terminal)
    }

    /// Prints a line that stays.
    pub(super) fn say(&self, line: &str) -> Result<()> {
        self.0.suspend(|| writeln!(io::stdout(), "{line}")).context("failed to write to the standard output")
    }

    /// Takes the live line away.
    pub(super) fn close(&self) {
        self.0.finish_and_clear();
    }
}

impl<'a> MakeWriter<'a> for Terminal {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// For log lines.
impl Write for Terminal {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// The counts.
pub(super) struct Live<'a> {
    started: Instant,
    jobs: Arc<Jobs>,
    sent: &'a Cell<u64>,
    first_alert: Option<Duration>,
}

impl<'a> Live<'a> {
    /// Counts what these jobs do with the readings sent, since `started`.
    pub(super) fn new(started: Instant, jobs: Arc<Jobs>, sent: &'a Cell<u64>) -> Self {
        Self { started, jobs, sent, first_alert: None }
    }

    /// Shows the counts for ever; ends only where they can't be shown.
    pub(super) async fn show(&mut self, terminal: &Terminal) -> Result<()> {
        let every = if terminal.0.is_hidden() { PLAIN } else { RENEW };
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut shown = Instant::now();
        loop {
            looks.tick().await;
            if !self.look() && shown.elapsed() < every {
                continue;
            }
            shown = Instant::now();
            let line = self.line();
            if terminal.0.is_hidden() {
                terminal.say(&line)?;
            } else {
                terminal.0.set_message(line);
                terminal.0.tick();
            }
        }
    }

    /// Waits until every job has read what was sent, so that the last counts add up; not for long, for a job may be stuck.
    pub(super) async fn settle(&self) {
        let deadline = Instant::now() + SETTLE;
        let mut looks = interval(LOOK);
        while self.jobs.list().iter().any(|job| job.counts.records_in < self.sent.get()) && Instant::now() < deadline {
            looks.tick().await;
        }
    }

    /// Looks for the first alert; says whether this has found it.
    fn look(&mut self) -> bool {
        let found = self.first_alert.is_none() && self.jobs.list().iter().any(|job| records_out(job, "alerts") > 0);
        if found {
            self.first_alert = Some(self.started.elapsed());
        }
        found
    }

    /// The counts as they are now.
    pub(super) fn line(&mut self) -> String {
        self.look();
        let jobs = self.jobs.list();
        let sum = |count: fn(&JobView) -> u64| HumanCount(jobs.iter().map(count).sum());
        let mut line = format!(
            "{} readings, {} alerts, {} rows, {} dead letters, lag {}",
            HumanCount(self.sent.get()),
            sum(|job| records_out(job, "alerts")),
            sum(|job| records_out(job, "raw_sensors_data")),
            sum(|job| job.counts.dead_letters),
            sum(|job| job.lag.and_then(|lag| u64::try_from(lag).ok()).unwrap_or(0)),
        );
        if let Some(first_alert) = self.first_alert {
            line += &format!("; first alert after {:.1} s", first_alert.as_secs_f64());
        }
        for job in jobs.iter().filter(|job| !matches!(job.state, State::Running | State::Stopped)) {
            line += &format!("; {} is {}", job.name, job.state.as_str());
            for condition in &job.conditions {
                line += &format!(" ({})", condition.reason);
            }
        }
        line
    }
}

/// What a sink of a job has acknowledged.
fn records_out(job: &JobView, sink: &str) -> u64 {
    job.counts.sinks.iter().filter(|counts| counts.name == sink).map(|counts| counts.records_out).sum()
}
