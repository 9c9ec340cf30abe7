//! What records and a job's outputs make the host hold: their bytes, and what it keeps beside them for each.
//!
//! A guest says in a few bytes what the host spends hundreds on, such as to pass one record on a million times. So
//! whatever a job may have in flight, and whatever a guest may answer at once, is counted by this, not by bytes alone.

use super::{Batch, Column, ColumnData, Headers, NullablePacked, Outcome, Output, Packed, Reject};

/// What a message on its way takes beside its key, value and headers: itself, what it belongs to, its place in the queue.
const MESSAGE: usize = 256;
/// What a header takes beside its name and value: two boxes of their own.
const HEADER: usize = 64;
/// What a row takes beside its cells.
const ROW: usize = 24;
/// What a cell takes beside bytes of variable length: its length, and at most 8 bytes.
const CELL: usize = 12;
/// What a dead letter takes beside the record's headers and the reason: a message with nine headers of the host's.
const LETTER: usize = MESSAGE + 9 * (HEADER + 48);
/// What a batch on its way takes beside its records.
const BATCH: usize = 1024;

impl Batch {
    /// Bytes of memory that the batch holds while it is on its way.
    pub fn bytes(&self) -> usize {
        let record = 2 * size_of::<i64>();
        BATCH
            + self.len() * record
            + nullable(&self.keys)
            + nullable(&self.values)
            + self.headers.ends.len() * size_of::<u32>()
            + packed(&self.headers.names)
            + nullable(&self.headers.values)
    }

    /// Bytes of memory that a dead letter of record `i` takes while it is on its way, its record apart.
    pub fn letter_bytes(&self, i: usize, reason: &str) -> usize {
        // The reason is a header, a part of it another one, and it is kept for a letter that the topic refuses.
        LETTER + 3 * reason.len() + self.headers.bytes_of(i)
    }
}

impl Headers {
    /// Bytes of memory that the headers of record `i` take as those of a message.
    fn bytes_of(&self, i: usize) -> usize {
        let end =
            |ends: &[u32], count: usize| count.checked_sub(1).and_then(|last| ends.get(last)).copied().unwrap_or(0);
        let (from, to) = (end(&self.ends, i) as usize, end(&self.ends, i + 1) as usize);
        let between =
            |packed: &Packed| (end(&packed.ends, to) as usize).saturating_sub(end(&packed.ends, from) as usize);
        to.saturating_sub(from) * HEADER + between(&self.names) + between(&self.values.items)
    }
}

impl Output {
    /// Bytes of memory that the host spends on it while it is on its way. It is made from records of `batch`.
    pub fn bytes(&self, batch: &Batch) -> usize {
        match self {
            // Which most jobs do, on records that have none.
            Self::Forward { origin, .. } if batch.headers.is_empty() => origin.len() * MESSAGE,
            Self::Forward { origin, .. } => {
                origin.iter().map(|&index| MESSAGE + batch.headers.bytes_of(index as usize)).sum()
            }
            Self::Messages { messages, .. } => {
                let headers = messages.headers.as_ref().map_or(0, |headers| {
                    headers.names.len() * HEADER + headers.names.bytes.len() + headers.values.items.bytes.len()
                });
                messages.origin.len() * MESSAGE
                    + messages.keys.items.bytes.len()
                    + messages.values.items.bytes.len()
                    + headers
            }
            Self::Rows { rows, .. } => {
                rows.origin.len() * (ROW + rows.columns.len() * CELL) + rows.columns.iter().map(variable).sum::<usize>()
            }
        }
    }
}

impl Outcome {
    /// Bytes of memory that the host spends on it while all of it is on its way. It is the answer to `batch`.
    pub fn bytes(&self, batch: &Batch) -> usize {
        let reject = |reject: &Reject| batch.letter_bytes(reject.index as usize, &reject.reason);
        let output = |output: &Output| size_of::<Output>() + output.bytes(batch);
        self.outputs.iter().map(output).sum::<usize>() + self.rejects.iter().map(reject).sum::<usize>()
    }
}

fn packed(packed: &Packed) -> usize {
    packed.bytes.len() + packed.ends.len() * size_of::<u32>()
}

fn nullable(column: &NullablePacked) -> usize {
    column.validity.len() + packed(&column.items)
}

fn variable(column: &Column) -> usize {
    match &column.data {
        ColumnData::Packed(packed) => packed.bytes.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Messages;
    use super::*;

    /// Records with as many headers as their number says, `h` with a value of 10 bytes each.
    fn batch(records: usize) -> Batch {
        let mut batch = Batch::default();
        for i in 0..records {
            batch.offsets.push(i as i64);
            batch.timestamps.push(-1);
            batch.keys.push(None);
            batch.values.push(Some(b"value"));
            (0..i).for_each(|_| batch.headers.push(b"h", Some(&[0; 10])));
            batch.headers.end_record();
        }
        batch
    }

    #[test]
    fn a_message_without_bytes_costs_what_is_kept_for_it() {
        let batch = batch(3);
        let forward = |origin: Vec<u32>| Output::Forward { sink: 0, origin }.bytes(&batch);
        assert_eq!(forward(vec![0; 1000]), 1000 * MESSAGE);
        assert_eq!(forward(vec![1, 2]), 2 * MESSAGE + 3 * (HEADER + 11));
        let mut messages = Messages { origin: vec![0; 10], ..Messages::default() };
        (0..10).for_each(|_| (messages.keys.push(None), messages.values.push(Some(b""))).1);
        assert_eq!(Output::Messages { sink: 0, messages }.bytes(&batch), 10 * MESSAGE);
    }

    #[test]
    fn rejects_and_lists_of_nothing_cost_too() {
        let batch = batch(1);
        let rejects = vec![Reject { index: 0, reason: String::new() }; 100];
        assert_eq!(Outcome { outputs: Vec::new(), rejects }.bytes(&batch), 100 * LETTER);
        let nothing = Output::Forward { sink: 0, origin: Vec::new() };
        assert!(Outcome { outputs: vec![nothing; 100], rejects: Vec::new() }.bytes(&batch) >= 100 * 32);
    }

    #[test]
    fn no_index_and_no_ends_make_it_panic() {
        let mut lies = batch(3);
        lies.headers.ends = vec![9, 1, 700];
        lies.headers.names.ends = vec![5, 2];
        let sum: usize = (0..9).map(|i| lies.headers.bytes_of(i)).sum();
        assert!(sum < 1 << 30);
        assert_eq!(Batch::default().headers.bytes_of(7), 0);
    }
}
