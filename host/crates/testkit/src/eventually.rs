//! Waiting for something to come true, with a deadline instead of a sleep. A crate for retries would have each attempt
//! be a `Result`, and would not fail at the caller's line.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Tries until there is an answer, and panics with what was waited for when `deadline` is over.
#[track_caller]
pub fn eventually<T>(deadline: Duration, what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = attempt() {
            return answer;
        }
        let waited = started.elapsed();
        assert!(waited < deadline, "waited {:.1} s in vain: {what}", waited.as_secs_f32());
        sleep(Duration::from_millis(20));
    }
}
