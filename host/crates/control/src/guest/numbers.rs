//! The own metrics of a job's guests.

use std::collections::HashSet;
use std::sync::Mutex;

use pelton_model::sync::lock;

use pelton_model::metrics::JobMetrics;

/// Most metrics of a job's own.
const NAMES: usize = 100;

/// Takes the counts and gauges of one job's guests, up to so many names.
#[derive(Debug)]
pub(crate) struct Numbers {
    metrics: JobMetrics,
    names: Mutex<HashSet<String>>,
}

impl Numbers {
    pub(crate) fn new(metrics: JobMetrics) -> Self {
        Self { metrics, names: Mutex::default() }
    }

    fn allows_name(&self, name: &str) -> bool {
        let mut names = lock(&self.names);
        names.contains(name) || (names.len() < NAMES && is_metric_name(name) && names.insert(name.to_owned()))
    }

    pub(crate) fn count(&self, name: &str, increment: u64) {
        if self.allows_name(name) {
            self.metrics.guest_counter(name).inc_by(increment);
        }
    }

    pub(crate) fn gauge(&self, name: &str, value: f64) {
        if self.allows_name(name) {
            self.metrics.guest_gauge(name).set(value);
        }
    }
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`, at most 100 bytes.
fn is_metric_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.len() <= 100 && name.chars().all(legal) && name.starts_with(|c: char| !c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use pelton_model::metrics::Metrics;

    #[test]
    fn names_are_bounded() {
        let metrics = Arc::new(Metrics::default());
        let numbers = Numbers::new(metrics.job("j"));
        for name in ["", "1a", "a-b", "a b", &"x".repeat(101)] {
            numbers.count(name, 1);
        }
        for i in 0..NAMES + 10 {
            numbers.count(&format!("n{i}"), 2);
        }
        numbers.count("n0", 1);
        let text = metrics.render();
        assert_eq!(text.matches("pelton_job_counter_total{").count(), NAMES);
        assert!(text.contains(r#"pelton_job_counter_total{job="j",name="n0"} 3"#), "{text}");
    }
}
