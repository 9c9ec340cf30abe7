//! The plain data that flows: batches of source records, and what a job made of them.
//!
//! The shapes are those of `wit/job.wit`, free of any contract version. Nothing here trusts its input: every accessor
//! is total, and [`Packed::check`] is what makes data from a guest fit for them.

mod cost;
pub mod text;

use std::sync::Arc;

/// A header of a message that is to be sent: its name, and its value or null.
pub type OwnedHeader = (Box<[u8]>, Option<Box<[u8]>>);

/// Byte strings laid end to end: item `i` is `bytes[ends[i - 1]..ends[i]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packed {
    /// The end of each item in `bytes`; never falls.
    pub ends: Vec<u32>,
    /// The items' bytes.
    pub bytes: Vec<u8>,
}

impl Packed {
    /// The number of items.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Item `i`, or `None` where there is none or the ends lie.
    pub fn get(&self, i: usize) -> Option<&[u8]> {
        let end = *self.ends.get(i)? as usize;
        let start = match i.checked_sub(1) {
            Some(previous) => *self.ends.get(previous)? as usize,
            None => 0,
        };
        self.bytes.get(start..end)
    }

    /// Appends an item. The caller keeps the sum of lengths below 4 GiB: batches are cut long before.
    pub fn push(&mut self, item: &[u8]) {
        self.bytes.extend_from_slice(item);
        self.ends.push(self.bytes.len() as u32);
    }

    /// All items in order. Call [`check`](Self::check) first on data from a guest; items whose ends lie are left out.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|i| self.get(i))
    }

    /// Refuses data that breaks the contract: other than `items` items, ends that fall, or ends that do not end with
    /// the bytes.
    pub fn check(&self, items: usize) -> Result<(), String> {
        if self.len() != items {
            return Err(format!("{} items where {items} are due", self.len()));
        }
        if !self.ends.is_sorted() {
            return Err("ends that fall".to_owned());
        }
        let last = self.ends.last().map_or(0, |&end| end as usize);
        if last != self.bytes.len() {
            return Err(format!("ends that stop at {last} of {} bytes", self.bytes.len()));
        }
        Ok(())
    }
}

/// Whether item `i` is not null by Arrow's validity bitmap; an empty bitmap says that none is null.
pub fn is_valid(validity: &[u8], i: usize) -> bool {
    validity.is_empty() || validity.get(i / 8).is_some_and(|byte| byte >> (i % 8) & 1 == 1)
}

/// Refuses a validity bitmap whose length does not fit the number of items.
pub fn check_validity(validity: &[u8], items: usize) -> Result<(), String> {
    if validity.is_empty() || validity.len() == items.div_ceil(8) {
        Ok(())
    } else {
        Err(format!("a validity bitmap of {} bytes for {items} items", validity.len()))
    }
}

/// Byte strings of which some are null.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NullablePacked {
    /// Arrow's validity bitmap; empty where no item is null.
    pub validity: Vec<u8>,
    /// The items; a null one has zero bytes.
    pub items: Packed,
}

impl NullablePacked {
    /// Item `i`; `None` where it is null or absent.
    pub fn get(&self, i: usize) -> Option<&[u8]> {
        if is_valid(&self.validity, i) { self.items.get(i) } else { None }
    }

    /// Appends an item.
    pub fn push(&mut self, item: Option<&[u8]>) {
        let i = self.items.len();
        if item.is_none() && self.validity.is_empty() {
            // The first null: everything before it was not null. Bits of items to come are 1 until said otherwise.
            self.validity = vec![0xff; i / 8 + 1];
        }
        if !self.validity.is_empty() {
            if self.validity.len() * 8 <= i {
                self.validity.push(0xff);
            }
            if let (None, Some(byte)) = (item, self.validity.get_mut(i / 8)) {
                *byte &= !(1 << (i % 8));
            }
        }
        self.items.push(item.unwrap_or_default());
    }

    /// As [`Packed::check`], and the bitmap fits.
    pub fn check(&self, items: usize) -> Result<(), String> {
        check_validity(&self.validity, items)?;
        self.items.check(items)
    }
}

