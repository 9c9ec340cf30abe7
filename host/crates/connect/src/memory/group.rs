//! Groups: who has which partition, and what is committed.

use std::collections::{BTreeMap, BTreeSet};

/// A topic and a partition of it.
pub(super) type Key = (String, i32);

/// A group of members that share the partitions of their topics.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// The topics of each member.
    members: BTreeMap<u64, BTreeSet<String>>,
    owners: BTreeMap<Key, u64>,
    committed: BTreeMap<Key, i64>,
    /// Deals the partitions out in another way.
    turn: usize,
}

/// A group as it can be looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupView {
    /// How many members there are.
    pub members: usize,
    /// What is committed.
    pub committed: BTreeMap<(String, i32), i64>,
}

impl Group {
    pub(super) fn join(&mut self, member: u64, topics: impl IntoIterator<Item = String>) {
        self.members.insert(member, topics.into_iter().collect());
    }

    /// A member goes, or is taken for dead; what it had is free.
    pub(super) fn leave(&mut self, member: u64) {
        self.members.remove(&member);
        self.owners.retain(|_, owner| *owner != member);
    }

    pub(super) fn has(&self, member: u64) -> bool {
        self.members.contains_key(&member)
    }

    /// The members, in order.
    pub(super) fn members(&self) -> Vec<u64> {
        self.members.keys().copied().collect()
    }

    /// Has the partitions dealt out in another way.
    pub(super) fn rebalance(&mut self) {
        self.turn += 1;
    }

    /// Who is to have a partition, which is the `n`th of its topic.
    pub(super) fn target(&self, topic: &str, n: usize) -> Option<u64> {
        let readers: Vec<u64> =
            self.members.iter().filter(|(_, topics)| topics.contains(topic)).map(|(member, _)| *member).collect();
        readers.get((n + self.turn) % readers.len().max(1)).copied()
    }

    pub(super) fn owner(&self, key: &Key) -> Option<u64> {
        self.owners.get(key).copied()
    }

    /// Takes a partition that nobody has; says whether the member has it now.
    pub(super) fn take(&mut self, key: &Key, member: u64) -> bool {
        *self.owners.entry(key.clone()).or_insert(member) == member
    }

    /// Gives a partition up.
    pub(super) fn release(&mut self, key: &Key, member: u64) {
        if self.owner(key) == Some(member) {
            self.owners.remove(key);
        }
    }

    pub(super) fn committed(&self, key: &Key) -> Option<i64> {
        self.committed.get(key).copied()
    }

    /// Commits the offset of a partition; says whether it did: only the one who has it may.
    pub(super) fn commit(&mut self, key: &Key, member: u64, next: i64) -> bool {
        let may = self.owner(key) == Some(member);
        if may {
            self.committed.insert(key.clone(), next);
        }
        may
    }

    /// Sets where a partition goes on, whoever has it.
    pub(super) fn set(&mut self, key: Key, next: i64) {
        self.committed.insert(key, next);
    }

    pub(super) fn view(&self) -> GroupView {
        GroupView { members: self.members.len(), committed: self.committed.clone() }
    }
}
