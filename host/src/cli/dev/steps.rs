//! What `pelton dev` tells: one line for each save, which grows step by step; or, for programs, a JSON object for each
//! step. Failures go to standard error, as those of the toolchains do.

use std::io::Write;
use std::time::Instant;

use anyhow::{Error, Result};
use pelton_model::text;
use serde::Serialize;

use crate::cli::print;

/// The line of the save at hand.
pub(super) struct Steps {
    as_json: bool,
    /// Whether something stands on the line.
    is_open: bool,
}

/// A step, for programs.
#[derive(Serialize)]
struct Step<'a> {
    step: &'a str,
    told: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
}

impl Steps {
    pub(super) fn new(as_json: bool) -> Self {
        Self { as_json, is_open: false }
    }

    /// Tells, on a line of its own, what begins.
    pub(super) fn begin(&mut self, told: &str) -> Result<()> {
        if self.as_json { json("watching", told, None) } else { print::line(told) }
    }

    /// Tells that a step that began at `began` is done: `told`, and the time that it took.
    pub(super) fn step(&mut self, step: &str, began: Instant, told: &str) -> Result<()> {
        let seconds = began.elapsed().as_secs_f64();
        if self.as_json {
            return json(step, told, Some(seconds));
        }
        let separator = if std::mem::replace(&mut self.is_open, true) { " · " } else { "" };
        let mut out = std::io::stdout();
        print::printed(write!(out, "{separator}{} {seconds:.1} s", text::line(told)).and_then(|()| out.flush()))
    }

    /// Tells how long everything took since a save, and ends its line.
    pub(super) fn total(&mut self, saved: Instant) -> Result<()> {
        let seconds = saved.elapsed().as_secs_f64();
        if self.as_json {
            return json("done", "save to live", Some(seconds));
        }
        self.is_open = false;
        print::line(&format!(" · {seconds:.1} s from save to live"))
    }

    /// Ends the line.
    pub(super) fn end(&mut self) -> Result<()> {
        if std::mem::take(&mut self.is_open) { print::line("") } else { Ok(()) }
    }

    /// Tells what failed.
    pub(super) fn fail(&mut self, error: &Error) -> Result<()> {
        self.trouble("failed", &format!("{error:#}"), &print::error(error))
    }

    /// Tells that it waits for a host.
    pub(super) fn wait(&mut self, error: &Error) -> Result<()> {
        let told = format!("waiting for a host: {}", print::error(error));
        self.trouble("waiting", &format!("waiting for a host: {error:#}"), &told)
    }

    /// As it is, for programs, and as it is shown.
    fn trouble(&mut self, step: &str, told: &str, shown: &str) -> Result<()> {
        self.end()?;
        if self.as_json {
            return json(step, told, None);
        }
        print::printed(writeln!(std::io::stderr(), "{shown}"))
    }
}

fn json(step: &str, told: &str, seconds: Option<f64>) -> Result<()> {
    print::json_line(&Step { step, told, seconds })
}