/// The headers of a list of records or messages, flattened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// Record `i` has the headers `ends[i - 1]..ends[i]`.
    pub ends: Vec<u32>,
    /// One name per header: UTF-8 in what a guest makes, any bytes in what came through Kafka.
    pub names: Packed,
    /// One value per header.
    pub values: NullablePacked,
}

impl Headers {
    /// The headers of record `i`, in order.
    pub fn of(&self, i: usize) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let end = self.ends.get(i).map_or(0, |&end| end as usize);
        let start = i.checked_sub(1).and_then(|p| self.ends.get(p)).map_or(0, |&end| end as usize);
        (start..end).filter_map(|h| Some((self.names.get(h)?, self.values.get(h))))
    }

    /// Appends a header to the record that [`end_record`](Self::end_record) will close.
    pub fn push(&mut self, name: &[u8], value: Option<&[u8]>) {
        self.names.push(name);
        self.values.push(value);
    }

    /// Closes the current record.
    pub fn end_record(&mut self) {
        self.ends.push(self.names.len() as u32);
    }

    /// Whether no record has a header.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The first name that is not text, as the contract says that names are.
    pub fn other_than_text(&self) -> Option<&[u8]> {
        self.names.iter().find(|name| std::str::from_utf8(name).is_err())
    }

    /// Refuses headers from a guest that break the contract.
    pub fn check(&self, records: usize) -> Result<(), String> {
        if self.ends.len() != records || !self.ends.is_sorted() {
            return Err(format!("header ends that do not fit {records} records"));
        }
        let count = self.ends.last().map_or(0, |&end| end as usize);
        self.names.check(count).map_err(|e| format!("header names: {e}"))?;
        self.values.check(count).map_err(|e| format!("header values: {e}"))?;
        if let Some(name) = self.names.iter().find(|name| std::str::from_utf8(name).is_err() || name.contains(&0)) {
            return Err(format!("a header name that is not text: {}", name.escape_ascii()));
        }
        Ok(())
    }
}

/// Consecutive records of one partition, as read from Kafka.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// Kafka offsets, rising.
    pub offsets: Vec<i64>,
    /// Milliseconds since the Unix epoch; -1 where there is none.
    pub timestamps: Vec<i64>,
    /// Keys.
    pub keys: NullablePacked,
    /// Values; null is a tombstone.
    pub values: NullablePacked,
    /// Headers: always kept, because *forward* and the dead-letter topic preserve them.
    pub headers: Headers,
}

impl Batch {
    /// The number of records.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Bytes of its keys and values.
    pub fn payload_bytes(&self) -> usize {
        self.keys.items.bytes.len() + self.values.items.bytes.len()
    }

    /// Partition and offset of record `i`; -1 where there is no such record.
    pub fn position(&self, i: usize) -> (i32, i64) {
        (self.partition, self.offsets.get(i).copied().unwrap_or(-1))
    }

    /// Where record `i` stands, for people: `topic/partition/offset`.
    pub fn place(&self, i: usize) -> String {
        let offset = self.offsets.get(i).copied().unwrap_or(-1);
        format!("{}/{}/{offset}", self.topic, self.partition)
    }

    /// Records `range` as a batch of their own, for isolating a bad one. The indices start anew at 0.
    pub fn slice(&self, range: std::ops::Range<usize>) -> Batch {
        let mut out = Batch { topic: Arc::clone(&self.topic), partition: self.partition, ..Batch::default() };
        for i in range {
            let (Some(&offset), Some(&timestamp)) = (self.offsets.get(i), self.timestamps.get(i)) else { break };
            out.offsets.push(offset);
            out.timestamps.push(timestamp);
            out.keys.push(self.keys.get(i));
            out.values.push(self.values.get(i));
            for (name, value) in self.headers.of(i) {
                out.headers.push(name, value);
            }
            out.headers.end_record();
        }
        out
    }
}

/// The values of one column, one per row.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnData {
    /// `boolean`.
    Booleans(Vec<bool>),
    /// `int2`.
    Int16s(Vec<i16>),
    /// `int4`, and `date` as days since 1970-01-01.
    Int32s(Vec<i32>),
    /// `int8`, and `timestamptz` and `timestamp` as microseconds since 1970-01-01 00:00:00.
    Int64s(Vec<i64>),
    /// `float4`.
    Float32s(Vec<f32>),
    /// `float8`.
    Float64s(Vec<f64>),
    /// Everything of variable length, `numeric` as decimal text, and `uuid` as 16 bytes.
    Packed(Packed),
}

