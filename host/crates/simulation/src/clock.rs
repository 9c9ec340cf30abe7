//! A time that a test moves, in which one thread runs at a time, chosen by a seed: the same seed gives the same run.
//!
//! Threads hand a baton on where they wait. Whoever has it chooses the next among those that have something to do;
//! where nobody has, time goes on to the next deadline. A thread of a host that has crashed ends at its next wait.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use pelton_delivery::clock::{Clock, Task};
use pelton_delivery::wake::Wake;
use pelton_model::sync::lock;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

thread_local! {
    /// The number of the thread among those of its schedule.
    static ME: Cell<usize> = const { Cell::new(DRIVER) };
}

/// The test's own thread.
const DRIVER: usize = 0;
/// A host whose threads are never ended: the test's own.
const NO_HOST: u32 = 0;

/// What a thread of a crashed host unwinds with.
struct Crashed;

#[derive(Debug)]
enum Does {
    /// Has the baton.
    Runs,
    /// Waits for a call, or for a time.
    Waits(Wake, Option<Duration>),
    /// Has ended.
    Ended,
}

#[derive(Debug)]
struct Thread {
    name: String,
    host: u32,
    does: Does,
    baton: Arc<Condvar>,
}

#[derive(Debug)]
struct State {
    now: Duration,
    random: SmallRng,
    threads: Vec<Thread>,
    turn: usize,
    /// How often the baton was handed on.
    turns: u64,
    /// Hosts that have crashed.
    crashed: Vec<u32>,
}

/// The schedule of all threads of a run.
#[derive(Debug)]
pub struct Schedule {
    began: Instant,
    state: Mutex<State>,
}

/// The clock of one host.
#[derive(Clone)]
pub struct VirtualClock {
    schedule: Arc<Schedule>,
    host: u32,
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualClock").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Schedule {
    /// A schedule by a seed. The thread that makes it takes part as the driver.
    pub fn new(seed: u64) -> Arc<Self> {
        ME.set(DRIVER);
        let driver = Thread { name: "driver".to_owned(), host: NO_HOST, does: Does::Runs, baton: Arc::default() };
        let state = State {
            now: Duration::ZERO,
            random: SmallRng::seed_from_u64(seed),
            threads: vec![driver],
            turn: DRIVER,
            turns: 0,
            crashed: Vec::new(),
        };
        Arc::new(Self { began: Instant::now(), state: Mutex::new(state) })
    }

    /// The clock of a host, numbered from 1; of the driver with 0.
    pub fn clock(self: &Arc<Self>, host: u32) -> VirtualClock {
        VirtualClock { schedule: Arc::clone(self), host }
    }

    /// A number below `bound`, by the seed.
    pub fn below(&self, bound: u64) -> u64 {
        lock(&self.state).random.random_range(0..bound.max(1))
    }

    /// Time since the beginning.
    pub fn now(&self) -> Duration {
        lock(&self.state).now
    }

    /// How often the baton was handed on: equal for equal seeds.
    pub fn turns(&self) -> u64 {
        lock(&self.state).turns
    }

    /// Ends the threads of a host where they wait, as a crash does, and returns once they have ended.
    pub fn crash(&self, host: u32) {
        lock(&self.state).crashed.push(host);
        while lock(&self.state).threads.iter().any(|thread| thread.host == host && !matches!(thread.does, Does::Ended))
        {
            self.wait(&Wake::default(), Duration::ZERO);
        }
    }

    /// Whether it has something to do.
    fn is_due(state: &State, thread: &Thread) -> bool {
        match &thread.does {
            Does::Runs | Does::Ended => false,
            Does::Waits(wake, until) => {
                wake.is_called()
                    || until.is_some_and(|until| until <= state.now)
                    || state.crashed.contains(&thread.host)
            }
        }
    }

    /// Hands the baton on.
    fn next(&self, state: &mut State) {
        loop {
            let due: Vec<_> = (0..state.threads.len()).filter(|&n| Self::is_due(state, &state.threads[n])).collect();
            if !due.is_empty() {
                let next = due[state.random.random_range(0..due.len())];
                state.turn = next;
                state.turns += 1;
                state.threads[next].baton.notify_all();
                return;
            }
            let deadline = state.threads.iter().filter_map(|thread| match &thread.does {
                Does::Waits(_, until) => *until,
                _ => None,
            });
            match deadline.min() {
                Some(deadline) => state.now = deadline,
                None => {
                    let waiting: Vec<_> = state
                        .threads
                        .iter()
                        .filter(|thread| matches!(thread.does, Does::Waits(..)))
                        .map(|thread| thread.name.as_str())
                        .collect();
                    assert!(waiting.is_empty(), "all threads wait for ever: {}", waiting.join(", "));
                    return;
                }
            }
        }
    }

