//! The place of one job on this host: what runs of it, and what is at hand for its next change.

use std::sync::{Arc, Mutex};

use crate::catalog::Revision;
use crate::record::JobRecord;
use pelton_model::sync::lock;

use crate::changes::Changes;
use crate::error::Error;
use crate::supervisor::Supervised;
use pelton_pipeline::{RolledBack, Version};

/// The place of the jobs that have one name, one after the other.
#[derive(Debug)]
pub(crate) struct Slot {
    /// The job's name.
    pub(crate) name: String,
    pub(crate) changes: Arc<Changes>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    supervised: Option<Arc<Supervised>>,
    /// Versions that were opened for a record that is being written.
    prepared: Vec<(JobRecord, Version)>,
    /// What the pipeline has rolled back by itself and the catalog doesn't know of yet.
    rolled_back: Option<RolledBack>,
    turn: Turn,
    /// How many looks at the record have begun.
    looks: u64,
    /// Which of them was the last that found nothing to be done.
    settled: u64,
    /// Why the record of this revision could not be carried out.
    failure: Option<(Revision, Error)>,
}

/// Whether somebody carries out the job's record.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Turn {
    #[default]
    Idle,
    /// Somebody does.
    Taken,
    /// Somebody does, and is to look again.
    Again,
}

impl Slot {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), changes: Arc::default(), state: Mutex::default() }
    }

    /// What runs.
    pub(crate) fn supervised(&self) -> Option<Arc<Supervised>> {
        lock(&self.state).supervised.clone()
    }

    /// Changes what runs.
    pub(crate) fn set_supervised(&self, supervised: Option<Arc<Supervised>>) {
        let mut state = lock(&self.state);
        state.supervised = supervised;
        state.failure = None;
        drop(state);
        self.changes.tell();
    }

    /// Begins a look at the record; returns its number.
    pub(crate) fn look(&self) -> u64 {
        let mut state = lock(&self.state);
        state.looks += 1;
        state.looks
    }

    /// Says that a look has found nothing to be done.
    pub(crate) fn is_settled(&self, look: u64) {
        let mut state = lock(&self.state);
        state.settled = state.settled.max(look);
        state.failure = None;
        drop(state);
        self.changes.tell();
    }

    /// How many looks have begun.
    pub(crate) fn looks(&self) -> u64 {
        lock(&self.state).looks
    }

    /// Takes the turn to carry out the record. Where somebody has it, that one looks again.
    pub(crate) fn take_turn(&self) -> bool {
        let mut state = lock(&self.state);
        let is_idle = state.turn == Turn::Idle;
        state.turn = if is_idle { Turn::Taken } else { Turn::Again };
        is_idle
    }

    /// Gives the turn back; says whether it is not over yet, since something has changed meanwhile.
    pub(crate) fn goes_on(&self) -> bool {
        let mut state = lock(&self.state);
        state.turn = if state.turn == Turn::Again { Turn::Taken } else { Turn::Idle };
        state.turn == Turn::Taken
    }

    /// Keeps a version at hand for a record that is about to be written.
    pub(crate) fn prepare(&self, record: &JobRecord, version: Version) {
        lock(&self.state).prepared.push((record.clone(), version));
    }

    /// The version that was opened for a record, once.
    pub(crate) fn take_prepared(&self, record: &JobRecord) -> Option<Version> {
        let prepared = &mut lock(&self.state).prepared;
        let found = prepared.iter().position(|(of, _)| of.is_version_of(record));
        found.map(|found| prepared.swap_remove(found).1)
    }

    /// What the pipeline has rolled back by itself and the catalog doesn't know of yet.
    pub(crate) fn rolled_back(&self) -> Option<RolledBack> {
        let mut state = lock(&self.state);
        let new = state.supervised.as_ref().and_then(|supervised| supervised.take_rolled_back());
        if new.is_some() {
            state.rolled_back = new;
        }
        state.rolled_back.clone()
    }

    /// Says that the catalog knows of it.
    pub(crate) fn rollback_is_kept(&self) {
        lock(&self.state).rolled_back = None;
    }

    /// Says why a record could not be carried out, or that it could.
    pub(crate) fn set_failure(&self, failure: Option<(Revision, Error)>) {
        lock(&self.state).failure = failure;
        self.changes.tell();
    }

    /// Whether a record has been carried out, or why not; `None` while it has not. So many looks had begun when it had
    /// been written. A record that another one has followed, or that is gone, counts as carried out.
    pub(crate) fn outcome(&self, revision: Revision, looks: u64) -> Option<Result<(), Error>> {
        let state = lock(&self.state);
        match &state.failure {
            Some((of, error)) if *of >= revision => Some(Err(error.clone())),
            _ => (state.settled > looks).then_some(Ok(())),
        }
    }

    /// Why the record of this or a later revision could not be carried out.
    pub(crate) fn failure(&self, revision: Revision) -> Option<Error> {
        lock(&self.state).failure.as_ref().filter(|(of, _)| *of >= revision).map(|(_, error)| error.clone())
    }
}
