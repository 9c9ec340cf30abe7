//! Tables and statements as sinks: what one instance writes its rows with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pelton_delivery::delivery::Delivery;
use pelton_delivery::fault::Fault;
use pelton_delivery::streak::Streak;
use pelton_model::metrics::SinkMetrics;
use pelton_model::record::Output;
use pelton_model::spec;
use pelton_model::status::{Part, State, Status};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::batch::{Message, Queue};
use super::chunk::RowChunk;
use super::config::{NAME, PostgresConfig};
use super::encode::Encoder;
use super::observer::SinkObserver;
use super::plan::Plan;
use super::unfit::Unfit;
use super::writer::Writer;
use crate::dead_letters::DeadLetters;
use crate::error::Error;
use crate::sink::Sink;

/// The running writer of a sink. Dropping it ends it at once: what is not written is not acknowledged.
#[derive(Debug)]
pub struct PostgresSink {
    sender: UnboundedSender<Message>,
    /// Has it end at once.
    end: Arc<Notify>,
    task: AbortHandle,
}

impl PostgresSink {
    /// Starts the writer of a job's sink on the runtime. It connects at once and tells the observer. Refused when the
    /// sink is a topic.
    pub fn spawn(
        runtime: &Handle,
        job: &str,
        sink: &spec::Sink,
        config: &PostgresConfig,
        dead_letters: Arc<dyn DeadLetters>,
        observer: Arc<dyn SinkObserver>,
    ) -> Result<Self, Error> {
        let not_taken = || Error::NotTaken { connector: NAME, sink: sink.name.clone() };
        let plan = Plan::new(&sink.target).ok_or_else(not_taken)?;
        let (sender, receiver) = unbounded_channel();
        let writer = Writer {
            job: job.to_owned(),
            sink: sink.name.clone(),
            url: config.url.clone(),
            timeouts: config.timeouts(),
            plan,
            backend: Arc::default(),
            queue: Queue::new(receiver, config.cut(&sink.target)),
            streak: Streak::new(config.hold_after),
            dead_letters,
            observer,
        };
        let end = Arc::new(Notify::new());
        let task = runtime.spawn(writer.run(Arc::clone(&end))).abort_handle();
        Ok(Self { sender, end, task })
    }

    /// Hands rows over, from any thread, without waiting; what waits is bounded by the job's budget, to which it is
    /// charged. The chunk's one acknowledgement comes once all its rows are written or with the dead letters. After
    /// [`close`](Self::close) rows are dropped unacknowledged, as are those of a partition that is given up.
    pub fn send(&self, chunk: RowChunk) {
        if chunk.rows.is_empty() {
            chunk.delivery.acknowledge(1);
            return;
        }
        // A writer that has ended drops the chunk: its records are read again by whoever comes next.
        let _ = self.sender.send(Message::Rows(chunk, Instant::now()));
    }

    /// Tells it to end once it has written what was sent. Keep it until then: dropping it ends it at once.
    pub fn retire(&self) {
        let _ = self.sender.send(Message::Close);
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.sender.is_closed()
    }

    /// Ends it at once; the server is told to end what it is doing.
    pub(super) fn abort(&self) {
        self.end.notify_one();
    }

    /// The task, which goes on for a moment after its end to tell the server.
    pub(super) fn task(&self) -> AbortHandle {
        self.task.clone()
    }

    /// Writes what was sent, then ends. Takes as long as Postgres is down: put a timeout around it, then drop the sink.
    pub async fn close(&self) {
        self.retire();
        self.sender.closed().await;
    }
}

impl Drop for PostgresSink {
    fn drop(&mut self) {
        self.abort();
    }
}

/// A table or statement that one instance writes to.
#[derive(Debug)]
pub(super) struct RowSink {
    pub(super) encoder: Encoder,
    pub(super) writer: PostgresSink,
    pub(super) unfit: Unfit,
    pub(super) fault: Arc<Fault>,
    pub(super) report: Arc<SinkReport>,
}

impl Sink for RowSink {
    fn write(&self, delivery: &Arc<Delivery>, output: Output) {
        let Output::Rows { rows, .. } = output else {
            // The check of the answer leaves no other pair.
            return self.fault.set(format!("an output for sink {} that it does not take", output.sink()));
        };
        let encoded = self.encoder.encode(&rows);
        self.unfit.settle(delivery, encoded.refused, !encoded.rows.is_empty());
        if !encoded.rows.is_empty() {
            delivery.expect(1);
            self.writer.send(RowChunk::new(delivery, encoded.rows));
        }
    }

    fn retire(&self) {
        self.writer.retire();
        self.report.retire();
    }

    fn has_ended(&self) -> bool {
        self.writer.has_ended()
    }
}

impl Drop for RowSink {
    fn drop(&mut self) {
        // One that has ended was up, and another of its name may have told something since.
        let has_ended = self.writer.has_ended();
        self.writer.abort();
        if !has_ended {
            self.report.status.clear(&self.report.part);
            self.report.status.clear(&self.report.refusing);
        }
    }
}

/// Tells of a sink in the job's status and metrics.
#[derive(Debug)]
pub(super) struct SinkReport {
    pub(super) job: Arc<str>,
    /// The sink and the instance.
    pub(super) part: Part,
    /// The same, where it refuses one row after the other.
    pub(super) refusing: Part,
    pub(super) status: Arc<Status>,
    pub(super) metrics: SinkMetrics,
    /// Whether the version that runs does not have the sink any more.
    pub(super) is_retired: AtomicBool,
    pub(super) fault: Arc<Fault>,
}

impl SinkReport {
    /// Notes that it only writes what it was given. What it can't write keeps the offsets of its records, so that the
    /// attempt ends, and the version that runs makes something of those records in their order.
    fn retire(&self) {
        self.is_retired.store(true, Ordering::Release);
        if self.status.is_told(&self.part) {
            self.give_up("it can't be written to");
        }
    }

    fn give_up(&self, reason: &str) {
        if self.is_retired.load(Ordering::Acquire) {
            self.fault.set(format!("{}, which only the version before has: {reason}", self.part));
        }
    }
}

impl SinkObserver for SinkReport {
    fn down(&self, reason: &str) {
        if self.status.raise(&self.part, State::Degraded, reason) {
            tracing::warn!(job.name = &*self.job, "{}: {reason}; waiting", self.part);
        }
        self.give_up(reason);
    }

    fn refuses(&self, reason: &str, is_held: bool) {
        let state = if is_held { State::Failed } else { State::Failing };
        if self.status.raise(&self.refusing, state, reason) {
            tracing::error!(job.name = &*self.job, "{}: {reason}", self.part);
        }
        if is_held {
            self.give_up(reason);
        }
    }

    fn takes(&self) {
        if self.status.clear(&self.refusing) {
            tracing::info!(job.name = &*self.job, "{}: rows are taken again", self.part);
        }
    }

    fn up(&self) {
        if self.status.clear(&self.part) {
            tracing::info!(job.name = &*self.job, "{}: Postgres takes what is written", self.part);
        }
    }

    fn wrote(&self, rows: u64, bytes: u64) {
        self.metrics.records.inc_by(rows);
        self.metrics.bytes.inc_by(bytes);
    }
}
