//! What waits to be written, and the cut of it into transactions.
//!
//! Chunks come in from guests' threads at any time. While one transaction runs the next one gathers, so its size
//! follows the load; `linger` only holds back a small one. A chunk may be cut over several transactions; since they run
//! in order, the chunk is written once its last row is. Chunks of partitions that were given up are dropped unless
//! begun: whoever has the partition now reads their records again.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};

use super::chunk::RowChunk;
use super::cut::Cut;
use super::encode::{Cells, EncodedRows};

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

    /// Partition and offset of the record that the row was made from.
    pub(super) fn record(self) -> (i32, i64) {
        self.chunk.delivery.batch().position(self.origin() as usize)
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

    /// The number of rows.
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.rows.len()).sum()
    }

    /// Takes the rows of another at its end.
    pub(super) fn append(&mut self, other: Batch) {
        self.parts.extend(other.parts);
    }

    /// Its first rows, at most so many.
    pub(super) fn first(&self, most: usize) -> Batch {
        let (mut parts, mut left) = (Vec::new(), most);
        for part in &self.parts {
            let rows = part.rows.start..part.rows.end.min(part.rows.start + left);
            left -= rows.len();
            if rows.is_empty() {
                break;
            }
            parts.push(Part { chunk: Arc::clone(&part.chunk), rows });
        }
        Batch { parts }
    }

    /// Goes on behind its first rows; says whether any row is left.
    pub(super) fn skip(&mut self, rows: usize) -> bool {
        let mut left = rows;
        self.parts.retain_mut(|part| {
            let skipped = left.min(part.rows.len());
            part.rows.start += skipped;
            left -= skipped;
            !part.rows.is_empty()
        });
        !self.parts.is_empty()
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

    /// Rows of a batch, at most.
    pub(super) fn most_rows(&self) -> usize {
        self.cut.max_rows
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

    /// The next batch of what waits, however little that is.
    pub(super) fn try_next(&mut self) -> Option<Batch> {
        while let Ok(message) = self.receiver.try_recv() {
            self.take_in(message);
        }
        self.forget_revoked();
        (!self.waiting.is_empty()).then(|| self.cut())
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::sync::mpsc::unbounded_channel;

    use super::super::encode::Encoder;
    use super::*;
    use pelton_delivery::budget::Budget;
    use pelton_delivery::delivery::Delivery;
    use pelton_delivery::ledger::Ledger;
    use pelton_model::record::{self, Column, ColumnData, Rows};
    use pelton_model::spec::{ColumnType, Statement, Target};

    /// Rows of one text of these lengths.
    fn chunk(ledger: &Arc<Ledger>, lengths: &[usize]) -> RowChunk {
        let mut texts = record::Packed::default();
        lengths.iter().for_each(|&length| texts.push("x".repeat(length).as_bytes()));
        let columns = vec![Column { validity: vec![], data: ColumnData::Packed(texts) }];
        let target = Target::Statement(Statement { sql: String::new(), placeholders: vec![ColumnType::Text] });
        let encoded = Encoder::new(&target).encode(&Rows { origin: (0..lengths.len() as u32).collect(), columns });
        let batch = record::Batch { offsets: vec![0], ..record::Batch::default() };
        let delivery = Delivery::new(batch, Arc::clone(ledger), Arc::new(Budget::new(1))).unwrap();
        RowChunk::new(&delivery, encoded.rows)
    }

    fn queue(chunks: Vec<RowChunk>, cut: Cut) -> Queue {
        let (sender, receiver) = unbounded_channel();
        for chunk in chunks {
            sender.send(Message::Rows(chunk, Instant::now())).unwrap();
        }
        sender.send(Message::Close).unwrap();
        Queue::new(receiver, cut)
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    proptest! {
        #[test]
        fn every_row_is_in_one_batch_in_order(
            chunks in proptest::collection::vec(proptest::collection::vec(0usize..60, 1..30), 0..10),
            max_rows in 1usize..50,
            max_bytes in 1usize..400,
            piece in 1usize..60,
        ) {
            let ledger = Arc::default();
            let cut = Cut { max_rows, max_bytes, linger: Duration::from_secs(3600) };
            let mut queue = queue(chunks.iter().map(|lengths| chunk(&ledger, lengths)).collect(), cut);
            let (mut rows, mut copied, mut finished) = (Vec::new(), 0, 0);
            while let Some(mut batch) = run(queue.next()) {
                let length = |row: &Row<'_>| row.cells().next().unwrap().bytes.len() - 4;
                let found: Vec<_> = batch.rows().iter().map(|row| (row.origin(), length(row))).collect();
                prop_assert!(found.len() == 1 || found.len() <= max_rows && batch.bytes() <= max_bytes);
                rows.extend(found);
                loop {
                    let first = batch.first(piece);
                    copied += first.copy_rows().map(|rows| rows.len()).sum::<usize>();
                    finished += first.finished().count();
                    if !batch.skip(piece) {
                        break;
                    }
                }
            }
            let sent: Vec<_> = chunks.iter().flat_map(|lengths| (0u32..).zip(lengths.iter().copied())).collect();
            prop_assert_eq!(copied, sent.iter().map(|(_, length)| length + 6).sum::<usize>());
            prop_assert_eq!(rows, sent);
            prop_assert_eq!(finished, chunks.len());
            prop_assert!(queue.is_done());
        }
    }

    #[test]
    fn what_is_given_up_is_dropped_unless_begun() {
        let (kept, given_up) = (Arc::default(), Arc::default());
        let cut = Cut { max_rows: 2, max_bytes: 1000, linger: Duration::ZERO };
        let chunks = vec![chunk(&given_up, &[1; 3]), chunk(&given_up, &[2; 3]), chunk(&kept, &[3; 3])];
        let mut queue = queue(chunks, cut);
        let mut first = run(queue.next()).unwrap();
        given_up.close();
        let sizes = |batch: Batch| {
            batch.rows().iter().map(|row| row.cells().next().unwrap().bytes.len() - 4).collect::<Vec<_>>()
        };
        assert_eq!(sizes(run(queue.next()).unwrap()), [1, 3]);
        assert_eq!(sizes(run(queue.next()).unwrap()), [3, 3]);
        assert!(run(queue.next()).is_none());
        assert!(!first.forget_revoked());
        drop(first);
        assert_eq!((given_up.in_flight(), kept.in_flight()), (0, 0));
    }
}
