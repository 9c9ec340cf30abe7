//! What the parts of a source share.

use std::sync::Arc;

use super::admin::Admin;
use super::feeds::Feeds;
use super::sleep::Sleeper;
use crate::source::SourceContext;

/// What a source needs of its job and of the host.
#[derive(Debug, Clone)]
pub(super) struct Context {
    /// What any source is given.
    pub(super) job: SourceContext,
    /// What asks brokers without waiting for fetches.
    pub(super) admin: Arc<Admin>,
    /// Fetches that it may share with other jobs.
    pub(super) feeds: Feeds,
    /// Whether it may sleep.
    pub(super) sleeper: Arc<Sleeper>,
}
