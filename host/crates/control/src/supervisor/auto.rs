//! What decides how many instances a job of automatic parallelism has.

use chrono::{DateTime, Utc};

use crate::scaling::Policy;
use crate::services::Services;

/// What a job's parallelism has been decided by.
#[derive(Debug)]
pub(super) struct Auto {
    pub(super) policy: Policy,
    /// Since when it is as many instances as it is.
    pub(super) since: DateTime<Utc>,
}

impl Auto {
    pub(super) fn new(services: &Services) -> Self {
        Self { policy: Policy::new(services.config().delivery.commit_interval), since: services.clock().date() }
    }

    /// Forgets what was measured, and what brought nothing.
    pub(super) fn forget(&mut self) {
        self.policy.forget();
    }
}
