//! The Kafka source of a job: one consumer on a thread of its own, which cuts what it reads into batches per partition.
//!
//! - Each record is copied once, into its partition's packed batch; the borrowed message is let go at once. Where other
//!   jobs of the host are at the same place of the partition, one fetch and one copy serve all of them (`Feeds`).
//! - The thread sleeps until there is something to do, so that idle jobs cost next to nothing.
//! - At most the job's budget is in flight. When it is used up, reading stops; when that lasts, the partitions are
//!   paused while the consumer goes on polling, so that the group does not take it for dead.
//! - Offsets are committed from the partitions' ledgers only: the contiguous head that every sink has acknowledged.
//! - Before a partition is given up, what is in flight of it is drained and committed, within the drain timeout; what
//!   is not acknowledged by then is read again by the next owner.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use pelton_delivery::delivery::Delivery;
use pelton_model::partition::PartitionView;
use pelton_model::status::Part;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::{ClientConfig, Message as _};

use super::client::{NAME, position, refused};
use super::context::Context;
use super::group::Group;
use super::leave::{give_up_place, leave};
use super::poll::{STRETCH, check};
use super::sleep;
use super::slots::{Slots, Turn};
use super::waits;
use crate::assignment::Assignment;
use crate::error::Error;
use crate::source::{Interrupt, Source};

/// How long it sleeps while anything is in flight or has come a moment ago.
const IDLE: Duration = Duration::from_millis(50);
/// The same where nothing is, and what was has been committed: whatever comes wakes it.
const ASLEEP: Duration = Duration::from_secs(2);
const ASLEEP_AFTER: Duration = Duration::from_secs(5);
/// How often acknowledged offsets are stored for the next commit, and gauges brought up to date.
const LOOK: Duration = Duration::from_millis(100);
/// How long a used-up budget stops the polling before the partitions are paused instead.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long reading goes on before a change of the number of workers is tried again.
const CHANGE_AGAIN: Duration = Duration::from_secs(5);
/// How long a consumer may take to go to another offset.
const SEEK: Duration = Duration::from_secs(5);
const PAUSING: &str = "failed to pause or resume partitions";
/// How long a drain waits at a time.
const DRAIN_LOOK: Duration = Duration::from_millis(20);
/// How long a broker may take to tell the partitions of a topic.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long leaving the group may take where the drain has used up its time.
const LEAVE: Duration = Duration::from_secs(3);
/// Under what it is told that another process has taken the place of this one.
const FENCED: Part = Part::Client("kafka group member");

/// The consumer of one attempt of a job.
pub(super) struct KafkaSource {
    consumer: Arc<BaseConsumer<Group>>,
    context: Context,
    /// Whether its group knows it by an id of its own.
    is_static: bool,
    slots: Slots,
    /// When the number of instances may change: not at once again after what is in flight could not be drained.
    change_from: Instant,
    /// When the last record came.
    last_record: Instant,
    joined: Instant,
}

impl std::fmt::Debug for KafkaSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaSource").field("topics", &self.context.job.topics).finish_non_exhaustive()
    }
}

impl KafkaSource {
    /// Joins the group; does not wait for an assignment.
    pub(super) fn new(config: &ClientConfig, context: Context) -> Result<Self> {
        let group = Group::new(&context, config);
        let slots = Slots::new(&context);
        let mut consumer: BaseConsumer<Group> =
            config.create_with_context(group).map_err(refused).context("failed to make a Kafka consumer")?;
        let wake = Arc::clone(&context.job.requests.wake);
        consumer.set_nonempty_callback(move || wake.call());
        // A job that sleeps has been woken, and was well all the time.
        consumer.context().waits().begin(if context.sleeper.slept() { waits::REBALANCE } else { Duration::ZERO });
        let consumer = Arc::new(consumer);
        context.members.add(&context.job.group, &consumer);
        let is_static = config.get("group.instance.id").is_some();
        let now = Instant::now();
        let source = Self { consumer, context, is_static, slots, change_from: now, last_record: now, joined: now };
        source.subscribe()?;
        Ok(source)
    }

    /// Looks once after the host's start whether a member that its group knows from before has all partitions of its
    /// topics and no others; else it leaves, joins again, and the group deals them out.
    fn look_at_assignment(&self) -> Result<()> {
        if !self.is_to_look() || self.consumer.context().assignment().is_empty() {
            return Ok(());
        }
        let mut all = BTreeSet::new();
        for topic in &self.context.job.topics {
            // Without an answer it is looked again later.
            let Ok(metadata) = self.consumer.fetch_metadata(Some(topic), LOOK_TIMEOUT) else { return Ok(()) };
            let Some(found) = metadata.topics().first() else { return Ok(()) };
            all.extend(found.partitions().iter().map(|partition| (topic.clone(), partition.id())));
        }
        let assignment = self.consumer.assignment().context("failed to read the assignment")?;
        let assigned = assignment.elements().iter().map(|one| (one.topic().to_owned(), one.partition())).collect();
        self.context.member.has_looked();
        if all == assigned {
            return Ok(());
        }
        tracing::info!("has not just the partitions of its topics: joins its group once more, which deals them out");
        // It drains what is in flight.
        give_up_place(&self.consumer, Instant::now() + self.context.job.delivery.drain_timeout + LEAVE);
        self.subscribe()
    }

