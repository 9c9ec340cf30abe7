//! The consumer groups of jobs that are about to be submitted: two that come at once get no group together.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use pelton_model::sync::lock;

/// Groups, and who is about to have each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Groups(Arc<Mutex<BTreeMap<String, Vec<String>>>>);

/// A claim to a group; dropping it gives it up.
#[derive(Debug)]
pub(crate) struct Claim {
    groups: Groups,
    group: String,
    job: String,
}

impl Groups {
    /// Claims a group for a job.
    ///
    /// # Errors
    /// The name of another job that has claimed it.
    pub(crate) fn claim(&self, group: &str, job: &str) -> Result<Claim, String> {
        let mut groups = lock(&self.0);
        let claims = groups.entry(group.to_owned()).or_default();
        if let Some(other) = claims.iter().find(|other| *other != job) {
            return Err(other.clone());
        }
        claims.push(job.to_owned());
        Ok(Claim { groups: self.clone(), group: group.to_owned(), job: job.to_owned() })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut groups = lock(&self.groups.0);
        if let Some(claims) = groups.get_mut(&self.group) {
            if let Some(found) = claims.iter().position(|job| *job == self.job) {
                claims.swap_remove(found);
            }
            if claims.is_empty() {
                groups.remove(&self.group);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_claimed_by_one_job_at_a_time() {
        let groups = Groups::default();
        let one = groups.claim("g", "a").unwrap();
        let again = groups.claim("g", "a").unwrap();
        assert_eq!(groups.claim("g", "b").unwrap_err(), "a");
        groups.claim("h", "b").unwrap();
        drop(one);
        assert_eq!(groups.claim("g", "b").unwrap_err(), "a");
        drop(again);
        groups.claim("g", "b").unwrap();
        assert!(lock(&groups.0).is_empty());
    }
}
