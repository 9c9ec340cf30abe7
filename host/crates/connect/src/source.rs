//! Where records come from.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use pelton_delivery::budget::Budget;
use pelton_delivery::delivery::Delivery;
use pelton_delivery::wake::Wake;
use pelton_model::partition::{Moved, PartitionView};
use pelton_model::settings::{Batching, DeliverySettings};
use pelton_model::start::StartFrom;

use crate::assignment::Assignment;
use crate::committer::Committer;
use crate::connector::Connector;
use crate::context::{Report, Requests};
use crate::error::Error;
use crate::messages::TopicLog;

/// A connector that jobs can read from.
pub trait SourceConnector: Connector {
    /// What one job reads with; it stays over the job's attempts.
    fn job(&self, name: &str) -> Arc<dyn JobSource>;

    /// How many partitions topics have, all together. Blocks, not for long.
    ///
    /// # Errors
    /// The connector does not answer soon.
    fn partitions(&self, topics: &[String]) -> Result<usize, Error>;

    /// Refuses a start that topics don't have, before anything is made for the job: of those that are not there yet,
    /// and may be made, what can be told. Blocks.
    ///
    /// # Errors
    /// A topic has no such offset, or the connector does not answer.
    fn check_start(&self, topics: &[String], from: &StartFrom) -> Result<(), Error>;

    /// Fixes where a job starts, before it first runs: on every partition of `topics` that its group has no offset for,
    /// or on all where `anew`. Blocks.
    ///
    /// # Errors
    /// A topic is missing or has no such offset, the connector does not answer, or a member of the group is running.
    fn pin_start(&self, group: &str, topics: &[String], from: &StartFrom, anew: bool) -> Result<(), Error>;

    /// Moves the committed offsets of a group without members, on every partition of `topics` that `to` tells of; gives
    /// them in order. Blocks.
    ///
    /// # Errors
    /// As of [`pin_start`](Self::pin_start); nothing is moved then.
    fn seek(&self, group: &str, topics: &[String], to: &StartFrom) -> Result<Vec<Moved>, Error>;

    /// Opens a topic to look into, in no group; none where it is not there. Blocks.
    ///
    /// # Errors
    /// The connector does not answer.
    fn topic(&self, name: &str) -> Result<Option<Box<dyn TopicLog>>, Error>;
}

/// What one job reads with, over its attempts.
pub trait JobSource: Send + Sync + Debug {
    /// What people call the client that it reads with, and that a job gives up to sleep.
    fn client(&self) -> &'static str;

    /// Joins the group; does not wait for an assignment.
    ///
    /// # Errors
    /// A topic is missing, the connector does not answer, or no client can be made.
    fn open(&self, context: SourceContext) -> Result<Box<dyn Source>, Error>;

    /// Says that the job has no attempt that runs.
    fn rest(&self);

    /// Where the group is on all partitions of `topics`, and where those end, while the job has no attempt that runs.
    /// Blocks, for some seconds at most.
    ///
    /// # Errors
    /// A topic is missing, or the connector does not answer.
    fn look(&self, group: &str, topics: &[String]) -> Result<Vec<PartitionView>, Error>;

    /// Sleeps until there is anything in these partitions after what is committed, or `over`, which is looked at when
    /// `wake` is called.
    fn sleep(&self, partitions: Vec<PartitionView>, wake: &Arc<Wake>, over: &dyn Fn() -> bool);
}

/// What a source needs of its job.
#[derive(Debug, Clone)]
pub struct SourceContext {
    /// Whose it is, and where it tells how it fares.
    pub report: Report,
    /// What it is told meanwhile.
    pub requests: Requests,
    /// The group, whose committed offsets it goes on from.
    pub group: String,
    /// The topics.
    pub topics: Vec<String>,
    /// How to cut batches.
    pub batching: Batching,
    /// When to commit, and how long to drain.
    pub delivery: DeliverySettings,
    /// What may be in flight.
    pub budget: Arc<Budget>,
    /// What makes progress durable.
    pub committer: Arc<dyn Committer>,
}

/// Why a source has stopped to read; it may be run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interrupt {
    /// It was told to stop.
    Stop,
    /// Another number of instances is asked for: [drain](Source::drain) it first.
    Rescale,
    /// Nothing has come for long, and everything is committed: the job is to sleep with these partitions.
    Sleep(Vec<PartitionView>),
}

/// The member of a group that reads for one attempt of a job. Everything happens on the thread that calls it: it waits
/// for records, hands them over, commits what the ledgers allow, and gives partitions up, for which it drains them
/// first.
pub trait Source {
    /// Reads, and hands over each batch with the number of its instance, below `instances`, until there is a reason to
    /// pause. `hand_over` must not block.
    ///
    /// # Errors
    /// It can't go on, or another part of the attempt has told a fault.
    fn run(&mut self, instances: usize, hand_over: &mut dyn FnMut(usize, Arc<Delivery>)) -> Result<Interrupt, Error>;

    /// Spreads the partitions over so many instances. Only while nothing is in flight that is not [set
    /// aside](pelton_delivery::delivery::Aside), or else a partition's batches would overtake each other.
    fn spread(&mut self, instances: usize);

    /// Waits until nothing is in flight that is not set aside, at most for `grace`, without reading; says whether that was
    /// reached. What has been read and not handed over stays for later.
    fn drain(&mut self, grace: Duration) -> bool;

    /// Waits for what is in flight, at most for `grace`, commits it and leaves the group.
    fn close(self: Box<Self>, grace: Duration);

    /// The partitions and how far they are, for other threads to look at.
    fn assignment(&self) -> Arc<Assignment>;
}