    fn is_to_look(&self) -> bool {
        self.is_static && self.context.member.is_to_look()
    }

    fn reads(&self, topic: &str) -> bool {
        self.context.job.topics.iter().any(|one| one == topic)
    }

    fn subscribe(&self) -> Result<()> {
        let topics: Vec<&str> = self.context.job.topics.iter().map(String::as_str).collect();
        self.consumer.subscribe(&topics).with_context(|| format!("failed to subscribe to {}", topics.join(", ")))
    }

    /// Reads a stretch of what is there, and hands over what is due; sleeps where there is nothing.
    fn turn(&mut self, paused: bool, hand_over: &mut dyn FnMut(usize, Arc<Delivery>)) -> Result<()> {
        self.slots.follow_group(self.consumer.context());
        let mut came = self.slots.take(hand_over);
        for _ in 0..STRETCH {
            let served = self.consumer.context().served();
            match self.consumer.poll(Duration::ZERO) {
                // Of a topic that the job read before a crash, and reads no more.
                Some(Ok(message)) if self.is_to_look() && !self.reads(message.topic()) => {}
                Some(Ok(message)) => {
                    self.slots.push(self.consumer.context(), &message, hand_over);
                    came = true;
                }
                Some(Err(error)) => check(&error)?,
                None if served != self.consumer.context().served() => {}
                None => {
                    // Nothing more is there right now.
                    self.slots.cut_idle(hand_over);
                    if !came {
                        self.context.job.requests.wake.wait(self.rest());
                    }
                    break;
                }
            }
        }
        if came {
            self.last_record = Instant::now();
            self.context.sleeper.is_busy();
        }
        self.slots.cut_lingering(hand_over);
        self.go_back(paused)
    }

    /// How long there may be nothing to do.
    fn rest(&self) -> Duration {
        match self.slots.until_linger() {
            Some(linger) => linger.min(IDLE),
            None if self.context.job.budget.used() > 0 || self.last_record.elapsed() < ASLEEP_AFTER => IDLE,
            None => ASLEEP,
        }
    }

    /// The partitions with which the job is to sleep: nothing has come for long, and everything is committed.
    fn may_sleep(&mut self) -> Option<Vec<PartitionView>> {
        let is_quiet = self.context.job.budget.used() == 0 && self.consumer.context().is_clean();
        if !is_quiet || !self.context.sleeper.may_sleep(self.joined.elapsed()) {
            return None;
        }
        // Asked again only after a while.
        self.joined = Instant::now();
        let assigned = self.consumer.context().assignment().view();
        sleep::all_of(&self.consumer, &self.context.job.topics, assigned)
            .inspect_err(|error| tracing::debug!("stays awake: {error:#}"))
            .ok()
    }

    /// Follows feeds where that is possible; the consumer reads those partitions no more.
    fn follow(&mut self, hand_over: &mut dyn FnMut(usize, Arc<Delivery>)) -> Result<()> {
        let follow = self.slots.follow(hand_over);
        if follow.is_empty() { Ok(()) } else { self.consumer.pause(&list(&follow)).context(PAUSING) }
    }

    /// Has the consumer read on where a feed was lost. That can fail while partitions are being given up; it is tried
    /// again.
    fn go_back(&mut self, paused: bool) -> Result<()> {
        for lost in self.slots.lost() {
            match self.consumer.seek(&lost.topic, lost.partition, Offset::Offset(lost.next), SEEK) {
                Ok(()) => {
                    self.slots.found(&lost);
                    if !paused {
                        self.consumer.resume(&list(&[lost])).context(PAUSING)?;
                    }
                }
                Err(error) => tracing::warn!(
                    kafka.topic = &*lost.topic,
                    kafka.partition = lost.partition,
                    kafka.offset = lost.next,
                    "failed to go to offset {} of {}/{}, trying again: {error}",
                    lost.next,
                    lost.topic,
                    lost.partition
                ),
            }
        }
        Ok(())
    }

    /// Pauses all partitions, or resumes those that the consumer is to read.
    fn pause(&self, pause: bool) -> Result<()> {
        let assignment = self.consumer.assignment().context("failed to read the assignment")?;
        if pause {
            return self.consumer.pause(&assignment).context(PAUSING);
        }
        let mut resumed = TopicPartitionList::new();
        for element in assignment.elements() {
            if !self.slots.is_paused(element.topic(), element.partition()) {
                resumed.add_partition(element.topic(), element.partition());
            }
        }
        self.consumer.resume(&resumed).context(PAUSING)
    }

