//! One memory, and the hosts that share it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pelton_delivery::clock::Clock;
use pelton_delivery::wake::Wake;
use pelton_model::spec;
use pelton_model::sync::lock;

use super::group::GroupView;
use super::state::{Partition, Record, Rules, State};
use super::table::{Row, Table};

/// What all hosts share.
#[derive(Debug, Default)]
pub(super) struct World {
    state: Mutex<State>,
    /// Who waits for anything here to change.
    listeners: Mutex<BTreeMap<u64, Wake>>,
    next_listener: AtomicU64,
}

/// A memory, as one host sees it. Cheap to clone.
#[derive(Clone)]
pub struct Memory {
    world: Arc<World>,
    pub(super) clock: Arc<dyn Clock>,
    has_crashed: Arc<AtomicBool>,
    /// How long writing takes.
    pub(super) latency: Duration,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("has_crashed", &self.has_crashed()).finish_non_exhaustive()
    }
}

impl Memory {
    /// An empty one, for a host with this clock. Writing takes `latency`.
    pub fn new(clock: Arc<dyn Clock>, latency: Duration) -> Self {
        Self { world: Arc::default(), clock, has_crashed: Arc::default(), latency }
    }

    /// The same for another host, or for the same one after it has crashed.
    pub fn host(&self, clock: Arc<dyn Clock>) -> Self {
        Self { world: Arc::clone(&self.world), clock, has_crashed: Arc::default(), latency: self.latency }
    }

    /// The host crashes: nothing that it does from now on has any effect, and its members are taken for dead.
    pub fn crash(&self) {
        self.has_crashed.store(true, Ordering::Release);
        self.changed();
    }

    /// Whether the host has crashed.
    pub fn has_crashed(&self) -> bool {
        self.has_crashed.load(Ordering::Acquire)
    }

    /// Makes a topic; one that is there stays as it is.
    pub fn create_topic(&self, topic: &str, partitions: usize) {
        self.with(|state| {
            let make = || (0..partitions.max(1)).map(|_| Partition::default()).collect();
            state.topics.entry(topic.to_owned()).or_insert_with(make);
        });
    }

    /// Writes a record, whatever the rules say of it; gives its offset.
    pub fn append(&self, topic: &str, record: Record) -> i64 {
        self.with(|state| {
            let rules = std::mem::take(&mut state.rules);
            let written = state.write(topic, record);
            state.rules = rules;
            written.unwrap_or(-1)
        })
    }

    /// The records of a topic, by partition, then by offset.
    pub fn records(&self, topic: &str) -> Vec<Record> {
        self.look(|state| {
            let partitions = state.topics.get(topic).into_iter().flatten();
            partitions.flat_map(|partition| partition.records.iter().cloned()).collect()
        })
    }

    /// Deletes the records of a partition before an offset, as retention does.
    pub fn delete_before(&self, topic: &str, partition: i32, offset: i64) {
        self.with(|state| {
            let partitions = state.topics.get_mut(topic);
            let found = partitions.and_then(|all| all.get_mut(usize::try_from(partition).ok()?));
            found.into_iter().for_each(|partition| partition.delete_before(offset));
        });
    }

    /// Makes a table; one that is there stays as it is.
    pub fn create_table(&self, table: &spec::Table) {
        self.with(|state| {
            state.tables.entry(table.name.clone()).or_insert_with(|| Table::new(table));
        });
    }

    /// The rows of a table, in the order in which they came; or what a statement, by its text, was executed with.
    pub fn rows(&self, table: &str) -> Vec<Row> {
        self.look(|state| state.tables.get(table).map(|table| table.rows().to_vec()).unwrap_or_default())
    }

    /// What a group has committed.
    pub fn group(&self, group: &str) -> GroupView {
        self.look(|state| state.groups.get(group).map(|group| group.view()).unwrap_or_default())
    }

    /// Has the partitions of a group dealt out in another way.
    pub fn rebalance(&self, group: &str) {
        self.with(|state| state.groups.entry(group.to_owned()).or_default().rebalance());
    }

    /// Takes the members of a group for dead, as after a session's end; they join again.
    pub fn expel(&self, group: &str) {
        self.with(|state| {
            let group = state.groups.entry(group.to_owned()).or_default();
            for member in group.members() {
                group.leave(member);
            }
        });
    }

    /// Which records and rows are refused.
    pub fn set_rules(&self, rules: Rules) {
        self.with(|state| state.rules = rules);
    }

    /// The server of topics is away, for this reason, or back.
    pub fn set_topics_away(&self, reason: Option<&str>) {
        self.with(|state| state.topics_away = reason.map(str::to_owned));
    }

    /// The server of tables is away, for this reason, or back.
    pub fn set_tables_away(&self, reason: Option<&str>) {
        self.with(|state| state.tables_away = reason.map(str::to_owned));
    }

    /// Changes what there is, and has everybody look.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut lock(&self.world.state));
        self.changed();
        changed
    }

    /// Looks at what there is.
    pub(super) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&lock(&self.world.state))
    }

    /// As [`with`](Self::with), where nobody need look.
    pub(super) fn quietly<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut lock(&self.world.state))
    }

    fn changed(&self) {
        lock(&self.world.listeners).values().for_each(Wake::call);
    }

    /// Has `wake` called whenever anything changes, until what is given is dropped.
    pub(super) fn listen(&self, wake: &Wake) -> Listening {
        let id = self.world.next_listener.fetch_add(1, Ordering::Relaxed);
        lock(&self.world.listeners).insert(id, wake.clone());
        Listening { world: Arc::clone(&self.world), id }
    }
}

/// Somebody who is told of changes.
#[derive(Debug)]
pub(super) struct Listening {
    world: Arc<World>,
    id: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        lock(&self.world.listeners).remove(&self.id);
    }
}
