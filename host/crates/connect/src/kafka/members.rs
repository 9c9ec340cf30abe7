//! The members that jobs of this host are of their groups.
//!
//! A group that has members takes offsets from these only. So where a job starts on topics that are new to it while it
//! runs is committed by the job's own consumer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use pelton_model::sync::lock;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, ConsumerContext};
use rdkafka::error::KafkaResult;

/// What a member does for others.
pub(super) trait Commits: Send + Sync {
    /// Commits offsets, and waits until that is done.
    fn commit(&self, offsets: &TopicPartitionList) -> KafkaResult<()>;
}

impl<C: ConsumerContext> Commits for BaseConsumer<C> {
    fn commit(&self, offsets: &TopicPartitionList) -> KafkaResult<()> {
        rdkafka::consumer::Consumer::commit(self, offsets, CommitMode::Sync)
    }
}

/// Consumers, by group.
#[derive(Default)]
pub(super) struct Members(Mutex<BTreeMap<String, Weak<dyn Commits>>>);

impl std::fmt::Debug for Members {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Members").finish_non_exhaustive()
    }
}

impl Members {
    /// Says that a consumer is a member of a group; it takes the place of one before.
    pub(super) fn add<C: Commits + 'static>(&self, group: &str, consumer: &Arc<C>) {
        let consumer: Weak<C> = Arc::downgrade(consumer);
        lock(&self.0).insert(group.to_owned(), consumer);
    }

    /// Says that it is one no more.
    pub(super) fn remove<C: Commits + 'static>(&self, group: &str, consumer: &Arc<C>) {
        let mut members = lock(&self.0);
        if members.get(group).is_some_and(|member| std::ptr::addr_eq(member.as_ptr(), Arc::as_ptr(consumer))) {
            members.remove(group);
        }
    }

    /// The member of a group. Keep it for a call only: who has it last closes it.
    pub(super) fn of(&self, group: &str) -> Option<Arc<dyn Commits>> {
        lock(&self.0).get(group).and_then(Weak::upgrade)
    }
}
