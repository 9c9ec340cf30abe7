//! The one consumer behind all [feeds](super::feed) of a host. It joins no group and commits nothing.
//!
//! It runs on a thread of its own while any feed is followed. It reads no further ahead of a feed's fastest reader than
//! half of what is kept, so that reader never loses the feed by that. Whatever it can't read (a topic that is gone, no
//! right to it, no broker), and records that come again from before the feed's end (a log that was cut), end the feed:
//! the jobs' own consumers then find the same, and tell it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::{known_end, position};
use super::feed::{Feed, Shared};
use super::open::Open;
use super::poll::{STRETCH, check};
use super::watch::{Signs, Watching, consumer};

/// How long it waits where there is nothing to do; how often ends of partitions are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long a feed without new records keeps those that everybody has taken.
const REST_AFTER: Duration = Duration::from_secs(5);
/// A feed that is being fetched.
struct Fetched {
    feed: Arc<Feed>,
    id: u64,
    open: Open,
    /// The offset after the last record that came.
    next: i64,
    last_record: Instant,
    is_paused: bool,
}

struct Fetcher<'a> {
    shared: &'a Shared,
    consumer: BaseConsumer<Watching>,
    fetched: Vec<Fetched>,
    /// The one that the last record belonged to: the next one's, mostly.
    last: usize,
    changes: u64,
    signs: Signs,
}

/// Fetches until nobody follows any feed.
pub(super) fn run(shared: &Arc<Shared>) {
    let fetch = || Fetcher::new(shared)?.run();
    match catch_unwind(AssertUnwindSafe(fetch)) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => shared.fail(&format!("{error:#}")),
        Err(_) => shared.fail("its thread panicked; this is a bug in Pelton, please report it"),
    }
}

impl<'a> Fetcher<'a> {
    fn new(shared: &'a Shared) -> Result<Self> {
        let settings = shared.settings.as_ref().context("it is switched off")?;
        let consumer = consumer(settings, &shared.wake)?;
        Ok(Self { shared, consumer, fetched: Vec::new(), last: 0, changes: u64::MAX, signs: Signs::default() })
    }

    fn run(mut self) -> Result<()> {
        let mut last_look = Instant::now();
        loop {
            let changes = self.shared.changes();
            if changes != self.changes {
                self.changes = changes;
                if !self.assign()? {
                    return Ok(());
                }
            }
            if last_look.elapsed() >= LOOK {
                last_look = Instant::now();
                self.look()?;
            }
            self.hold()?;
            self.stretch()?;
        }
    }

    /// Fetches what is followed now, and no more what isn't; says whether there is anything.
    fn assign(&mut self) -> Result<bool> {
        let followed = self.shared.followed();
        let mut gone = TopicPartitionList::new();
        self.fetched.retain(|fetched| {
            let stays = followed.iter().any(|(_, id, _)| *id == fetched.id);
            if !stays {
                gone.add_partition(&fetched.feed.topic, fetched.feed.partition);
            }
            stays
        });
        self.last = 0;
        if gone.count() > 0 {
            self.consumer.incremental_unassign(&gone).context("failed to end reading")?;
        }
        let mut come = TopicPartitionList::new();
        for (feed, id, next) in &followed {
            if self.fetched.iter().all(|fetched| fetched.id != *id) {
                come.add_partition_offset(&feed.topic, feed.partition, Offset::Offset(*next))?;
                let open = Open::new(&feed.topic, feed.partition);
                let (feed, last_record) = (Arc::clone(feed), Instant::now());
                self.fetched.push(Fetched { feed, id: *id, open, next: *next, last_record, is_paused: false });
            }
        }
        if come.count() > 0 {
            self.consumer.incremental_assign(&come).context("failed to begin reading")?;
            // A pause outlives an assignment.
            self.consumer.resume(&come).context("failed to begin reading")?;
        }
        Ok(!followed.is_empty())
    }

    /// Reads what is there, and hands over what is due; waits where there is nothing.
    fn stretch(&mut self) -> Result<()> {
        for _ in 0..STRETCH {
            match self.consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    self.signs.seen();
                    take(self.shared, &mut self.fetched, &mut self.last, &message);
                }
                Some(Err(error)) => check(&error)?,
                None => {
                    let batching = &self.shared.batching;
                    let mut wait = LOOK;
                    for fetched in &mut self.fetched {
                        let Some(due) = fetched.open.until_linger(batching) else { continue };
                        if due.is_zero() || fetched.feed.is_waited_for(fetched.id) {
                            fetched.put();
                        } else {
                            wait = wait.min(due);
                        }
                    }
                    self.shared.wake.wait(wait);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Pauses partitions whose readers are behind, and resumes those whose readers are not any more.
    fn hold(&mut self) -> Result<()> {
        for fetched in &mut self.fetched {
            let holds = fetched.feed.holds(fetched.id);
            if holds != fetched.is_paused {
                fetched.is_paused = holds;
                let mut partition = TopicPartitionList::new();
                partition.add_partition(&fetched.feed.topic, fetched.feed.partition);
                if holds { self.consumer.pause(&partition) } else { self.consumer.resume(&partition) }
                    .context("failed to pause or resume")?;
            }
        }
        Ok(())
    }

    fn look(&mut self) -> Result<()> {
        self.signs.look(&self.consumer)?;
        for fetched in &self.fetched {
            let Feed { topic, partition, .. } = &*fetched.feed;
            if let Some(end) = known_end(&self.consumer, topic, *partition) {
                fetched.feed.is_at(fetched.id, end);
            }
            if fetched.open.is_empty()
                && let Some(position) = position(&self.consumer, topic, *partition)
            {
                fetched.feed.passed(fetched.id, position);
            }
            if fetched.last_record.elapsed() >= REST_AFTER {
                fetched.feed.rest(fetched.id);
            }
        }
        Ok(())
    }
}

impl Fetched {
    fn put(&mut self) {
        if !self.open.is_empty() {
            self.feed.put(self.id, self.open.cut());
        }
    }
}

fn take(shared: &Shared, all: &mut [Fetched], last: &mut usize, message: &BorrowedMessage<'_>) {
    let is = |fetched: &Fetched| fetched.open.is_of(message.topic(), message.partition());
    if !all.get(*last).is_some_and(is) {
        // Of none where the feed has ended meanwhile.
        *last = all.iter().position(is).unwrap_or(all.len());
    }
    let Some(fetched) = all.get_mut(*last) else { return };
    if message.offset() < fetched.next {
        fetched.feed.end();
        shared.changed();
        return;
    }
    if !fetched.open.has_room(message, &shared.batching) {
        fetched.put();
    }
    fetched.next = message.offset() + 1;
    fetched.last_record = Instant::now();
    if fetched.open.push(message, &shared.batching) {
        fetched.put();
    }
}
