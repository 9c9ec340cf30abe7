//! The screen of the demo: lines that stay, log lines among them, and under them one live line.

use std::io::{self, Write};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use pelton_model::cause::Because as _;

use crate::error::Error;

/// The screen, or what takes its place.
#[derive(Debug, Clone)]
pub struct Terminal(ProgressBar);

impl Terminal {
    /// Takes over the screen: from now on everything that is written goes through here.
    ///
    /// # Errors
    /// The live line can't be laid out.
    pub fn start() -> Result<Self, Error> {
        let style = ProgressStyle::with_template("{spinner} {wide_msg}").context("failed to lay out the live line");
        let style = style.because(Error::Demo)?;
        Ok(Self(ProgressBar::new_spinner().with_style(style)))
    }

    /// Prints a line that stays.
    pub(crate) fn say(&self, line: &str) -> Result<()> {
        self.0.suspend(|| writeln!(io::stdout(), "{line}")).context("failed to write to the standard output")
    }

    /// Whether there is no screen to show a live line on.
    pub(crate) fn is_hidden(&self) -> bool {
        self.0.is_hidden()
    }

    /// Shows the live line anew.
    pub(crate) fn show(&self, line: String) {
        self.0.set_message(line);
        self.0.tick();
    }

    /// Takes the live line away.
    pub(crate) fn close(&self) {
        self.0.finish_and_clear();
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
