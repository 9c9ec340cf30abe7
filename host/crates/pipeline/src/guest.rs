//! Where a job is called: take an instance or make one, call it, keep it if it is good, else halve the batch until the
//! bad records are found, and hold the job where one record after the other is bad.
//!
//! What to do with what comes of it is the [`Handler`]'s or [`Caller`]'s: a worker routes it, a redrive too, a trial
//! prints it, a shadow run compares it.

use std::ops::ControlFlow;
use std::sync::Arc;

use pelton_delivery::streak::Streak;
use pelton_model::record::{Batch, Outcome};
use pelton_runtime::{Failure, Host, Process};

use crate::isolate::{Attempts, Isolated, isolate, shift};
use crate::version::Version;

/// Who has a job called.
pub trait Caller {
    /// What it breaks off with.
    type Stop;

    /// The version that the next call is to have.
    fn version(&mut self) -> ControlFlow<Self::Stop, Arc<Version>>;

    /// No instance of the version can be made, for the `times`th time in a row, from 0. It is tried again unless this
    /// breaks off.
    fn no_instance(&mut self, version: &Arc<Version>, failure: Failure, times: u32) -> ControlFlow<Self::Stop>;

    /// A call is about to be made.
    fn calls(&mut self) {}

    /// A call was made, on an instance that takes so many bytes of memory.
    fn called(&mut self, memory: usize, failure: Option<&Failure>) {
        let _ = (memory, failure);
    }
}

/// Who has a job handle whole batches, and takes what comes of them.
pub trait Handler: Caller {
    /// The batch was tried whole. `is_first` says that no record before it was bad, or that the last one was good.
    fn tried(&mut self, version: &Arc<Version>, result: Result<&Outcome, &Failure>, is_first: bool) {
        let _ = (version, result, is_first);
    }

    /// Part of the batch is good; indices are those of the whole batch. Parts and bad records come in order.
    fn good(&mut self, outcome: Outcome);

    /// A record is bad.
    fn bad(&mut self, index: u32, failure: Failure);

    /// One record after the other is bad, this is the next one, and it has been held `times` times. It is tried again
    /// unless this breaks off or gives it up, after which it is [bad](Self::bad).
    fn hold(
        &mut self,
        version: &Arc<Version>,
        index: u32,
        failure: &Failure,
        times: u32,
    ) -> ControlFlow<Self::Stop, Held>;
}

/// What is to become of a record on which a job is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// It is tried again.
    TryAgain,
    /// It is bad, as those before.
    GiveUp,
}

/// What a call came to, and the version that was called.
pub type Called = (Arc<Version>, Result<Outcome, Failure>);
/// A version and an instance of it.
type Ready = (Arc<Version>, Box<dyn Process>);
/// A version, and its instance where that is good.
type Last = (Arc<Version>, Option<Box<dyn Process>>);

/// One instance of a job, over the versions that it has.
pub struct GuestRunner {
    host: Arc<dyn Host>,
    /// The version that was called last, with its instance; without one before the first call and after a failure.
    last: Option<Last>,
    streak: Streak,
}

impl std::fmt::Debug for GuestRunner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuestRunner").field("streak", &self.streak).finish_non_exhaustive()
    }
}

impl GuestRunner {
    /// One that has no instance yet; `host` is what the guest's imports reach.
    pub fn new(host: Arc<dyn Host>) -> Self {
        Self { host, last: None, streak: Streak::default() }
    }

    /// Has the job handle a batch, whole: every record is in one good part or bad, unless the handler breaks off.
    pub fn run<H: Handler>(&mut self, batch: &Batch, handler: &mut H) -> ControlFlow<H::Stop> {
        let (version, result) = self.call(batch, handler)?;
        if !is_unreadable(&result) {
            handler.tried(&version, result.as_ref(), self.streak.is_over());
        }
        match result {
            Ok(outcome) => {
                self.good(outcome, handler);
                ControlFlow::Continue(())
            }
            Err(failure) => isolate(batch, failure, &mut Search { runner: self, batch, handler }),
        }
    }

