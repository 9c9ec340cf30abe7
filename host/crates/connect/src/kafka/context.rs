//! What the parts of a source share.

use std::sync::Arc;

use super::admin::Admin;
use super::feeds::Feeds;
use super::members::Members;
use super::sleep::Sleeper;
use super::static_member::StaticMember;
use super::waits::Session;
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
    /// Where its consumer can be found.
    pub(super) members: Arc<Members>,
    /// As what its group knows it.
    pub(super) member: Arc<StaticMember>,
    /// How long its group waits for members.
    pub(super) session: Session,
}
