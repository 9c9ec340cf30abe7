//! Fetches that the jobs of a host share.
//!
//! Every job has a consumer of its own, in its own group, and reads with that while nobody else reads the same
//! partition or while it is behind the others. Where several jobs have come to the same place of a partition, one fetch
//! serves them all: the fetcher keeps the partition's last records, cut into batches, and each job follows at its own
//! pace with its own consumer's partition paused. The batches are handed out as they are; no job copies a record.
//!
//! Sharing couples no jobs and is in nobody's way: a feed holds every record from its beginning to its end, or it is
//! ended. A job that is slower than what is kept, and every job where the feed ends, for whatever reason, has *lost*
//! it: then it seeks its own consumer to where it is and goes on alone. Groups, ledgers, commits and rebalances are the
//! job's own throughout.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pelton_delivery::wake::Wake;
use pelton_model::record::Batch;
use pelton_model::settings::Batching;
use pelton_model::sync::lock;
use rdkafka::ClientConfig;

/// Bytes of records that all feeds of a host keep.
const KEEP: usize = 64 << 20;
/// What each of them keeps at least.
const KEEP_EACH: usize = 1 << 20;
/// How long nothing is shared after the fetcher has failed.
const AFTER_FAILURE: Duration = Duration::from_secs(30);

/// What jobs and fetcher have in common.
#[derive(Debug)]
pub(super) struct Shared {
    /// Of the fetcher's consumer; `None` where nothing is to be shared.
    pub(super) settings: Option<ClientConfig>,
    pub(super) batching: Batching,
    /// The fetcher's.
    pub(super) wake: Arc<Wake>,
    /// Fetches for all feeds, on a thread of its own, until nobody follows any.
    pub(super) fetch: fn(&Arc<Self>),
    pub(super) registry: Mutex<Registry>,
    /// Changes whenever a feed begins or ends.
    pub(super) changes: AtomicU64,
    pub(super) next_id: AtomicU64,
}

/// The feeds that jobs have a part in.
#[derive(Debug, Default)]
pub(super) struct Registry {
    pub(super) feeds: HashMap<(Arc<str>, i32), Arc<Feed>>,
    /// Whether the fetcher runs.
    pub(super) is_running: bool,
    not_before: Option<Instant>,
}

/// One partition that jobs of this host read.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// How many jobs have the partition.
    pub(super) places: usize,
    /// The last records, while anybody follows.
    pub(super) recent: Option<Recent>,
}

/// The last records of a partition: all that there are at the offsets `from..end`.
#[derive(Debug)]
pub(super) struct Recent {
    id: u64,
    from: i64,
    end: i64,
    kept: VecDeque<Kept>,
    /// Bytes of all records that were ever put in.
    total: u64,
    /// Bytes that are to be kept.
    pub(super) keep: u64,
    readers: Vec<Reader>,
    /// The end of the partition, where it is known.
    high: Option<i64>,
    /// Whether the fetcher waits for a reader.
    is_held: bool,
}

#[derive(Debug)]
struct Kept {
    batch: Arc<Batch>,
    /// The offset after its last record.
    end: i64,
    /// [`Recent::total`] before and after it.
    bytes: Range<u64>,
}

#[derive(Debug)]
struct Reader {
    id: u64,
    wake: Arc<Wake>,
    /// How much of [`Recent::total`] it has taken.
    read: u64,
}

impl Recent {
    fn begin(id: u64, at: i64) -> Self {
        let keep = KEEP_EACH as u64;
        let kept = VecDeque::new();
        Self { id, from: at, end: at, kept, total: 0, keep, readers: Vec::new(), high: None, is_held: false }
    }

    /// Whether a reader that has taken everything before `next` misses nothing here.
    fn covers(&self, next: i64) -> bool {
        (self.from..=self.end).contains(&next)
    }

    /// The first batch with a record that is not before `next`.
    fn find(&self, next: i64) -> Option<&Kept> {
        self.kept.get(self.kept.partition_point(|kept| kept.end <= next))
    }

