//! Jobs that have had nothing to read for long give up their consumers, and with them what those cost.
//!
//! A member of a group is a client of librdkafka with four threads, each of which wakes every second. Some idle jobs
//! keep theirs (`kafka.idle_members`); where there are more, those that have been idle longest leave their groups and
//! sleep, and one consumer without a group looks at the partitions of all of them, from where each has committed on.
//! Any record there wakes the jobs that read it, and they go on with their own consumers from what is committed, as
//! after a stop.
//!
//! Only a job that has all partitions of its topics sleeps, so that it sees whatever comes. Whatever is to be told by
//! the jobs themselves (a topic that is gone, new partitions) wakes them as well, and after [`LONGEST`] each wakes by
//! itself: a broker forgets the offsets of a group that has no member for days. While no broker is there, they sleep
//! on.

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use pelton_delivery::wake::Wake;
use pelton_model::partition::PartitionView;
use pelton_model::settings;
use pelton_model::sync::lock;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::{REFRESH, REQUEST_TIMEOUT};
use super::poll::check;
use super::topic_id::{self, TopicIds};
use super::watch::{self, NoBroker, Signs, Watching};

/// How long a job sleeps at most, and by how much less, so that not all wake at once.
const LONGEST: Duration = Duration::from_secs(3600);
const SPREAD: Duration = Duration::from_secs(900);
/// How long a job that has just joined its group stays, to be told of what there is.
const SETTLE: Duration = Duration::from_secs(15);
/// How long the one that looks waits for a sign at a time.
const LOOK: Duration = Duration::from_secs(1);
/// How long it waits for a broker at a time.
const AGAIN: Duration = Duration::from_secs(2);

/// The idle and the sleeping jobs of a host. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sleep(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: ClientConfig,
    /// How many idle jobs stay awake.
    keep: usize,
    after: Duration,
    next_id: AtomicU64,
    state: Mutex<State>,
    /// Changes whenever a job falls asleep or wakes.
    changes: AtomicU64,
    /// Of the thread that looks.
    wake: Arc<Wake>,
}

#[derive(Debug, Default)]
struct State {
    /// The idle jobs that are awake, by when they last had a record.
    idle: BTreeSet<(Instant, u64)>,
    sleeping: HashMap<u64, Sleeping>,
    /// Whether somebody looks.
    is_looking: bool,
}

#[derive(Debug)]
struct Sleeping {
    partitions: Vec<PartitionView>,
    wake: Arc<Wake>,
    woken: Arc<AtomicBool>,
}

impl Sleeping {
    fn wake(&self) {
        self.woken.store(true, Ordering::Release);
        self.wake.call();
    }
}

/// One job's part in it; it stays over the job's attempts.
#[derive(Debug)]
pub struct Sleeper {
    shared: Arc<Shared>,
    id: u64,
    last_record: Mutex<Instant>,
    /// Whether it has slept since that was last asked.
    slept: AtomicBool,
}

impl Sleep {
    /// Nobody sleeps yet.
    pub fn new(kafka: &settings::Kafka) -> Self {
        let mut settings = watch::settings_of(kafka);
        // It is to see that something is there, and to keep nothing of it.
        settings.set("queued.max.messages.kbytes", "1024").set("fetch.message.max.bytes", "1024");
        Self(Arc::new(Shared {
            settings,
            keep: kafka.idle_members,
            after: kafka.idle_after,
            next_id: AtomicU64::new(0),
            state: Mutex::default(),
            changes: AtomicU64::new(0),
            wake: Arc::default(),
        }))
    }

    /// A job's part in it.
    pub fn job(&self) -> Sleeper {
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let (last_record, slept) = (Mutex::new(Instant::now()), AtomicBool::new(false));
        Sleeper { shared: Arc::clone(&self.0), id, last_record, slept }
    }
}

impl Sleeper {
    /// Says that a record has come.
    pub(super) fn is_busy(&self) {
        let before = std::mem::replace(&mut *lock(&self.last_record), Instant::now());
        if before.elapsed() >= self.shared.after {
            lock(&self.shared.state).idle.remove(&(before, self.id));
        }
    }

