//! What a store holds beside the guest, and what the guest's own imports do with it.

use std::sync::Arc;

use wasmtime::component::Resource;

use crate::bindings::v0_1::pelton::job::{log, metrics, types};
use crate::check;
use crate::host::Host;
use crate::limits::{Limits, Meter};
use crate::wasi::state::{Lines, Output, WRITE, Wasi, refused};

/// What a store holds beside the guest.
pub struct Guest {
    pub(crate) meter: Meter,
    host: Arc<dyn Host>,
    pub(crate) wasi: Wasi,
    /// What it said of errors in the call at hand: where that traps, its language's words for why.
    pub(crate) said: String,
}

impl Guest {
    pub(crate) fn new(limits: &Limits, host: Arc<dyn Host>) -> Self {
        Self { meter: Meter::new(limits), host, wasi: Wasi::new(), said: String::new() }
    }

    /// A line for the job's log.
    fn say(&mut self, level: tracing::Level, line: &str) {
        // Errors of the log, warnings of WASI's standard error.
        let matters = level <= tracing::Level::WARN;
        if matters && self.said.len() < check::REASON_BYTES {
            self.said.push('\n');
            self.said.push_str(line.get(..line.floor_char_boundary(check::REASON_BYTES)).unwrap_or_default());
        }
        self.host.log(level, line);
    }

    /// Has a guest's output split into lines for the log.
    pub(crate) fn write(&mut self, stream: &Resource<Output>, bytes: &[u8]) -> wasmtime::Result<()> {
        if bytes.len() as u64 > WRITE {
            return Err(refused(format!("the job wrote {} bytes in one call; {WRITE} are allowed", bytes.len())));
        }
        let output = *self.wasi.table.get(stream)?;
        self.with_lines(output, |lines, log| lines.write(bytes, log));
        Ok(())
    }

    /// A call of the guest is over: what it printed without ending the line is a line.
    pub(crate) fn end_lines(&mut self) {
        for output in [Output::Out, Output::Err] {
            self.with_lines(output, |lines, log| lines.end(log));
        }
    }

    fn with_lines(&mut self, output: Output, work: impl FnOnce(&mut Lines, &mut dyn FnMut(&str))) {
        let (mut lines, level) = match output {
            Output::Out => (std::mem::take(&mut self.wasi.out), tracing::Level::INFO),
            Output::Err => (std::mem::take(&mut self.wasi.err), tracing::Level::WARN),
        };
        work(&mut lines, &mut |line| self.say(level, line));
        match output {
            Output::Out => self.wasi.out = lines,
            Output::Err => self.wasi.err = lines,
        }
    }
}

impl types::Host for Guest {}

impl log::Host for Guest {
    fn log(&mut self, level: log::Level, message: String) {
        let level = match level {
            log::Level::Trace => tracing::Level::TRACE,
            log::Level::Debug => tracing::Level::DEBUG,
            log::Level::Info => tracing::Level::INFO,
            log::Level::Warn => tracing::Level::WARN,
            log::Level::Error => tracing::Level::ERROR,
        };
        self.say(level, &message);
    }
}

impl metrics::Host for Guest {
    fn count(&mut self, name: String, increment: u64) {
        self.host.count(&name, increment);
    }

    fn gauge(&mut self, name: String, value: f64) {
        self.host.gauge(&name, value);
    }
}
