//! What a guest's imports reach in a trial: lines and metrics, kept until it is known whether the call stands.

use std::collections::BTreeMap;
use std::sync::Mutex;

use pelton_model::sync::lock;
use pelton_runtime::{Failure, Host};

/// A line of the job's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogLine {
    pub(super) level: tracing::Level,
    pub(super) message: String,
}

/// One of the job's own metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Metric {
    Count(u64),
    Gauge(f64),
}

/// What the job told during a call.
#[derive(Debug, Default)]
pub(super) struct CallRecord {
    lines: Vec<LogLine>,
    metrics: Vec<(String, Metric)>,
}

impl CallRecord {
    pub(super) fn lines(&self) -> &[LogLine] {
        &self.lines
    }
}

/// Records what the guest tells.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    call: Mutex<CallRecord>,
    metrics: Mutex<BTreeMap<String, Metric>>,
}

impl Recorder {
    /// A call begins: what the one before told and nobody has taken is forgotten.
    pub(super) fn begin(&self) {
        *lock(&self.call) = CallRecord::default();
    }

    /// The last call stands; gives what it told. The line that became the failure's reason is not said twice.
    pub(super) fn end(&self, failure: Option<&Failure>) -> CallRecord {
        let mut told = std::mem::take(&mut *lock(&self.call));
        match failure {
            None => {
                let mut metrics = lock(&self.metrics);
                for (name, metric) in told.metrics.drain(..) {
                    let value = metrics.entry(name).or_insert(metric_before(metric));
                    *value = match (*value, metric) {
                        (Metric::Count(sum), Metric::Count(increment)) => Metric::Count(sum.saturating_add(increment)),
                        (_, metric) => metric,
                    };
                }
            }
            Some(Failure::Trap(reason)) => {
                let last = told.lines.iter().rposition(|line| line.level == tracing::Level::ERROR);
                if let Some(line) =
                    last.filter(|&n| told.lines.get(n).is_some_and(|line| reason.contains(&line.message)))
                {
                    told.lines.remove(line);
                }
            }
            Some(_) => {}
        }
        told
    }

    /// The job's metrics by name, as they are at the end.
    pub(super) fn take_metrics(&self) -> Vec<(String, Metric)> {
        std::mem::take(&mut *lock(&self.metrics)).into_iter().collect()
    }
}

fn metric_before(metric: Metric) -> Metric {
    match metric {
        Metric::Count(_) => Metric::Count(0),
        gauge => gauge,
    }
}

impl Host for Recorder {
    fn log(&self, level: tracing::Level, message: &str) {
        lock(&self.call).lines.push(LogLine { level, message: message.to_owned() });
    }

    fn count(&self, name: &str, increment: u64) {
        lock(&self.call).metrics.push((name.to_owned(), Metric::Count(increment)));
    }

    fn gauge(&self, name: &str, value: f64) {
        lock(&self.call).metrics.push((name.to_owned(), Metric::Gauge(value)));
    }
}