    /// Says that nothing comes, to a member of the group for so long; tells whether the job may sleep: enough others
    /// are idle, and have not been for longer.
    pub(super) fn may_sleep(&self, member_for: Duration) -> bool {
        let last_record = *lock(&self.last_record);
        if last_record.elapsed() < self.shared.after || member_for < SETTLE.min(self.shared.after) {
            return false;
        }
        let mut state = lock(&self.shared.state);
        let this = (last_record, self.id);
        state.idle.insert(this);
        state.idle.range(this..).count() > self.shared.keep
    }

    /// Whether the job has slept since this was last asked.
    pub(super) fn slept(&self) -> bool {
        self.slept.swap(false, Ordering::AcqRel)
    }

    /// Says that the job has no attempt that runs.
    pub fn rest(&self) {
        lock(&self.shared.state).idle.remove(&(*lock(&self.last_record), self.id));
    }

    /// Sleeps until there is anything in these partitions after what is committed, or `over`, which is looked at when
    /// `wake` is called.
    pub fn sleep(&self, partitions: Vec<PartitionView>, wake: &Arc<Wake>, over: &dyn Fn() -> bool) {
        let woken = Arc::new(AtomicBool::new(false));
        let sleeping = Sleeping { partitions, wake: Arc::clone(wake), woken: Arc::clone(&woken) };
        lock(&self.shared.state).sleeping.insert(self.id, sleeping);
        self.shared.look();
        let spread = SPREAD.mul_f64((self.id % 64) as f64 / 64.0);
        let until = Instant::now() + LONGEST - spread;
        while !woken.load(Ordering::Acquire) && !over() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            wake.wait(left);
        }
        lock(&self.shared.state).sleeping.remove(&self.id);
        self.slept.store(true, Ordering::Release);
        self.shared.changed();
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.rest();
    }
}

impl Shared {
    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.wake.call();
    }

    /// Has somebody look at the partitions of all who sleep.
    fn look(self: &Arc<Self>) {
        self.changed();
        if std::mem::replace(&mut lock(&self.state).is_looking, true) {
            return;
        }
        let shared = Arc::clone(self);
        let looks = move || {
            let reason = loop {
                match catch_unwind(AssertUnwindSafe(|| Watcher::new(&shared)?.run())) {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) if error.is::<NoBroker>() => shared.wake.wait(AGAIN),
                    Ok(Err(error)) => break format!("{error:#}"),
                    Err(_) => break "its thread panicked; this is a bug in Pelton, please report it".to_owned(),
                }
            };
            shared.wake_all(&reason);
        };
        if let Err(error) = std::thread::Builder::new().name("sleep".to_owned()).spawn(looks) {
            self.wake_all(&format!("no thread could be started: {error}"));
        }
    }

    fn wake_all(&self, reason: &str) {
        let mut state = lock(&self.state);
        state.is_looking = false;
        tracing::info!("{} sleeping jobs wake: {reason}", state.sleeping.len());
        state.sleeping.values().for_each(Sleeping::wake);
    }

    /// Wakes who reads that partition.
    fn came(&self, topic: &str, partition: i32) {
        for sleeping in lock(&self.state).sleeping.values() {
            if sleeping.partitions.iter().any(|view| view.topic == topic && view.partition == partition) {
                sleeping.wake();
            }
        }
    }

    /// The partitions to look at, and from where on: where any job reads on.
    fn looked_at(&self) -> HashMap<(String, i32), i64> {
        let mut state = lock(&self.state);
        let mut found = HashMap::new();
        let awaiting = state.sleeping.values().filter(|sleeping| !sleeping.woken.load(Ordering::Acquire));
        for view in awaiting.flat_map(|sleeping| &sleeping.partitions) {
            let from = view.committed.unwrap_or(0);
            let first = found.entry((view.topic.clone(), view.partition)).or_insert(from);
            *first = from.min(*first);
        }
        state.is_looking = !found.is_empty();
        found
    }
}

/// Who looks, with a consumer that joins no group and commits nothing.
struct Watcher<'a> {
    shared: &'a Shared,
    consumer: BaseConsumer<Watching>,
    /// What is assigned, and from where on.
    looked_at: HashMap<(String, i32), i64>,
    changes: u64,
    counted: Instant,
    /// The ids of its topics, as they were first told.
    ids: TopicIds,
    signs: Signs,
}

