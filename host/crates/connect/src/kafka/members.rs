//! The members that jobs of this host are of their groups.
//!
//! A group that has members takes offsets from these only. So where a job starts on topics that are new to it while it
//! runs is committed by the job's own consumer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use pelton_model::sync::lock;
use rdkafka::consumer::BaseConsumer;

use super::group::Group;

/// Consumers, by group.
#[derive(Default)]
pub(super) struct Members(Mutex<BTreeMap<String, Weak<BaseConsumer<Group>>>>);

impl std::fmt::Debug for Members {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Members").finish_non_exhaustive()
    }
}

impl Members {
    /// Says that a consumer is a member of a group; it takes the place of one before.
    pub(super) fn add(&self, group: &str, consumer: &Arc<BaseConsumer<Group>>) {
        lock(&self.0).insert(group.to_owned(), Arc::downgrade(consumer));
    }

    /// Says that it is one no more.
    pub(super) fn remove(&self, group: &str, consumer: &Arc<BaseConsumer<Group>>) {
        let mut members = lock(&self.0);
        if members.get(group).is_some_and(|member| std::ptr::eq(member.as_ptr(), Arc::as_ptr(consumer))) {
            members.remove(group);
        }
    }

    /// The member of a group. Keep it for a call only: who has it last closes it.
    pub(super) fn of(&self, group: &str) -> Option<Arc<BaseConsumer<Group>>> {
        lock(&self.0).get(group).and_then(Weak::upgrade)
    }
}