    /// Makes an instance where there is none, so that the first call need not.
    pub fn make<H: Caller>(&mut self, handler: &mut H) -> ControlFlow<H::Stop> {
        let (version, instance) = self.instance(handler)?;
        self.last = Some((version, Some(instance)));
        ControlFlow::Continue(())
    }

    /// Calls the job once, with the version that is to run.
    pub fn call<H: Caller>(&mut self, batch: &Batch, handler: &mut H) -> ControlFlow<H::Stop, Called> {
        let (version, mut instance) = self.instance(handler)?;
        handler.calls();
        let result = instance.process(batch);
        let is_good = is_unreadable(&result) || result.is_ok();
        if !is_unreadable(&result) {
            handler.called(instance.memory(), result.as_ref().err());
        }
        self.last = Some((Arc::clone(&version), is_good.then_some(instance)));
        ControlFlow::Continue((version, result))
    }

    /// The instance of the version that is to run, or a fresh one.
    fn instance<H: Caller>(&mut self, handler: &mut H) -> ControlFlow<H::Stop, Ready> {
        let mut times = 0;
        loop {
            let version = handler.version()?;
            let kept = match self.last.take() {
                Some((last, instance)) if Arc::ptr_eq(&last, &version) => instance,
                Some(_) => {
                    (self.streak, times) = (Streak::default(), 0);
                    None
                }
                None => None,
            };
            if let Some(instance) = kept.or_else(|| version.take_ready()) {
                return ControlFlow::Continue((version, instance));
            }
            match version.job.instantiate(&version.parameters, Arc::clone(&self.host)) {
                Ok(instance) => return ControlFlow::Continue((version, instance)),
                Err(failure) => {
                    // Kept, so that another version is noticed.
                    self.last = Some((Arc::clone(&version), None));
                    handler.no_instance(&version, failure, times)?;
                    times += 1;
                }
            }
        }
    }

    fn good<H: Handler>(&mut self, outcome: Outcome, handler: &mut H) {
        self.streak.good();
        handler.good(outcome);
    }

    fn bad<H: Handler>(
        &mut self,
        batch: &Batch,
        index: u32,
        mut failure: Failure,
        handler: &mut H,
    ) -> ControlFlow<H::Stop> {
        let mut times = 0;
        // However many records of that kind there are, the job is as good as it was.
        let mut is_held = !matches!(failure, Failure::Unreadable(_)) && self.streak.bad(batch.position(index as usize));
        while is_held && let Some((version, _)) = &self.last {
            let version = Arc::clone(version);
            match handler.hold(&version, index, &failure, times)? {
                Held::GiveUp => is_held = false,
                Held::TryAgain => {
                    times += 1;
                    let i = index as usize;
                    let (_, result) = self.call(&batch.slice(i..i + 1), handler)?;
                    match result {
                        Ok(mut outcome) => {
                            shift(&mut outcome, index);
                            self.good(outcome, handler);
                            return ControlFlow::Continue(());
                        }
                        Err(again) => {
                            is_held = !matches!(again, Failure::Unreadable(_));
                            failure = again;
                        }
                    }
                }
            }
        }
        handler.bad(index, failure);
        ControlFlow::Continue(())
    }
}

/// Whether the job was not called, for what a record has.
fn is_unreadable(result: &Result<Outcome, Failure>) -> bool {
    matches!(result, Err(Failure::Unreadable(_)))
}

/// The search for the bad records of one batch.
struct Search<'a, H> {
    runner: &'a mut GuestRunner,
    batch: &'a Batch,
    handler: &'a mut H,
}

impl<H: Handler> Attempts for Search<'_, H> {
    type Stop = H::Stop;

    fn attempt(&mut self, part: &Batch) -> ControlFlow<H::Stop, Result<Outcome, Failure>> {
        self.runner.call(part, self.handler).map_continue(|(_, result)| result)
    }

    fn found(&mut self, part: Isolated) -> ControlFlow<H::Stop> {
        match part {
            Isolated::Good(outcome) => {
                self.runner.good(outcome, self.handler);
                ControlFlow::Continue(())
            }
            Isolated::Bad(index, failure) => self.runner.bad(self.batch, index, failure, self.handler),
        }
    }
}
