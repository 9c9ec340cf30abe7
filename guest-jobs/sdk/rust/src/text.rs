//! Bytes as text.

use std::str::Utf8Error;

/// What [`str::from_utf8`] says. Most text is ASCII, which is told by looking at 32 bytes at a time: the library's check
/// looks at four where pointers have 32 bits.
#[inline(always)]
pub(crate) fn of(bytes: &[u8]) -> Result<&str, Utf8Error> {
    if is_ascii(bytes) {
        #[expect(unsafe_code, reason = "there is no call that takes another's word for it")]
        // SAFETY: ASCII is UTF-8.
        return Ok(unsafe { str::from_utf8_unchecked(bytes) });
    }
    str::from_utf8(bytes)
}

#[inline(always)]
fn is_ascii(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<32>();
    let (words, rest) = rest.as_chunks::<8>();
    let word = |word: &[u8; 8]| u64::from_le_bytes(*word);
    let all = |all, words: &[[u8; 8]]| words.iter().fold(all, |all, one| all | word(one));
    let mut found = blocks.iter().fold(0, |found, block| all(found, block.as_chunks().0));
    found = all(found, words);
    found = rest.iter().fold(found, |found, &byte| found | u64::from(byte));
    found & u64::from_ne_bytes([0x80; 8]) == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_is_what_the_library_says(
            bytes in proptest::collection::vec(prop_oneof![20 => 0_u8..128, 1 => any::<u8>()], 0..100)
        ) {
            prop_assert_eq!(super::of(&bytes), str::from_utf8(&bytes));
        }
    }
}
