//! Where a job that is held is on its partitions. It is in no group then, so that is asked: when it is held, and again
//! when somebody looks at it, as a job that nobody looks at is to cost nothing.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pelton_connect::Error;
use pelton_model::partition::PartitionView;
use pelton_model::sync::lock;

/// How old what is shown gets until it is asked for again.
const FRESH: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
struct State {
    partitions: Vec<PartitionView>,
    /// When the last look began.
    looked: Option<Instant>,
    is_looking: bool,
    /// How many looks have begun, and which of them is shown.
    begun: u64,
    shown: u64,
}

/// Where a job that is held is. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Held(Arc<Mutex<State>>);

/// A look that has begun.
#[derive(Debug)]
pub(super) struct Look {
    held: Held,
    number: u64,
}

impl Held {
    /// The job is held from now on; these were its partitions.
    pub(super) fn begin(&self, mut partitions: Vec<PartitionView>) {
        // Nobody handles them.
        for view in &mut partitions {
            (view.instance, view.shared) = (None, false);
        }
        let mut state = lock(&self.0);
        state.begun += 1;
        *state = State { partitions, begun: state.begun, shown: state.begun, ..State::default() };
    }

    /// As it was last seen.
    pub(super) fn partitions(&self) -> Vec<PartitionView> {
        lock(&self.0).partitions.clone()
    }

    /// Begins a look where one is due and none is under way.
    pub(super) fn look_if_due(&self, now: Instant) -> Option<Look> {
        let state = lock(&self.0);
        let is_due = state.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= FRESH);
        if state.is_looking || !is_due {
            return None;
        }
        drop(state);
        Some(self.look(now))
    }

    /// Begins a look.
    pub(super) fn look(&self, now: Instant) -> Look {
        let mut state = lock(&self.0);
        (state.is_looking, state.looked) = (true, Some(now));
        state.begun += 1;
        Look { held: self.clone(), number: state.begun }
    }
}

impl Look {
    /// What was seen; shown, unless a look that began later has been. Without an answer the last one stays.
    pub(super) fn saw(self, seen: Result<Vec<PartitionView>, Error>) {
        let mut state = lock(&self.held.0);
        match seen {
            Ok(partitions) if self.number > state.shown => {
                state.partitions = partitions;
                state.shown = self.number;
            }
            Ok(_) => {}
            Err(error) => tracing::debug!("where the job is can't be seen: {error}"),
        }
    }
}

/// Also where it has seen nothing: another may begin.
impl Drop for Look {
    fn drop(&mut self) {
        let mut state = lock(&self.held.0);
        if state.begun == self.number {
            state.is_looking = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(committed: i64) -> Vec<PartitionView> {
        let view = PartitionView {
            topic: "t".to_owned(),
            partition: 0,
            instance: Some(1),
            shared: true,
            committed: Some(committed),
            end: None,
            lag: None,
        };
        vec![view]
    }

    fn shown(held: &Held) -> Option<i64> {
        held.partitions().first().and_then(|view| view.committed)
    }

    #[test]
    fn it_is_looked_at_once_in_a_while_by_one_at_a_time() {
        let (held, now) = (Held::default(), Instant::now());
        held.begin(view(1));
        assert_eq!((shown(&held), held.partitions()[0].instance), (Some(1), None));
        let look = held.look_if_due(now).unwrap();
        assert!(held.look_if_due(now + FRESH).is_none(), "one is under way");
        look.saw(Ok(view(2)));
        assert_eq!(shown(&held), Some(2));
        assert!(held.look_if_due(now + FRESH / 2).is_none(), "it is fresh");
        held.look_if_due(now + FRESH).unwrap().saw(Err(Error::NoTopic { topic: "t".to_owned() }));
        assert_eq!(shown(&held), Some(2), "as it was");
        drop(held.look_if_due(now + FRESH * 2).unwrap());
        held.look_if_due(now + FRESH * 3).expect("nobody is looking").saw(Ok(view(3)));
        assert_eq!(shown(&held), Some(3));
    }

    #[test]
    fn what_was_seen_before_does_not_hide_what_was_seen_since() {
        let (held, now) = (Held::default(), Instant::now());
        let (before, since) = (held.look(now), held.look(now));
        since.saw(Ok(view(2)));
        before.saw(Ok(view(1)));
        assert_eq!(shown(&held), Some(2));
        // Nor does one from before it was held.
        let before = held.look(now);
        held.begin(view(7));
        before.saw(Ok(view(3)));
        assert_eq!(shown(&held), Some(7));
        assert!(held.look_if_due(now).is_some());
    }
}
