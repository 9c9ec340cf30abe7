//! The consumer groups of jobs that are about to be submitted: two that come at once get no group together, and of two
//! submits of one job the second sees what the first has done. So nobody moves a group that another one starts with.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex};

use pelton_delivery::clock::Clock;
use pelton_model::sync::lock;

use crate::changes::Changes;

/// Groups, and who is about to have each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Groups(Arc<Taken>);

#[derive(Debug, Default)]
struct Taken {
    jobs: Mutex<BTreeMap<String, String>>,
    given_up: Changes,
}

/// A claim to a group; dropping it gives it up.
#[derive(Debug)]
pub(crate) struct Claim {
    taken: Arc<Taken>,
    group: String,
}

impl Groups {
    /// Claims a group for a job. Blocks while another submit of that job has it.
    ///
    /// # Errors
    /// The name of another job that has claimed it.
    pub(crate) fn claim(&self, clock: &dyn Clock, group: &str, job: &str) -> Result<Claim, String> {
        let result = Mutex::new(None);
        self.0.given_up.wait(clock, || {
            let taken = match lock(&self.0.jobs).entry(group.to_owned()) {
                Entry::Vacant(free) => {
                    free.insert(job.to_owned());
                    Ok(Claim { taken: Arc::clone(&self.0), group: group.to_owned() })
                }
                Entry::Occupied(other) if other.get() == job => return false,
                Entry::Occupied(other) => Err(other.get().clone()),
            };
            *lock(&result) = Some(taken);
            true
        });
        let taken = lock(&result).take();
        taken.unwrap_or_else(|| Err(job.to_owned()))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.taken.jobs).remove(&self.group);
        self.taken.given_up.tell();
    }
}

#[cfg(test)]
mod tests {
    use pelton_delivery::clock::SystemClock;

    use super::*;

    #[test]
    fn a_group_is_claimed_by_one_submit_at_a_time() {
        let groups = Groups::default();
        let claim = |group, job| groups.claim(&SystemClock, group, job);
        let one = claim("g", "a").unwrap();
        assert_eq!(claim("g", "b").unwrap_err(), "a");
        claim("h", "b").unwrap();
        std::thread::scope(|scope| {
            let again = scope.spawn(|| claim("g", "a").unwrap());
            assert_eq!(claim("g", "b").unwrap_err(), "a");
            drop(one);
            drop(again.join().unwrap());
        });
        claim("g", "b").unwrap();
        assert!(lock(&groups.0.jobs).is_empty());
    }
}
