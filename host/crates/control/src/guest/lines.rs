//! The log of a job's guests.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pelton_delivery::clock::Clock;
use pelton_model::log::JobLog;
use pelton_model::sync::lock;

/// Longest line, bytes.
const LINE_BYTES: usize = 4096;
/// Most lines a second.
const LINES: u32 = 100;

/// One second.
#[derive(Debug)]
struct Window {
    began: Instant,
    lines: u32,
}

/// Takes the lines of one job's guests, up to so many a second.
#[derive(Debug)]
pub(crate) struct Lines {
    job: String,
    log: Arc<JobLog>,
    clock: Arc<dyn Clock>,
    window: Mutex<Window>,
}

impl Lines {
    pub(crate) fn new(job: &str, log: Arc<JobLog>, clock: Arc<dyn Clock>) -> Self {
        let window = Mutex::new(Window { began: clock.now(), lines: 0 });
        Self { job: job.to_owned(), log, clock, window }
    }

    /// Whether a line is allowed now; tells of those that were dropped once their second is over.
    fn allows_line(&self) -> bool {
        let now = self.clock.now();
        let mut window = lock(&self.window);
        if now.saturating_duration_since(window.began) >= Duration::from_secs(1) {
            if let Some(dropped) = window.lines.checked_sub(LINES).filter(|&dropped| dropped > 0) {
                let told = format!("{dropped} further lines of {} were dropped", self.job);
                tracing::warn!(target: "job", { job.name = self.job }, "{told}");
                self.log.add(tracing::Level::WARN, "host", told);
            }
            *window = Window { began: now, lines: 0 };
        }
        window.lines = window.lines.saturating_add(1);
        window.lines <= LINES
    }

    /// Adds a line to the job's log and to the host's.
    pub(crate) fn add(&self, level: tracing::Level, message: &str) {
        if !self.allows_line() {
            return;
        }
        let message = message.get(..message.floor_char_boundary(LINE_BYTES)).unwrap_or_default();
        let job = self.job.as_str();
        self.log.add(level, "job", message);
        match level {
            tracing::Level::ERROR => tracing::error!(target: "job", { job.name = job }, "{message}"),
            tracing::Level::WARN => tracing::warn!(target: "job", { job.name = job }, "{message}"),
            tracing::Level::INFO => tracing::info!(target: "job", { job.name = job }, "{message}"),
            tracing::Level::DEBUG => tracing::debug!(target: "job", { job.name = job }, "{message}"),
            tracing::Level::TRACE => tracing::trace!(target: "job", { job.name = job }, "{message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use pelton_delivery::clock::SystemClock;

    use super::*;

    #[test]
    fn lines_are_bounded() {
        let lines = Lines::new("j", Arc::default(), Arc::new(SystemClock));
        let allowed = (0..LINES * 2).filter(|_| lines.allows_line()).count();
        assert!(allowed >= LINES as usize && allowed <= LINES as usize * 2);
    }
}