    fn put(&mut self, batch: Batch) {
        let Some(&last) = batch.offsets.last() else { return };
        let bytes = self.total..self.total + batch.bytes() as u64;
        (self.end, self.total) = (self.end.max(last + 1), bytes.end);
        self.high = self.high.max(Some(self.end));
        self.kept.push_back(Kept { batch: Arc::new(batch), end: last + 1, bytes });
        let forget = self.total.saturating_sub(self.keep);
        while self.kept.len() > 1
            && let Some(oldest) = self.kept.pop_front_if(|oldest| oldest.bytes.start < forget)
        {
            self.from = oldest.end;
        }
        self.readers.iter().for_each(|reader| reader.wake.call());
    }

    /// Bytes that no reader has taken yet.
    fn ahead(&self) -> u64 {
        self.total - self.readers.iter().map(|reader| reader.read).max().unwrap_or_default()
    }

    /// Lets go of what every reader has taken.
    fn forget_taken(&mut self) {
        let taken = self.readers.iter().map(|reader| reader.read).min().unwrap_or_default();
        while let Some(oldest) = self.kept.pop_front_if(|oldest| oldest.bytes.end <= taken) {
            self.from = oldest.end;
        }
    }
}

/// What a feed has for a job.
#[derive(Debug)]
pub(super) enum Taken {
    /// The next records.
    Batch(Arc<Batch>),
    /// No record, but offsets that have none: what comes next does so at this one or after it.
    Passed(i64),
    /// Nothing now: the job will be woken.
    Nothing,
    /// The feed has ended, or the job was too slow for it.
    Lost,
}

/// A job's place at a partition; dropping it gives it up.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) shared: Arc<Shared>,
    pub(super) feed: Arc<Feed>,
    pub(super) id: u64,
    pub(super) wake: Arc<Wake>,
}

impl Place {
    /// Follows the feed from offset `next` on; says whether that is possible: another job has the partition too, and
    /// the feed, if there is one, reaches back to there.
    pub(super) fn follow(&self, next: i64) -> bool {
        // Before the lock of the feed: they are taken in this order.
        let may_begin = self.shared.may_begin();
        let mut state = lock(&self.feed.state);
        let is_new = state.recent.is_none();
        if state.places < 2 || is_new && !may_begin {
            return false;
        }
        let recent = state
            .recent
            .get_or_insert_with(|| Recent::begin(self.shared.next_id.fetch_add(1, Ordering::Relaxed), next));
        if !recent.covers(next) {
            return false;
        }
        let read = recent.find(next).map_or(recent.total, |kept| kept.bytes.start);
        recent.readers.push(Reader { id: self.id, wake: Arc::clone(&self.wake), read });
        drop(state);
        if is_new {
            self.shared.changed();
            self.shared.run();
        }
        true
    }

    /// What comes at offset `next` or after it, where everything before was taken. The batch may begin earlier.
    pub(super) fn take(&self, next: i64) -> Taken {
        let mut state = lock(&self.feed.state);
        // Alone it reads by itself.
        let is_alone = state.places < 2;
        let Some(recent) = state.recent.as_mut().filter(|recent| !is_alone && recent.covers(next)) else {
            return Taken::Lost;
        };
        let found = recent.find(next).map(|kept| (Arc::clone(&kept.batch), kept.bytes.end));
        // Not there: the feed that it followed has ended, and this is another.
        let Some(reader) = recent.readers.iter_mut().find(|reader| reader.id == self.id) else { return Taken::Lost };
        let Some((batch, read)) = found else {
            return if recent.end > next { Taken::Passed(recent.end) } else { Taken::Nothing };
        };
        reader.read = read;
        if recent.is_held && recent.ahead() <= recent.keep / 4 {
            recent.is_held = false;
            self.shared.wake.call();
        }
        Taken::Batch(batch)
    }

    /// The end of the partition as of the last fetch.
    pub(super) fn end(&self) -> Option<i64> {
        lock(&self.feed.state).recent.as_ref()?.high
    }

    /// Follows no more.
    pub(super) fn leave(&self) {
        self.shared.leave(&mut lock(&self.feed.state), self.id);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut registry = lock(&self.shared.registry);
        let mut state = lock(&self.feed.state);
        self.shared.leave(&mut state, self.id);
        state.places -= 1;
        if state.places == 0 {
            registry.feeds.remove(&(Arc::clone(&self.feed.topic), self.feed.partition));
        }
    }
}