    fn wait(&self, wake: &Wake, timeout: Duration) {
        let me = ME.get();
        let mut state = lock(&self.state);
        let until = state.now.checked_add(timeout);
        let baton = Arc::clone(&state.threads[me].baton);
        state.threads[me].does = Does::Waits(wake.clone(), until);
        self.next(&mut state);
        while state.turn != me {
            state = baton.wait(state).unwrap();
        }
        state.threads[me].does = Does::Runs;
        let is_over = state.crashed.contains(&state.threads[me].host);
        drop(state);
        if is_over && !std::thread::panicking() {
            resume_unwind(Box::new(Crashed));
        }
        wake.take();
    }

    fn spawn(self: &Arc<Self>, name: &str, host: u32, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut state = lock(&self.state);
        let me = state.threads.len();
        let start = Wake::default();
        start.call();
        let baton = Arc::new(Condvar::new());
        let does = Does::Waits(start, None);
        state.threads.push(Thread { name: name.to_owned(), host, does, baton: Arc::clone(&baton) });
        drop(state);
        let schedule = Arc::clone(self);
        std::thread::Builder::new().name(name.to_owned()).stack_size(256 << 10).spawn(move || {
            ME.set(me);
            let mut state = lock(&schedule.state);
            while state.turn != me {
                state = baton.wait(state).unwrap();
            }
            state.threads[me].does = Does::Runs;
            let is_over = state.crashed.contains(&host);
            drop(state);
            if !is_over {
                // A panic is told where it happens; the run goes on to its end.
                drop(catch_unwind(AssertUnwindSafe(run)));
            }
            let mut state = lock(&schedule.state);
            state.threads[me].does = Does::Ended;
            schedule.next(&mut state);
        })?;
        Ok(())
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        self.schedule.began + self.schedule.now()
    }

    fn date(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + self.schedule.now()
    }

    fn wait(&self, wake: &Wake, timeout: Duration) {
        self.schedule.wait(wake, timeout);
    }

    fn spawn(&self, name: &str, run: Box<dyn FnOnce() + Send>) -> io::Result<Task> {
        let task = Task::default();
        self.schedule.spawn(name, self.host, task.wrap(run))?;
        Ok(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelton_delivery::clock::wait_until;

    /// Three threads that each write their number at times of their own.
    fn run(seed: u64) -> (Vec<(Duration, u8)>, u64) {
        let schedule = Schedule::new(seed);
        let (clock, written) = (schedule.clock(1), Arc::new(Mutex::new(Vec::new())));
        let tasks = [1u8, 2, 3].map(|number| {
            let (schedule, own, written) = (Arc::clone(&schedule), clock.clone(), Arc::clone(&written));
            let write = move || {
                for _ in 0..5 {
                    own.wait(&Wake::default(), Duration::from_secs(1));
                    lock(&written).push((schedule.now(), number));
                }
            };
            clock.spawn(&format!("writer {number}"), Box::new(write)).unwrap()
        });
        let driver = schedule.clock(0);
        assert!(tasks.iter().all(|task| task.join(&driver, Duration::from_secs(100))));
        let written = lock(&written).clone();
        (written, schedule.turns())
    }

    #[test]
    fn a_seed_gives_the_same_run_and_another_one_another() {
        let (written, turns) = run(7);
        assert_eq!(run(7), (written.clone(), turns));
        assert!((0..20).any(|seed| run(seed).0 != written));
        assert!(written.iter().map(|(at, _)| at.as_secs()).eq((1..=5).flat_map(|second| [second; 3])));
    }

    #[test]
    fn a_crash_ends_the_threads_of_its_host_only() {
        let schedule = Schedule::new(1);
        let forever = |clock: &VirtualClock| {
            let own = clock.clone();
            clock
                .spawn("waits", Box::new(move || assert!(!wait_until(&own, &Wake::default(), Duration::MAX, || false))))
        };
        let (first, second) = (forever(&schedule.clock(1)).unwrap(), forever(&schedule.clock(2)).unwrap());
        schedule.crash(1);
        assert!(first.is_over() && !second.is_over());
        schedule.crash(2);
        assert!(second.is_over());
    }
}