impl ColumnData {
    /// The number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Booleans(v) => v.len(),
            Self::Int16s(v) => v.len(),
            Self::Int32s(v) => v.len(),
            Self::Int64s(v) => v.len(),
            Self::Float32s(v) => v.len(),
            Self::Float64s(v) => v.len(),
            Self::Packed(v) => v.len(),
        }
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A column with its nulls.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Arrow's validity bitmap; empty where no value is null.
    pub validity: Vec<u8>,
    /// The values; that of a null is ignored.
    pub data: ColumnData,
}

/// Rows for a table, or parameters for a statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// The index of the record that each row was made from.
    pub origin: Vec<u32>,
    /// One per declared column or placeholder, each as long as `origin`.
    pub columns: Vec<Column>,
}

/// Messages for a topic.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Messages {
    /// The index of the record that each message was made from.
    pub origin: Vec<u32>,
    /// One per message.
    pub keys: NullablePacked,
    /// One per message.
    pub values: NullablePacked,
    /// One list per message; absent where no message has any.
    pub headers: Option<Headers>,
}

/// What a batch became for one sink.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one for each sink and batch, not for each record")]
pub enum Output {
    /// Records passed on unchanged, by index.
    Forward {
        /// Index into the job's sinks; a topic.
        sink: u32,
        /// Indices into the batch.
        origin: Vec<u32>,
    },
    /// New messages.
    Messages {
        /// Index into the job's sinks; a topic.
        sink: u32,
        /// The messages.
        messages: Messages,
    },
    /// Rows.
    Rows {
        /// Index into the job's sinks; a table or statement.
        sink: u32,
        /// The rows.
        rows: Rows,
    },
}

/// A job's verdict on one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Index into the batch.
    pub index: u32,
    /// Why, for people.
    pub reason: String,
}

/// A job's answer to one batch, checked against the contract.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// In the order of delivery.
    pub outputs: Vec<Output>,
    /// Records for the dead-letter topic.
    pub rejects: Vec<Reject>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nullable_items_come_back(items in vec(option::of(vec(any::<u8>(), 0..20)), 0..100)) {
            let mut packed = NullablePacked::default();
            for item in &items {
                packed.push(item.as_deref());
            }
            prop_assert!(packed.check(items.len()).is_ok());
            for (i, item) in items.iter().enumerate() {
                prop_assert_eq!(packed.get(i), item.as_deref());
            }
            prop_assert_eq!(packed.get(items.len()), None);
        }

        #[test]
        fn no_ends_make_an_accessor_panic(ends in vec(any::<u32>(), 0..10), bytes in vec(any::<u8>(), 0..20)) {
            let packed = Packed { ends, bytes };
            let sound = packed.check(packed.len()).is_ok();
            let joined: Vec<u8> = packed.iter().flatten().copied().collect();
            if sound {
                prop_assert_eq!(joined, packed.bytes);
            }
        }

        #[test]
        fn a_slice_is_the_same_records(
            values in vec(option::of(vec(any::<u8>(), 0..8)), 1..40), cut in any::<proptest::sample::Index>()
        ) {
            let mut batch = Batch::default();
            for (i, value) in values.iter().enumerate() {
                batch.offsets.push(i as i64 * 3);
                batch.timestamps.push(-1);
                batch.keys.push(None);
                batch.values.push(value.as_deref());
                for h in 0..i % 3 {
                    batch.headers.push(b"h", Some(&[h as u8]));
                }
                batch.headers.end_record();
            }
            let at = cut.index(values.len());
            let tail = batch.slice(at..values.len());
            prop_assert_eq!(tail.len(), values.len() - at);
            for i in 0..tail.len() {
                prop_assert_eq!(tail.values.get(i), batch.values.get(at + i));
                prop_assert_eq!(tail.offsets[i], batch.offsets[at + i]);
                prop_assert!(tail.headers.of(i).eq(batch.headers.of(at + i)));
            }
        }
    }
}