    fn observe(&mut self) {
        self.consumer.context().look_for_broker(&self.consumer);
        self.consumer.context().look_for_other_topics();
        self.consumer.context().waits().look();
        self.slots.pass(|topic, partition| position(&self.consumer, topic, partition));
        self.slots.tell(self.consumer.context());
        self.consumer.context().observe(&self.consumer);
        self.context.job.report.metrics.in_flight.set(self.context.job.budget.used() as i64);
    }

    /// Why the attempt is over, if another part has told.
    fn check_fault(&self) -> Result<(), Error> {
        match self.context.job.report.fault.get() {
            Some(reason) => Err(Error::Fault { reason: reason.to_owned() }),
            None => match self.consumer.context().recreated() {
                Some(told) => Err(Error::Fault { reason: told.to_owned() }),
                None => Ok(()),
            },
        }
    }

    /// Ends the attempt where another process has taken this member's place, which librdkafka tells as a failure for
    /// good.
    fn check_place(&self) -> Result<(), Error> {
        match self.consumer.client().fatal_error() {
            Some((RDKafkaErrorCode::FencedInstanceId, _)) => {
                let (reason, for_good) = self.context.member.fenced(&self.context.job.group);
                if for_good {
                    self.context.job.report.status.notice(&FENCED, reason.clone());
                }
                Err(Error::Fault { reason })
            }
            _ => Ok(()),
        }
    }
}

impl Source for KafkaSource {
    fn run(&mut self, instances: usize, hand_over: &mut dyn FnMut(usize, Arc<Delivery>)) -> Result<Interrupt, Error> {
        self.spread(instances);
        let unavailable = |error: anyhow::Error| Error::unavailable(NAME, error);
        let mut last_look = Instant::now();
        let mut starved: Option<Instant> = None;
        let mut paused = false;
        let requests = self.context.job.requests.clone();
        let change_from = self.change_from;
        loop {
            if requests.stops() {
                return Ok(Interrupt::Stop);
            }
            if requests.instances() != instances && Instant::now() >= change_from {
                // The next run doesn't know of it, and would wait for ever for what is paused.
                if paused {
                    self.pause(false).map_err(unavailable)?;
                }
                return Ok(Interrupt::Rescale);
            }
            self.check_fault()?;
            if last_look.elapsed() >= LOOK {
                self.check_place()?;
                self.look_at_assignment().map_err(unavailable)?;
                self.consumer.context().commit(&self.consumer);
                self.observe();
                if !paused {
                    self.follow(hand_over).map_err(unavailable)?;
                }
                if let Some(partitions) = self.may_sleep() {
                    return Ok(Interrupt::Sleep(partitions));
                }
                last_look = Instant::now();
            }
            let room = self.context.job.budget.wait(if paused { Duration::ZERO } else { IDLE });
            if room {
                starved = None;
                if paused {
                    self.pause(false).map_err(unavailable)?;
                    paused = false;
                }
            } else if paused {
                // Partitions that came after the pause are paused as well.
                self.pause(true).map_err(unavailable)?;
            } else if starved.get_or_insert_with(Instant::now).elapsed() < PATIENCE {
                continue;
            } else {
                self.pause(true).map_err(unavailable)?;
                paused = true;
            }
            if let Err(error) = self.turn(paused, hand_over) {
                self.check_place()?;
                return Err(unavailable(error));
            }
        }
    }

    fn spread(&mut self, instances: usize) {
        self.slots.spread(instances, self.consumer.context());
    }

    fn drain(&mut self, grace: Duration) -> bool {
        let deadline = Instant::now() + grace;
        let group = self.consumer.context();
        loop {
            // A short wait at a time, to see a stop or a fault.
            if group.drain(Instant::now() + DRAIN_LOOK) {
                return true;
            }
            let over = self.context.job.requests.stops() || self.context.job.report.fault.get().is_some();
            if over || Instant::now() >= deadline {
                self.change_from = Instant::now() + CHANGE_AGAIN;
                return false;
            }
            group.commit(&self.consumer);
        }
    }

    fn close(mut self: Box<Self>, grace: Duration) {
        let deadline = Instant::now() + grace;
        // Follows no feed any more. What was read and not handed over is read again.
        self.slots = Slots::new(&self.context);
        let group = self.consumer.context();
        // A short wait at a time, to see a fault, and to stay a member.
        while !group.drain(Instant::now() + DRAIN_LOOK) && Instant::now() < deadline {
            if self.context.job.report.fault.get().is_some() {
                break;
            }
            // Keeps the membership alive; partitions are paused by then, so no records come.
            if let Err(error) = self.pause(true) {
                tracing::debug!("while draining: {error:#}");
            }
            drop(self.consumer.poll(Duration::ZERO));
        }
        group.close();
        group.commit(&self.consumer);
        self.context.members.remove(&self.context.job.group, &self.consumer);
        leave(self.consumer, self.is_static, deadline.max(Instant::now() + LEAVE));
    }

    fn assignment(&self) -> Arc<Assignment> {
        Arc::clone(self.consumer.context().assignment())
    }
}

fn list(turns: &[Turn]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for turn in turns {
        list.add_partition(&turn.topic, turn.partition);
    }
    list
}
