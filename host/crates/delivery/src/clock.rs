//! Time and threads as the pipeline and the supervisor have them. Whatever of these two waits, waits here, so that a
//! test can give them a time of its own, in which one part runs after the other by a schedule that it chooses.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::wake::Wake;

/// A time, and threads that wait in it.
pub trait Clock: Send + Sync + Debug {
    /// Now. Never goes back.
    fn now(&self) -> Instant;

    /// The time of the calendar, for people.
    fn date(&self) -> DateTime<Utc> {
        Utc::now()
    }

    /// Waits until `wake` is called, at most for `timeout`.
    fn wait(&self, wake: &Wake, timeout: Duration);

    /// Runs `run` on a thread of its own.
    ///
    /// # Errors
    /// The system gives no thread.
    fn spawn(&self, name: &str, run: Box<dyn FnOnce() + Send>) -> io::Result<Task>;
}

/// Waits until `over` holds, at most for `timeout`; says whether it does. Whatever makes it hold must call `wake`.
pub fn wait_until(clock: &dyn Clock, wake: &Wake, timeout: Duration, over: impl Fn() -> bool) -> bool {
    let began = clock.now();
    loop {
        if over() {
            return true;
        }
        let left = timeout.saturating_sub(clock.now().saturating_duration_since(began));
        if left.is_zero() {
            return false;
        }
        clock.wait(wake, left);
    }
}

/// A thread that a [`Clock`] has started. Dropping it lets the thread go on.
#[derive(Debug, Clone, Default)]
pub struct Task(Arc<Ended>);

#[derive(Debug, Default)]
struct Ended {
    is_over: AtomicBool,
    wake: Wake,
}

impl Task {
    /// Whether the thread has ended, also by a panic.
    pub fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::Acquire)
    }

    /// Waits until the thread has ended, at most for `timeout`; says whether it has.
    pub fn join(&self, clock: &dyn Clock, timeout: Duration) -> bool {
        wait_until(clock, &self.0.wake, timeout, || self.is_over())
    }

    /// Gives what a clock runs on its thread for `run`: that, and then the end of the task.
    pub fn wrap(&self, run: Box<dyn FnOnce() + Send>) -> impl FnOnce() + Send + use<> {
        /// Ends the task also where the thread panics.
        struct End(Task);

        impl Drop for End {
            fn drop(&mut self) {
                self.0.0.is_over.store(true, Ordering::Release);
                self.0.0.wake.call();
            }
        }

        let end = End(self.clone());
        move || {
            let _end = end;
            run();
        }
    }
}

/// The system's time and threads.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wait(&self, wake: &Wake, timeout: Duration) {
        wake.wait(timeout);
    }

    fn spawn(&self, name: &str, run: Box<dyn FnOnce() + Send>) -> io::Result<Task> {
        let task = Task::default();
        std::thread::Builder::new().name(name.to_owned()).spawn(task.wrap(run))?;
        Ok(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without the end these tests would hang.
    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn a_task_ends_with_its_thread_however_that_ends() {
        let well = SystemClock.spawn("well", Box::new(|| {})).unwrap();
        let panics = SystemClock.spawn("panics", Box::new(|| panic!("on purpose"))).unwrap();
        assert!(well.join(&SystemClock, LONG) && panics.join(&SystemClock, LONG));
    }

    #[test]
    fn a_wait_ends_when_its_time_is_over() {
        assert!(!wait_until(&SystemClock, &Wake::default(), Duration::from_millis(1), || false));
        assert!(wait_until(&SystemClock, &Wake::default(), Duration::ZERO, || true));
    }
}
