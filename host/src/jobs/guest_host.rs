//! What a job's guests reach outside of their sandbox: its log and its own metrics, both bounded.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::log::JobLog;
use crate::engine::Host;
use crate::metrics::JobMetrics;
use pelton_model::sync::lock;

/// Longest line, bytes.
const LINE_BYTES: usize = 4096;
/// Most lines a second.
const LINES: u32 = 100;
/// Most metrics of a job's own.
const NAMES: usize = 100;

#[derive(Debug)]
struct Window {
    began: Instant,
    lines: u32,
}

/// The host of one job's guests.
#[derive(Debug)]
pub struct GuestHost {
    job: String,
    log: Arc<JobLog>,
    metrics: JobMetrics,
    window: Mutex<Window>,
    names: Mutex<HashSet<String>>,
}

impl GuestHost {
    /// For the guests of a job.
    pub fn new(job: &str, log: Arc<JobLog>, metrics: JobMetrics) -> Self {
        let window = Mutex::new(Window { began: Instant::now(), lines: 0 });
        Self { job: job.to_owned(), log, metrics, window, names: Mutex::default() }
    }

    /// Whether a line is allowed now; tells of those that were dropped once their second is over.
    fn allows_line(&self) -> bool {
        let mut window = lock(&self.window);
        if window.began.elapsed() >= Duration::from_secs(1) {
            if let Some(dropped) = window.lines.checked_sub(LINES).filter(|&dropped| dropped > 0) {
                let told = format!("{dropped} further lines of {} were dropped", self.job);
                tracing::warn!(target: "job", { job.name = self.job }, "{told}");
                self.log.add(tracing::Level::WARN, "host", told);
            }
            *window = Window { began: Instant::now(), lines: 0 };
        }
        window.lines = window.lines.saturating_add(1);
        window.lines <= LINES
    }

    fn allows_name(&self, name: &str) -> bool {
        let mut names = lock(&self.names);
        names.contains(name) || (names.len() < NAMES && is_metric_name(name) && names.insert(name.to_owned()))
    }
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`, at most 100 bytes.
fn is_metric_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.len() <= 100 && name.chars().all(legal) && name.starts_with(|c: char| !c.is_ascii_digit())
}

impl Host for GuestHost {
    fn log(&self, level: tracing::Level, message: &str) {
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

    fn count(&self, name: &str, increment: u64) {
        if self.allows_name(name) {
            self.metrics.guest_counter(name).inc_by(increment);
        }
    }

    fn gauge(&self, name: &str, value: f64) {
        if self.allows_name(name) {
            self.metrics.guest_gauge(name).set(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn names_and_lines_are_bounded() {
        let metrics = Arc::new(Metrics::default());
        let host = GuestHost::new("j", Arc::default(), metrics.job("j"));
        for name in ["", "1a", "a-b", "a b", &"x".repeat(101)] {
            host.count(name, 1);
        }
        for i in 0..NAMES + 10 {
            host.count(&format!("n{i}"), 2);
        }
        host.count("n0", 1);
        let text = metrics.render();
        assert_eq!(text.matches("pelton_job_counter_total{").count(), NAMES);
        assert!(text.contains(r#"pelton_job_counter_total{job="j",name="n0"} 3"#), "{text}");
        let allowed = (0..LINES * 2).filter(|_| host.allows_line()).count();
        assert!(allowed >= LINES as usize && allowed <= LINES as usize * 2);
    }
}
