//! Byte strings laid end to end, with or without nulls, written and read as the contract says. Writers hold the lists
//! of the contract themselves, so that handing them over copies nothing.

use crate::bindings::pelton::job::types::{Headers, NullablePacked, Packed};
use crate::numbers::Number;

/// The length of a list as the contract counts. A guest's memory ends at 4 GiB, so it always fits there.
fn end(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl Packed {
    /// An empty one with room for so many items of so many bytes in all.
    pub(crate) fn with_capacity(items: usize, bytes: usize) -> Self {
        Self { ends: Vec::with_capacity(size_of::<u32>() * items), bytes: Vec::with_capacity(bytes) }
    }

    pub(crate) fn push(&mut self, item: &[u8]) {
        self.bytes.extend_from_slice(item);
        end(self.bytes.len()).push(&mut self.ends);
    }

    /// Item `index`; nothing where there is none or the lists contradict each other.
    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        self.bytes.get(range(&self.ends, index)?)
    }
}

/// Where item `index` lies in what `ends` divides.
pub(crate) fn range(ends: &[u8], index: usize) -> Option<std::ops::Range<usize>> {
    let start = match index.checked_sub(1) {
        Some(before) => u32::get(ends, before)?,
        None => 0,
    };
    Some(start as usize..u32::get(ends, index)? as usize)
}

/// Writes a validity bitmap: nothing until the first null.
#[derive(Default)]
pub(crate) struct Validity {
    bits: Vec<u8>,
    items: usize,
    has_null: bool,
}

impl Validity {
    pub(crate) fn push(&mut self, valid: bool) {
        if !valid && !self.has_null {
            self.has_null = true;
            self.bits = vec![u8::MAX; self.items / 8];
            if !self.items.is_multiple_of(8) {
                self.bits.push((1 << (self.items % 8)) - 1);
            }
        }
        if self.has_null {
            if self.items.is_multiple_of(8) {
                self.bits.push(0);
            }
            if let Some(last) = self.bits.last_mut() {
                *last |= u8::from(valid) << (self.items % 8);
            }
        }
        self.items += 1;
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bits
    }
}

/// Whether item `index` is not null.
pub(crate) fn is_valid(validity: &[u8], index: usize) -> bool {
    validity.is_empty() || validity.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}

/// Writes byte strings of which some may be null.
pub(crate) struct Nullable {
    validity: Validity,
    items: Packed,
}

impl Nullable {
    pub(crate) fn with_capacity(items: usize, bytes: usize) -> Self {
        Self { validity: Validity::default(), items: Packed::with_capacity(items, bytes) }
    }

    pub(crate) fn push(&mut self, item: Option<&[u8]>) {
        self.validity.push(item.is_some());
        self.items.push(item.unwrap_or_default());
    }

    pub(crate) fn bytes(&self) -> usize {
        self.items.bytes.len()
    }

    pub(crate) fn finish(self) -> NullablePacked {
        NullablePacked { validity: self.validity.finish(), items: self.items }
    }
}

impl NullablePacked {
    /// Item `index`; nothing where it is null.
    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        if is_valid(&self.validity, index) { self.items.get(index) } else { None }
    }
}

/// Writes the headers of records or messages.
pub(crate) struct HeadersWriter {
    ends: Vec<u8>,
    names: Packed,
    values: Nullable,
}

impl HeadersWriter {
    /// One that already holds so many items without headers.
    pub(crate) fn after(items: usize) -> Self {
        Self {
            ends: vec![0; size_of::<u32>() * items],
            names: Packed::with_capacity(0, 0),
            values: Nullable::with_capacity(0, 0),
        }
    }

    /// Adds the headers of the next item.
    pub(crate) fn push<'a>(&mut self, headers: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>) {
        for (name, value) in headers {
            self.names.push(name.as_bytes());
            self.values.push(value);
        }
        end(u32::count(&self.names.ends)).push(&mut self.ends);
    }

    pub(crate) fn finish(self) -> Headers {
        Headers { ends: self.ends, names: self.names, values: self.values.finish() }
    }
}

impl Headers {
    /// The headers of item `index`, in order. The name of a header that isn't UTF-8 reads as empty.
    pub(crate) fn get(&self, index: usize) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        range(&self.ends, index).unwrap_or_default().map(|header| {
            let name = self.names.get(header).unwrap_or_default();
            (str::from_utf8(name).unwrap_or_default(), self.values.get(header))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_that_contradict_each_other_hold_nothing() {
        let packed = |ends: &[u32]| Packed { ends: crate::numbers::pack(ends.iter().copied()), bytes: b"abc".to_vec() };
        assert_eq!(packed(&[1, 3]).get(1), Some(&b"bc"[..]));
        assert_eq!(packed(&[1, 3]).get(2), None);
        assert_eq!(packed(&[1, 4]).get(1), None);
        assert_eq!(packed(&[2, 1]).get(1), None);
    }

    proptest! {
        #[test]
        fn validity_is_arrows(items in proptest::collection::vec(any::<bool>(), 0..70)) {
            let mut validity = Validity::default();
            for &valid in &items {
                validity.push(valid);
            }
            let bits = validity.finish();
            if items.iter().all(|&valid| valid) {
                prop_assert!(bits.is_empty());
            } else {
                let mut expected = vec![0u8; items.len().div_ceil(8)];
                for (index, &valid) in items.iter().enumerate() {
                    expected[index / 8] |= u8::from(valid) << (index % 8);
                }
                prop_assert_eq!(&bits, &expected);
            }
            for (index, &valid) in items.iter().enumerate() {
                prop_assert_eq!(is_valid(&bits, index), valid);
            }
        }
    }
}
