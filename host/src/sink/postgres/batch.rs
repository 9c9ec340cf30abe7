//! What waits to be written, and the cut of it into transactions.
//!
//! Chunks come in from guests' threads at any time. While one transaction runs the next one gathers, so its size follows
//! the load; `linger` only holds back a small one. A chunk may be cut over several transactions; since they run in order,
//! the chunk is written once its last row is. Chunks of partitions that were given up are dropped unless begun: whoever
//! has the partition now reads their records again.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};

use super::RowChunk;
use super::encode::{Cells, EncodedRows};

/// When a batch is full, and how long the oldest row waits for that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pub(super) max_rows: usize,
    pub(super) max_bytes: usize,
    pub(super) linger: Duration,
}

/// What is sent to the writer.
#[derive(Debug)]
pub(super) enum Message {
    Rows(RowChunk, Instant),
    /// Write what came before this, then end.
    Close,
}

/// Rows of one chunk in one batch.
#[derive(Debug)]
struct Part {
    chunk: Arc<RowChunk>,
    rows: Range<usize>,
}

/// Rows for one transaction, in the order in which they were sent.
#[derive(Debug)]
pub(super) struct Batch {
    parts: Vec<Part>,
}

/// One row of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    chunk: &'a RowChunk,
    i: usize,
}

impl<'a> Row<'a> {
    pub(super) fn cells(self) -> Cells<'a> {
        self.chunk.rows.cells(self.i)
    }

    pub(super) fn chunk(self) -> &'a RowChunk {
        self.chunk
    }

    /// The index of the record that the row was made from.
    pub(super) fn origin(self) -> u32 {
        self.chunk.rows.origin(self.i)
    }
}

impl Batch {
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        self.parts.iter().flat_map(|part| part.rows.clone().map(|i| Row { chunk: &part.chunk, i })).collect()
    }

    /// The rows as `COPY` takes them.
    pub(super) fn copy_rows(&self) -> impl Iterator<Item = Bytes> {
        self.parts.iter().map(|part| part.chunk.rows.copy_rows(&part.rows))
    }

    /// Bytes of the rows.
    pub(super) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| bytes(&part.chunk.rows, &part.rows)).sum()
    }

    /// The chunks that are written once this batch is.
    pub(super) fn finished(&self) -> impl Iterator<Item = &RowChunk> {
        self.parts.iter().filter(|part| part.rows.end == part.chunk.rows.len()).map(|part| &*part.chunk)
    }

    /// Drops rows of partitions that were given up; says whether any row is left.
    pub(super) fn forget_revoked(&mut self) -> bool {
        self.parts.retain(|part| !part.chunk.is_revoked());
        !self.parts.is_empty()
    }
}

fn bytes(rows: &EncodedRows, range: &Range<usize>) -> usize {
    rows.start(range.end) - rows.start(range.start)
}

#[derive(Debug)]
struct Waiting {
    chunk: Arc<RowChunk>,
    /// The first row that no batch has taken.
    next: usize,
    since: Instant,
}

impl Waiting {
    fn left(&self) -> Range<usize> {
        self.next..self.chunk.rows.len()
    }
}

/// The chunks that wait, in order.
#[derive(Debug)]
pub(super) struct Queue {
    receiver: UnboundedReceiver<Message>,
    waiting: VecDeque<Waiting>,
    closing: bool,
    cut: Cut,
}

impl Queue {
    pub(super) fn new(receiver: UnboundedReceiver<Message>, cut: Cut) -> Self {
        Self { receiver, waiting: VecDeque::new(), closing: false, cut }
    }

    /// The next batch, once it is full or its oldest row has lingered; `None` once everything sent before
    /// [`Message::Close`] is in batches. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Option<Batch> {
        loop {
            while let Ok(message) = self.receiver.try_recv() {
                self.take_in(message);
            }
            self.forget_revoked();
            let Some(oldest) = self.waiting.front() else {
                if self.closing {
                    return None;
                }
                let message = self.receiver.recv().await.unwrap_or(Message::Close);
                self.take_in(message);
                continue;
            };
            if self.closing || self.is_full() {
                return Some(self.cut());
            }
            match timeout_at(oldest.since + self.cut.linger, self.receiver.recv()).await {
                Ok(message) => self.take_in(message.unwrap_or(Message::Close)),
                Err(_) => return Some(self.cut()),
            }
        }
    }

    /// Whether everything that was sent before [`Message::Close`] has been taken out or dropped.
    pub(super) fn is_done(&self) -> bool {
        self.closing && self.waiting.is_empty()
    }

    /// Takes in what is sent for `pause`, and drops what is given up meanwhile, the rows of `unwritten` included.
    pub(super) async fn pause(&mut self, pause: Duration, unwritten: &mut Option<Batch>) {
        /// How soon a partition that is given up is let go of.
        const LOOK: Duration = Duration::from_millis(100);
        let end = Instant::now() + pause;
        while Instant::now() < end {
            self.forget_revoked();
            if unwritten.as_mut().is_some_and(|batch| !batch.forget_revoked()) {
                *unwritten = None;
            }
            let look = end.min(Instant::now() + LOOK);
            if self.closing {
                tokio::time::sleep_until(look).await;
            } else if let Ok(message) = timeout_at(look, self.receiver.recv()).await {
                self.take_in(message.unwrap_or(Message::Close));
            }
        }
    }

    fn take_in(&mut self, message: Message) {
        match message {
            Message::Rows(chunk, since) => self.waiting.push_back(Waiting { chunk: Arc::new(chunk), next: 0, since }),
            Message::Close => self.closing = true,
        }
    }

    fn forget_revoked(&mut self) {
        self.waiting.retain(|waiting| waiting.next > 0 || !waiting.chunk.is_revoked());
    }

    fn is_full(&self) -> bool {
        let (mut rows, mut size) = (0, 0);
        self.waiting.iter().any(|waiting| {
            rows += waiting.left().len();
            size += bytes(&waiting.chunk.rows, &waiting.left());
            rows >= self.cut.max_rows || size >= self.cut.max_bytes
        })
    }

    /// Takes rows from the front until the batch is full; at least one, however large.
    fn cut(&mut self) -> Batch {
        let (mut parts, mut rows, mut size) = (Vec::new(), 0, 0);
        while let Some(front) = self.waiting.front_mut() {
            let encoded = &front.chunk.rows;
            let from = front.next;
            let most = encoded.len().min(from + self.cut.max_rows.max(1) - rows);
            let limit = encoded.start(from) + self.cut.max_bytes.saturating_sub(size);
            let mut to = encoded.rows_before(limit).clamp(from, most);
            if to == from && parts.is_empty() {
                to = from + 1;
            }
            if to == from {
                break;
            }
            rows += to - from;
            size += bytes(encoded, &(from..to));
            parts.push(Part { chunk: Arc::clone(&front.chunk), rows: from..to });
            front.next = to;
            if to < encoded.len() {
                break;
            }
            self.waiting.pop_front();
            if rows >= self.cut.max_rows {
                break;
            }
        }
        Batch { parts }
    }
}
