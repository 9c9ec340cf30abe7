//! Numbers as they cross: end to end, little-endian, as bytes. Nothing is assumed of where the bytes begin, so reading
//! is one unaligned load.

/// A number of one of the contract's buffers: `u32`, `i16`, `i32`, `i64`, `f32` or `f64`.
pub trait Number: Copy {
    /// Adds it to a buffer.
    fn push(self, buffer: &mut Vec<u8>);

    /// Number `index` of a buffer; nothing where there is none.
    fn get(buffer: &[u8], index: usize) -> Option<Self>;

    /// How many a buffer holds.
    fn count(buffer: &[u8]) -> usize {
        buffer.len() / size_of::<Self>()
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Number for $number {
            fn push(self, buffer: &mut Vec<u8>) {
                buffer.extend_from_slice(&self.to_le_bytes());
            }

            fn get(buffer: &[u8], index: usize) -> Option<Self> {
                let (numbers, _) = buffer.as_chunks();
                numbers.get(index).map(|&number| Self::from_le_bytes(number))
            }
        }
    )*};
}

numbers!(u32, i16, i32, i64, f32, f64);

/// A buffer of these numbers.
pub fn pack<N: Number>(numbers: impl IntoIterator<Item = N>) -> Vec<u8> {
    let mut buffer = Vec::new();
    numbers.into_iter().for_each(|number| number.push(&mut buffer));
    buffer
}

/// The numbers of a buffer.
pub fn unpack<N: Number>(buffer: &[u8]) -> impl Iterator<Item = N> {
    (0..).map_while(|index| N::get(buffer, index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_little_endian_and_a_cut_one_is_none() {
        assert_eq!(pack([1, 0x0403_0201_u32]), [1, 0, 0, 0, 1, 2, 3, 4]);
        assert_eq!(u32::get(&[1, 0, 0, 0, 9], 1), None);
        assert_eq!(u32::get(&[1, 0, 0, 0], usize::MAX), None);
    }

    proptest! {
        #[test]
        fn numbers_come_back_from_any_address(items in proptest::collection::vec(any::<i64>(), 0..20), offset in 0..8usize) {
            let mut buffer = vec![0; offset];
            items.iter().for_each(|item| item.push(&mut buffer));
            let buffer = buffer.get(offset..).unwrap_or_default();
            prop_assert_eq!(i64::count(buffer), items.len());
            prop_assert_eq!(unpack(buffer).collect::<Vec<i64>>(), items);
        }
    }
}
