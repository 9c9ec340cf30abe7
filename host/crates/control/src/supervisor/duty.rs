//! What a job's thread is told to do, and what it does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pelton_delivery::clock::{Clock, wait_until};
use pelton_model::sync::lock;

use crate::changes::Changes;
use pelton_connect::Requests;

/// How long is waited at a time; whatever is waited for wakes.
const LONG: Duration = Duration::from_secs(3600);

/// What a job is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Attempt after attempt.
    Running,
    /// Nothing, until it may go on.
    Paused,
    /// Nothing any more.
    Stopped,
}

#[derive(Debug)]
struct Phases {
    told: Phase,
    /// `Running` also while it tries in vain.
    does: Phase,
}

/// What a job's thread is told, and what it does. Everything that is to end an attempt goes through here.
#[derive(Debug)]
pub(crate) struct Duty {
    phases: Mutex<Phases>,
    /// What the attempt sees of it.
    requests: Requests,
    changes: Arc<Changes>,
}

impl Duty {
    pub(crate) fn new(told: Phase, parallelism: usize, changes: Arc<Changes>) -> Self {
        let parallelism = Arc::new(AtomicUsize::new(parallelism));
        let requests = Requests { parallelism, ..Requests::default() };
        Self { phases: Mutex::new(Phases { told, does: Phase::Running }), requests, changes }
    }

    pub(crate) fn requests(&self) -> &Requests {
        &self.requests
    }

    /// Says what the job is to do from now on. What has been stopped stays so.
    pub(crate) fn give(&self, told: Phase) {
        let mut phases = lock(&self.phases);
        if phases.told != Phase::Stopped && phases.told != told {
            phases.told = told;
            self.requests.stop.store(told != Phase::Running, Ordering::Release);
            drop(phases);
            self.requests.wake.call();
            self.changes.tell();
        }
    }

    /// Ends the attempt that runs, or the wait for the next one, so that another begins. Where it would be `in_vain` the
    /// attempt doesn't wait for what is in flight.
    pub(crate) fn restart(&self, in_vain: bool) {
        let phases = lock(&self.phases);
        self.requests.in_vain.store(in_vain, Ordering::Release);
        self.requests.stop.store(true, Ordering::Release);
        drop(phases);
        self.requests.wake.call();
    }

    /// Has the attempt run with so many instances.
    pub(crate) fn scale(&self, parallelism: usize) {
        self.requests.parallelism.store(parallelism, Ordering::Release);
        self.requests.wake.call();
    }

    /// How many instances an attempt has, or will have.
    pub(crate) fn instances(&self) -> usize {
        self.requests.instances()
    }

    /// What it was told.
    pub(crate) fn told(&self) -> Phase {
        lock(&self.phases).told
    }

    /// What it does.
    pub(crate) fn does(&self) -> Phase {
        lock(&self.phases).does
    }

    /// Waits while the job is to be paused, which it is after `pause`; says whether it is to run.
    pub(crate) fn may_run(&self, clock: &dyn Clock, pause: impl Fn()) -> bool {
        loop {
            let mut phases = lock(&self.phases);
            let told = phases.told;
            match told {
                Phase::Stopped => return false,
                Phase::Running => {
                    self.requests.stop.store(false, Ordering::Release);
                    self.requests.in_vain.store(false, Ordering::Release);
                    phases.does = Phase::Running;
                    return true;
                }
                Phase::Paused => {
                    drop(phases);
                    pause();
                    self.now_does(Phase::Paused);
                    wait_until(clock, &self.requests.wake, LONG, || self.told() != Phase::Paused);
                }
            }
        }
    }

    pub(crate) fn now_does(&self, does: Phase) {
        lock(&self.phases).does = does;
        self.changes.tell();
    }

    /// Waits for so long, or until an attempt that runs would end; says which it was.
    pub(crate) fn wait(&self, clock: &dyn Clock, time: Duration) -> bool {
        wait_until(clock, &self.requests.wake, time, || self.requests.stop.load(Ordering::Acquire))
    }
}
