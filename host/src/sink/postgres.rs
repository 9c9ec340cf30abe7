//! Postgres: tables and statements as sinks.
//!
//! A row is written at least once. It is acknowledged only after its transaction's commit was confirmed, so a crash or a
//! lost connection makes rows come again, never go missing. What a second coming does depends on the sink: a table with
//! `ignore` or `update` holds the row once all the same; a table with `fail` refuses the second one, which then lands in
//! the dead letters although the row is there; a job's own statement runs again.
//!
//! A row that Postgres refuses by its own rules is found, left out and handed to the dead letters with Postgres's words;
//! the rest of its batch is written exactly once and in order. When Postgres itself can't be used, nothing is refused or
//! dropped: the sink is down, says why, and goes on by itself.
//!
//! Rows go `Encoder` (on the guest's thread) → [`PostgresSink::send`] → `batch` (the cut) → `apply` (COPY, INSERT, or row
//! by row) → acknowledgement. Beside that stands [`check`], which tells before a job starts whether its tables fit.

use std::sync::Arc;
use std::time::Duration;

use pelton_model::settings::{self, Secret};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::dead_letter::DeadLetters;
use crate::pipeline::ack::Delivery;
use crate::spec::{Sink, Target};

mod apply;
mod batch;
mod connect;
mod copy;
mod encode;
mod error;
mod numeric;
mod plan;
mod schema;
mod sql;
mod writer;

pub use connect::{ConnectionUrl, Session};
pub use encode::{Encoded, EncodedRows, Encoder};
pub use schema::{Problem, check, create, create_sql};

/// How Postgres is reached and how rows are cut into transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresConfig {
    /// Where and as whom.
    pub url: ConnectionUrl,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long writing one batch may take. Longer than the 30 s that a session waits for a lock.
    pub write_timeout: Duration,
    /// Rows of one transaction, for a table.
    pub max_rows: usize,
    /// Bytes of one transaction's rows. One row may be larger.
    pub max_bytes: usize,
    /// How long the first row waits for the transaction to fill, for a table.
    pub linger: Duration,
    /// Rows of one transaction, for a statement.
    pub statement_rows: usize,
    /// How long the first row waits for the transaction to fill, for a statement.
    pub statement_linger: Duration,
}

impl PostgresConfig {
    /// The defaults, for a server.
    pub fn new(url: ConnectionUrl) -> Self {
        Self {
            url,
            connect_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(60),
            max_rows: 5_000,
            max_bytes: 4 << 20,
            linger: Duration::from_millis(20),
            statement_rows: 200,
            statement_linger: Duration::from_secs(1),
        }
    }

    /// What the host's settings say.
    ///
    /// # Errors
    /// They make no sense; the error quotes none of them.
    pub fn of(settings: &settings::Postgres) -> anyhow::Result<Self> {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let url = match &settings.url {
            Some(Secret(url)) => url.clone(),
            None => format!(
                "postgres://{}:{}@{}/{}",
                encoded(&settings.user),
                encoded(&settings.password.0),
                settings.host,
                encoded(&settings.database)
            ),
        };
        let url: ConnectionUrl =
            url.parse().map_err(|error: String| anyhow::anyhow!("the Postgres settings make no sense: {error}"))?;
        let mut sink = PostgresConfig::new(url);
        let set = |from: Option<usize>, to: &mut usize| *to = from.unwrap_or(*to);
        set(settings.max_rows, &mut sink.max_rows);
        set(settings.max_bytes, &mut sink.max_bytes);
        set(settings.statement_rows, &mut sink.statement_rows);
        sink.linger = settings.linger.unwrap_or(sink.linger);
        sink.statement_linger = settings.statement_linger.unwrap_or(sink.statement_linger);
        Ok(sink)
    }
    fn cut(&self, target: &Target) -> batch::Cut {
        let (max_rows, linger) = match target {
            Target::Statement(_) => (self.statement_rows, self.statement_linger),
            _ => (self.max_rows, self.linger),
        };
        batch::Cut { max_rows, max_bytes: self.max_bytes, linger }
    }
}

/// Told how a sink fares. Called on the runtime's threads: be quick.
pub trait SinkObserver: Send + Sync {
    /// Postgres can't be used, for this reason. Called after every failed attempt.
    fn down(&self, reason: &str);
    /// Postgres can be used; called once, first after the first connection.
    fn up(&self);
    /// A transaction of so many rows was committed.
    fn wrote(&self, rows: u64, bytes: u64);
}

/// Rows of one delivery for one sink.
#[derive(Debug)]
pub struct RowChunk {
    /// Where they come from. One acknowledgement must have been announced for the chunk.
    pub delivery: Arc<Delivery>,
    /// The rows.
    pub rows: EncodedRows,
}

impl RowChunk {
    fn is_revoked(&self) -> bool {
        self.delivery.ledger().is_closed()
    }
}

/// A running sink. Dropping it ends it at once: what is not written is not acknowledged.
#[derive(Debug)]
pub struct PostgresSink {
    sender: UnboundedSender<batch::Message>,
    task: AbortHandle,
}

impl PostgresSink {
    /// Starts the writer of a job's sink on the runtime. It connects at once and tells the observer. Refused when the sink
    /// is a topic.
    pub fn spawn(
        runtime: &Handle,
        job: &str,
        sink: &Sink,
        config: &PostgresConfig,
        dead_letters: Arc<dyn DeadLetters>,
        observer: Arc<dyn SinkObserver>,
    ) -> Result<Self, String> {
        let plan = plan::Plan::new(&sink.target).ok_or_else(|| format!("sink `{}` is a topic", sink.name))?;
        let (sender, receiver) = unbounded_channel();
        let writer = writer::Writer {
            job: job.to_owned(),
            sink: sink.name.clone(),
            url: config.url.clone(),
            connect_timeout: config.connect_timeout,
            write_timeout: config.write_timeout,
            plan,
            queue: batch::Queue::new(receiver, config.cut(&sink.target)),
            dead_letters,
            observer,
        };
        let task = runtime.spawn(writer.run()).abort_handle();
        Ok(Self { sender, task })
    }

    /// Hands rows over, from any thread, without waiting; what waits is bounded by the job's budget, which the caller
    /// charges. The chunk's one acknowledgement comes once all its rows are written or with the dead letters. After
    /// [`close`](Self::close) rows are dropped unacknowledged, as are those of a partition that is given up.
    pub fn send(&self, chunk: RowChunk) {
        if chunk.rows.is_empty() {
            chunk.delivery.acknowledge(1);
            return;
        }
        // A writer that has ended drops the chunk: its records are read again by whoever comes next.
        let _ = self.sender.send(batch::Message::Rows(chunk, Instant::now()));
    }

    /// Tells it to end once it has written what was sent. Keep it until then: dropping it ends it at once.
    pub fn retire(&self) {
        let _ = self.sender.send(batch::Message::Close);
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.sender.is_closed()
    }

    /// Writes what was sent, then ends. Takes as long as Postgres is down: put a timeout around it, then drop the sink.
    pub async fn close(&self) {
        self.retire();
        self.sender.closed().await;
    }
}

impl Drop for PostgresSink {
    fn drop(&mut self) {
        self.task.abort();
    }
}
