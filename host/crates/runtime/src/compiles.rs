//! Compiling beside everything else: a few components at once, each once, on threads that give way to the jobs'.
//!
//! One in a [process](crate::compiler) is broken off in time. One on threads can't be: who has waited long enough gives
//! it up and it goes on. It keeps its place, so that there are never more of them than places, and whoever asks for the
//! same component meanwhile waits for that very compile. What it comes to is in the cache then. The other places are
//! there for other components.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use pelton_model::cause::Because as _;
use pelton_model::sync::lock;

use crate::error::{Error, TooLong};

/// Components that are compiled at once.
const PLACES: usize = 4;
/// What compilers add to the nice value of their threads: a busy job gets three times the time of one of them.
const NICE: i32 = 5;
/// Years: there is no later time to wait for.
const LONG: Duration = Duration::from_secs(1 << 28);

/// What a compile came to, once it has.
type Found<T> = Arc<OnceLock<Result<T, Error>>>;

/// The compiles that are under way.
pub(super) struct Compiles<T> {
    running: Mutex<BTreeMap<String, Found<T>>>,
    ended: Condvar,
}

impl<T> Default for Compiles<T> {
    fn default() -> Self {
        Self { running: Mutex::default(), ended: Condvar::new() }
    }
}

impl<T: Clone + Send + Sync + 'static> Compiles<T> {
    /// Does the work for a component on a thread of its own, unless it is being done, and waits for it.
    ///
    /// # Errors
    /// The work's own; or that it takes too long.
    pub(super) fn run(
        self: &Arc<Self>,
        digest: &str,
        limit: Duration,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let deadline = Instant::now() + limit.min(LONG);
        let mut running = lock(&self.running);
        let found = loop {
            if let Some(found) = running.get(digest) {
                break Arc::clone(found);
            }
            if running.len() < PLACES {
                break self.start(&mut running, digest, work)?;
            }
            running = self.wait(running, deadline).ok_or(Error::CompileTime(TooLong::NoPlace(PLACES, limit)))?;
        };
        loop {
            match found.get() {
                Some(found) => return found.clone(),
                None => running = self.wait(running, deadline).ok_or(Error::CompileTime(TooLong::Late(limit)))?,
            }
        }
    }

    fn start(
        self: &Arc<Self>,
        running: &mut BTreeMap<String, Found<T>>,
        digest: &str,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<Found<T>, Error> {
        let found = Found::default();
        let (this, to_find, key) = (Arc::clone(self), Arc::clone(&found), digest.to_owned());
        let compile = move || {
            let panicked = |_| Err(Error::NotAJob("the compiler panicked on this component".to_owned().into()));
            let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(panicked);
            // Set once, here.
            let _ = to_find.set(result);
            lock(&this.running).remove(&key);
            this.ended.notify_all();
        };
        std::thread::Builder::new()
            .name("compile".to_owned())
            .spawn(compile)
            .context("failed to start a thread that compiles")
            .because(Error::Engine)?;
        running.insert(digest.to_owned(), Arc::clone(&found));
        Ok(found)
    }

    /// Waits until some compile has ended; nothing after the deadline.
    fn wait<'a>(
        &self,
        running: MutexGuard<'a, BTreeMap<String, Found<T>>>,
        deadline: Instant,
    ) -> Option<MutexGuard<'a, BTreeMap<String, Found<T>>>> {
        let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        Some(self.ended.wait_timeout(running, left).unwrap_or_else(PoisonError::into_inner).0)
    }
}

/// Runs a compiler on all cores, below the jobs' priority.
pub(super) fn on_compilers<T: Send>(work: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
    let threads = rayon::ThreadPoolBuilder::new()
        .thread_name(|n| format!("compiler-{n}"))
        .start_handler(|_| give_way())
        .build()
        .context("failed to start the threads that compile")?;
    Ok(threads.install(work))
}

/// Lowers the priority of this thread. Where that is not possible, compiling only hurts more.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no safe call in what we have sets the priority of a thread")]
fn give_way() {
    // SAFETY: setpriority reads its arguments only. On Linux 0 is the calling thread.
    unsafe { nix::libc::setpriority(nix::libc::PRIO_PROCESS as _, 0, NICE) };
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(50);

    /// Work that goes on until its sender is dropped.
    fn endless() -> (Sender<()>, impl FnOnce() -> Result<usize, Error> + Send + 'static) {
        let (sender, receiver): (_, Receiver<()>) = channel();
        (sender, move || Ok(receiver.recv().map_or(7, |()| 8)))
    }

    fn too_long(result: Result<usize, Error>) -> String {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::CompileTime(_)), "{error}");
        error.to_string()
    }

    #[test]
    fn endless_compiles_keep_their_places_and_block_nobody_as_long_as_there_are_others() {
        let compiles = Arc::<Compiles<usize>>::default();
        let ends: Vec<_> = (0..PLACES - 1)
            .map(|n| {
                let (end, work) = endless();
                assert!(too_long(compiles.run(&format!("endless-{n}"), SHORT, work)).contains("it goes on"));
                end
            })
            .collect();
        // The same again takes no further place.
        let never = || -> Result<usize, Error> { unreachable!("it is being compiled already") };
        assert!(too_long(compiles.run("endless-0", SHORT, never)).contains("it goes on"));
        for n in 0..10 {
            assert_eq!(compiles.run(&format!("good-{n}"), PATIENCE, move || Ok(n)).unwrap(), n);
        }
        let (last, work) = endless();
        too_long(compiles.run("the last", SHORT, work));
        let told = too_long(compiles.run("one more", SHORT, || unreachable!("there is no place")));
        assert!(told.starts_with(&format!("{PLACES} other components")), "{told}");
        // Who waits for one that is late has what it comes to, and its place is free.
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| compiles.run("the last", PATIENCE, || Ok(7)).unwrap());
            drop(last);
            assert_eq!(waiting.join().unwrap(), 7);
        });
        assert_eq!(compiles.run("one more", PATIENCE, || Ok(9)).unwrap(), 9);
        drop(ends);
    }

    #[test]
    fn what_is_asked_for_twice_at_once_is_done_once() {
        let compiles = Arc::<Compiles<usize>>::default();
        let (count, (end, work)) = (Arc::new(AtomicUsize::new(0)), endless());
        let counted = Arc::clone(&count);
        let first = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            work()
        };
        too_long(compiles.run("a", SHORT, first));
        std::thread::scope(|scope| {
            let others = [(); 3].map(|()| scope.spawn(|| compiles.run("a", PATIENCE, || Ok(7)).unwrap()));
            drop(end);
            assert_eq!(others.map(|other| other.join().unwrap()), [7; 3]);
        });
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn failures_and_panics_are_told_and_leave_the_place_free() {
        let compiles = Arc::<Compiles<usize>>::default();
        for _ in 0..2 * PLACES {
            let failed = compiles
                .run("a", PATIENCE, || Err(Error::NotAJob(anyhow::Error::msg("inner").context("outer").into())));
            let failed = failed.unwrap_err();
            assert_eq!(failed.to_string(), "outer: inner");
            let panicked = compiles.run("b", PATIENCE, || panic!("as compilers may")).unwrap_err();
            assert_eq!(panicked.to_string(), "the compiler panicked on this component");
        }
    }

    #[test]
    fn compilers_give_their_answer() {
        assert_eq!(on_compilers(|| 7).unwrap(), 7);
    }
}