impl Shared {
    /// A number that changes whenever a feed begins or ends.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.wake.call();
    }

    fn may_begin(&self) -> bool {
        self.settings.is_some() && lock(&self.registry).not_before.is_none_or(|not_before| Instant::now() >= not_before)
    }

    /// Takes a reader out; without any the feed ends.
    fn leave(&self, state: &mut State, reader: u64) {
        let Some(recent) = &mut state.recent else { return };
        recent.readers.retain(|other| other.id != reader);
        if recent.readers.is_empty() {
            state.recent = None;
            self.changed();
        }
    }

    /// Starts the fetcher where it does not run.
    fn run(self: &Arc<Self>) {
        if std::mem::replace(&mut lock(&self.registry).is_running, true) {
            return;
        }
        let shared = Arc::clone(self);
        let started = std::thread::Builder::new().name("fetcher".to_owned()).spawn(move || (shared.fetch)(&shared));
        if let Err(error) = started {
            self.fail(&format!("its thread could not be started: {error}"));
        }
    }

    /// The feeds that are followed, each with the number of its beginning and the offset that it goes on at. Where
    /// there is none the fetcher has to end.
    pub(super) fn followed(&self) -> Vec<(Arc<Feed>, u64, i64)> {
        let mut registry = lock(&self.registry);
        let at = |feed: &Arc<Feed>| {
            let state = lock(&feed.state);
            state.recent.as_ref().map(|recent| (Arc::clone(feed), recent.id, recent.end))
        };
        let followed: Vec<_> = registry.feeds.values().filter_map(at).collect();
        registry.is_running = !followed.is_empty();
        let keep = (KEEP / followed.len().max(1)).max(KEEP_EACH) as u64;
        for (feed, id, _) in &followed {
            feed.with(*id, |recent| recent.keep = keep);
        }
        followed
    }

    /// Ends all feeds, and with them the fetcher: the jobs read by themselves, and for a while nothing is shared.
    pub(super) fn fail(&self, reason: &str) {
        tracing::warn!("jobs read by themselves for a while, their shared fetch failed: {reason}");
        let mut registry = lock(&self.registry);
        registry.is_running = false;
        registry.not_before = Some(Instant::now() + AFTER_FAILURE);
        registry.feeds.values().for_each(|feed| feed.end());
    }
}

impl Feed {
    pub(super) fn with<T>(&self, id: u64, act: impl FnOnce(&mut Recent) -> T) -> Option<T> {
        lock(&self.state).recent.as_mut().filter(|recent| recent.id == id).map(act)
    }

    /// Keeps further records, and wakes who follows.
    pub(super) fn put(&self, id: u64, batch: Batch) {
        self.with(id, |recent| recent.put(batch));
    }

    /// Whether a reader has taken everything and waits.
    pub(super) fn is_waited_for(&self, id: u64) -> bool {
        self.with(id, |recent| recent.readers.iter().any(|reader| reader.read == recent.total)).unwrap_or_default()
    }

    /// Whether to wait until the fastest reader has taken more; says so until it has.
    pub(super) fn holds(&self, id: u64) -> bool {
        self.with(id, |recent| {
            recent.is_held |= recent.ahead() > recent.keep / 2;
            recent.is_held
        })
        .unwrap_or_default()
    }

    /// Notes that there is no record before offset `position` but those that were put in: the markers of transactions
    /// are none.
    pub(super) fn passed(&self, id: u64, position: i64) {
        self.with(id, |recent| {
            if position > recent.end {
                recent.end = position;
                recent.readers.iter().for_each(|reader| reader.wake.call());
            }
        });
    }

    /// Notes the end of the partition.
    pub(super) fn is_at(&self, id: u64, high: i64) {
        self.with(id, |recent| recent.high = recent.high.max(Some(high)));
    }

    /// Lets go of what every reader has taken: nobody is about to join.
    pub(super) fn rest(&self, id: u64) {
        self.with(id, Recent::forget_taken);
    }

    /// Ends it: those who follow find that they have lost it.
    pub(super) fn end(&self) {
        let ended = lock(&self.state).recent.take();
        ended.iter().flat_map(|recent| &recent.readers).for_each(|reader| reader.wake.call());
    }
}