impl<'a> Watcher<'a> {
    fn new(shared: &'a Shared) -> Result<Self> {
        let consumer = watch::consumer(&shared.settings, &shared.wake)?;
        let (looked_at, counted, ids) = (HashMap::new(), Instant::now(), TopicIds::new());
        Ok(Self { shared, consumer, looked_at, changes: u64::MAX, counted, ids, signs: Signs::default() })
    }

    /// Looks until nobody sleeps.
    fn run(mut self) -> Result<()> {
        loop {
            let changes = self.shared.changes.load(Ordering::Acquire);
            if changes != self.changes {
                self.changes = changes;
                if !self.assign()? {
                    return Ok(());
                }
            }
            match self.consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    self.signs.seen();
                    self.shared.came(message.topic(), message.partition());
                    self.shared.changed();
                }
                Some(Err(error)) => check(&error)?,
                None => {
                    self.signs.look(&self.consumer)?;
                    if self.counted.elapsed() >= REFRESH {
                        self.counted = Instant::now();
                        self.count()?;
                    }
                    self.shared.wake.wait(LOOK);
                }
            }
        }
    }

    /// Looks at what is to be looked at now; says whether there is anything.
    fn assign(&mut self) -> Result<bool> {
        let wanted = self.shared.looked_at();
        let list = |from: &HashMap<(String, i32), i64>, but: &HashMap<(String, i32), i64>| -> Result<_> {
            let mut list = TopicPartitionList::new();
            for ((topic, partition), offset) in from.iter().filter(|(key, offset)| but.get(*key) != Some(*offset)) {
                list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
            }
            Ok(list)
        };
        let gone = list(&self.looked_at, &wanted)?;
        if gone.count() > 0 {
            self.consumer.incremental_unassign(&gone).context("failed to end looking")?;
        }
        let come = list(&wanted, &self.looked_at)?;
        if come.count() > 0 {
            self.consumer.incremental_assign(&come).context("failed to begin looking")?;
        }
        self.looked_at = wanted;
        self.know()?;
        Ok(!self.looked_at.is_empty())
    }

    /// Finds topics that are not the ones that they were: one that was created anew may have no more than was read.
    fn know(&mut self) -> Result<()> {
        let topics: BTreeSet<&str> = self.looked_at.keys().map(|(topic, _)| topic.as_str()).collect();
        if topics.is_empty() {
            return Ok(());
        }
        self.ids.retain(|topic, _| topics.contains(topic.as_str()));
        let topics: Vec<_> = topics.into_iter().collect();
        // Who wakes looks by itself; who sleeps is looked for again.
        let Ok(found) = topic_id::ids(self.consumer.client(), &topics, topic_id::TIMEOUT) else { return Ok(()) };
        for (topic, id) in found {
            let known = self.ids.entry(topic.clone()).or_insert_with(|| id.clone());
            ensure!(*known == id, "topic {topic:?} was created anew");
        }
        Ok(())
    }

    /// Finds topics that have other partitions than are looked at.
    fn count(&mut self) -> Result<()> {
        let metadata = self.consumer.fetch_metadata(None, REQUEST_TIMEOUT).map_err(|_| NoBroker)?;
        ensure!(!metadata.brokers().is_empty(), NoBroker);
        for topic in metadata.topics() {
            let count = self.looked_at.keys().filter(|(name, _)| name == topic.name()).count();
            ensure!(count == 0 || count == topic.partitions().len(), "topic {:?} has new partitions", topic.name());
        }
        self.know()
    }
}

/// The partitions of a member that has all of its topics' and may thus sleep.
pub(super) fn all_of(
    consumer: &BaseConsumer<impl ConsumerContext>,
    topics: &[String],
    assigned: Vec<PartitionView>,
) -> Result<Vec<PartitionView>> {
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), REQUEST_TIMEOUT)?;
        let there: usize = metadata.topics().iter().map(|topic| topic.partitions().len()).sum();
        let has = assigned.iter().filter(|view| view.topic == *topic).count();
        if there == 0 || there != has {
            bail!("{has} of {there} partitions of {topic}");
        }
    }
    Ok(assigned)
}

#[cfg(test)]
mod tests;
