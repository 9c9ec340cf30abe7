//! Numbers as they cross: end to end, little-endian, as bytes.
//!
//! Towards a guest nothing is copied for that. From a guest every length is suspect: a buffer that holds a part of a
//! number is refused.

use bytemuck::NoUninit;

#[cfg(target_endian = "big")]
compile_error!("batches are lent to guests as they lie in memory, which must be little-endian");

/// The numbers as bytes, where they lie.
pub fn bytes<T: NoUninit>(numbers: &[T]) -> &[u8] {
    bytemuck::cast_slice(numbers)
}

/// The numbers that bytes from a guest hold, each made by `read`; an error where the last one is cut.
pub fn numbers<T, const SIZE: usize>(bytes: &[u8], read: fn([u8; SIZE]) -> T) -> Result<Vec<T>, String> {
    let (items, rest) = bytes.as_chunks();
    if !rest.is_empty() {
        return Err(format!("{} bytes where numbers of {SIZE} bytes are due", bytes.len()));
    }
    Ok(items.iter().map(|&item| read(item)).collect())
}

/// The booleans that bytes from a guest hold; an error where one is neither 0 nor 1.
pub fn booleans(bytes: &[u8]) -> Result<Vec<bool>, String> {
    match bytes.iter().find(|&&byte| byte > 1) {
        Some(byte) => Err(format!("the boolean {byte}, which is neither 0 nor 1")),
        None => Ok(bytes.iter().map(|&byte| byte == 1).collect()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(items in proptest::collection::vec(any::<i64>(), 0..20)) {
            prop_assert_eq!(numbers(bytes(&items), i64::from_le_bytes), Ok(items));
        }

        #[test]
        fn only_whole_numbers_pass(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            let read = numbers(&bytes, u32::from_le_bytes);
            prop_assert_eq!(read.is_ok(), bytes.len() % 4 == 0);
            prop_assert!(read.is_err() || read == Ok(bytes.chunks(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect()));
        }
    }

    #[test]
    fn numbers_are_little_endian_and_errors_name_the_size() {
        assert_eq!(bytes(&[1_u32, 0x0403_0201]), [1, 0, 0, 0, 1, 2, 3, 4]);
        assert_eq!(numbers(&[0; 7], f64::from_le_bytes).unwrap_err(), "7 bytes where numbers of 8 bytes are due");
        assert_eq!(booleans(&[1, 0]), Ok(vec![true, false]));
        assert_eq!(booleans(&[1, 0xff]).unwrap_err(), "the boolean 255, which is neither 0 nor 1");
    }
}
