//! A JSON reader of one pass, which hands out what it reads as slices of the text. It accepts what serde_json accepts,
//! up to 128 levels of nesting.
//!
//! The reading itself notes where a value begins and ends, whether it is spaced as `json.dumps` spaces it, and whether a
//! string has an escaped NUL, so that no value is gone over twice.

use std::borrow::Cow;

/// How deep arrays and objects may lie in each other: a guest's stack is small.
const MAX_DEPTH: usize = 128;

/// That the text is not JSON: [`Reader::error`] says why. It has no size, so that results are handed back in registers.
#[derive(Debug)]
pub(super) struct NotJson;

/// A reader in a text, at the start of a value or behind it.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// What was expected where it stands, once that was not there.
    expected: &'static str,
    /// Whether the last string has escapes.
    has_escape: bool,
    /// Since it was last set: whether blanks stand only where `json.dumps` puts them, and there.
    pub(super) is_spaced: bool,
    /// Since it was last cleared: whether a string had the escape of the NUL character.
    pub(super) has_nul: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut reader =
            Self { text, at: 0, depth: 0, expected: "", has_escape: false, is_spaced: true, has_nul: false };
        reader.blanks(0);
        reader
    }

    /// What was expected, with line and column, both from 1, the column in bytes.
    #[cold]
    pub(super) fn error(&self) -> String {
        let before = self.text.as_bytes().get(..self.at).unwrap_or_default();
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        let column = 1 + before.iter().rev().take_while(|&&byte| byte != b'\n').count();
        format!("expected {} at line {line} column {column}", self.expected)
    }

    /// Nothing but blanks may follow.
    pub(super) fn end(&mut self) -> Result<(), NotJson> {
        self.blanks(0);
        if self.at == self.text.len() { Ok(()) } else { self.expected("nothing more") }
    }

    /// Whether the next value is an object.
    pub(super) fn is_object(&self) -> bool {
        self.next() == Some(b'{')
    }

    /// Reads an object. `member` is given each name, and reads its value.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &str) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
        self.items(b'{', b'}', "`,` or `}`", |reader| {
            let name = reader.string()?;
            let has_escape = reader.has_escape;
            reader.blanks(0);
            reader.take(b':', "`:`")?;
            reader.blanks(1);
            match name.split_at_checked(1).and_then(|(_, name)| name.strip_suffix('"')) {
                Some(name) if !has_escape => member(reader, name),
                _ => member(reader, &unescape(name).unwrap_or_default()),
            }
        })
    }

    /// Reads any value, and gives its text.
    pub(super) fn value(&mut self) -> Result<&'a str, NotJson> {
        let start = self.at;
        match self.next() {
            Some(b'"') => return self.string(),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'{') => self.object(|reader, _| reader.value().map(drop))?,
            Some(b'[') => self.items(b'[', b']', "`,` or `]`", |reader| reader.value().map(drop))?,
            Some(b't') => self.word("true")?,
            Some(b'f') => self.word("false")?,
            Some(b'n') => self.word("null")?,
            _ => return self.expected("a value"),
        }
        Ok(self.since(start))
    }

    /// The text from there to here.
    pub(super) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Where it is.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Reads items between brackets, with commas between them.
    fn items(
        &mut self,
        open: u8,
        close: u8,
        separator: &'static str,
        mut item: impl FnMut(&mut Self) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
        self.take(open, "an object")?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.expected("no deeper nesting");
        }
        self.blanks(0);
        if self.next() != Some(close) {
            loop {
                item(self)?;
                self.blanks(0);
                match self.next() {
                    Some(b',') => self.at += 1,
                    Some(next) if next == close => break,
                    _ => return self.expected(separator),
                }
                self.blanks(1);
            }
        }
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }

    /// Reads a string, and gives its text with the quotes.
    fn string(&mut self) -> Result<&'a str, NotJson> {
        let start = self.at;
        self.has_escape = false;
        self.take(b'"', "a string")?;
        loop {
            self.at += plain_bytes(self.rest());
            match self.next() {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.has_escape = true;
                    self.escape()?;
                }
                _ => return self.expected("the end of the string, and no control character in it"),
            }
        }
        self.at += 1;
        Ok(self.since(start))
    }

    fn escape(&mut self) -> Result<(), NotJson> {
        self.at += 1;
        match self.rest() {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => self.at += 1,
            [b'u', digits @ ..] => match digits.first_chunk::<4>() {
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => {
                    self.has_nul |= digits == b"0000";
                    self.at += 5;
                }
                _ => return self.expected("an escape"),
            },
            _ => return self.expected("an escape"),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), NotJson> {
        self.pass(|byte| byte == b'-');
        if !self.pass(|byte| byte == b'0') {
            self.digits()?;
        }
        if self.pass(|byte| byte == b'.') {
            self.digits()?;
        }
        if self.pass(|byte| matches!(byte, b'e' | b'E')) {
            self.pass(|byte| matches!(byte, b'+' | b'-'));
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        if digits == 0 { self.expected("a digit") } else { Ok(()) }
    }

    fn word(&mut self, word: &'static str) -> Result<(), NotJson> {
        if !self.rest().starts_with(word.as_bytes()) {
            return self.expected("a value");
        }
        self.at += word.len();
        Ok(())
    }

    /// Passes over blanks, of which `json.dumps` would put so many here: none or one.
    #[inline(always)]
    fn blanks(&mut self, wanted: usize) {
        let found = usize::from(self.pass(|byte| byte == b' '));
        self.is_spaced &= found == wanted;
        if self.next().is_some_and(|byte| byte <= b' ') {
            self.further_blanks();
        }
    }

    #[cold]
    fn further_blanks(&mut self) {
        while self.pass(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')) {
            self.is_spaced = false;
        }
    }

    #[inline(always)]
    fn take(&mut self, byte: u8, expected: &'static str) -> Result<(), NotJson> {
        if self.next() != Some(byte) {
            return self.expected(expected);
        }
        self.at += 1;
        Ok(())
    }

    /// Passes over the next byte if it is such a one.
    #[inline(always)]
    fn pass(&mut self, wanted: impl FnOnce(u8) -> bool) -> bool {
        let found = self.next().is_some_and(wanted);
        self.at += usize::from(found);
        found
    }

    #[inline(always)]
    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    #[cold]
    fn expected<T>(&mut self, expected: &'static str) -> Result<T, NotJson> {
        self.expected = expected;
        Err(NotJson)
    }
}

/// What a quoted string says; nothing where its escapes are no Unicode, such as a lone surrogate.
pub(super) fn unescape(quoted: &str) -> Option<Cow<'_, str>> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if plain_bytes(inner.as_bytes()) == inner.len() {
        return Some(Cow::Borrowed(inner));
    }
    let mut text = String::with_capacity(inner.len());
    let mut pieces = inner.split('\\');
    text.push_str(pieces.next()?);
    while let Some(piece) = pieces.next() {
        let (kind, rest) = match piece.chars().next() {
            Some(kind) => (kind, piece.get(kind.len_utf8()..)?),
            // Two backslashes: what follows the second is plain.
            None => ('\\', pieces.next()?),
        };
        let (character, rest) = match kind {
            '"' | '\\' | '/' => (kind, rest),
            'b' => ('\u{8}', rest),
            'f' => ('\u{c}', rest),
            'n' => ('\n', rest),
            'r' => ('\r', rest),
            't' => ('\t', rest),
            'u' => match (unit(rest)?, rest.get(4..)?) {
                (high @ 0xd800..0xdc00, "") => {
                    let low = pieces.next()?.strip_prefix('u')?;
                    let pair = [high, unit(low)?];
                    let character = char::decode_utf16(pair).next()?.ok()?;
                    (character, low.get(4..)?)
                }
                (unit, rest) => (char::from_u32(unit.into())?, rest),
            },
            _ => return None,
        };
        text.push(character);
        text.push_str(rest);
    }
    Some(Cow::Owned(text))
}

/// The four hexadecimal digits at the start.
fn unit(text: &str) -> Option<u16> {
    let digits = text.get(..4)?;
    let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| are_digits)
}

/// How many bytes pass before a quote, a backslash or a control character. It looks at eight at a time.
fn plain_bytes(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut passed = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let quote = word ^ (ONES * u64::from(b'"'));
        let backslash = word ^ (ONES * u64::from(b'\\'));
        // The lowest byte that is zero, or below a blank, gets its high bit set; what is above it may be wrong.
        let found = quote.wrapping_sub(ONES) & !quote
            | backslash.wrapping_sub(ONES) & !backslash
            | word.wrapping_sub(ONES * u64::from(b' ')) & !word;
        let found = found & HIGHS;
        if found != 0 {
            return passed + found.trailing_zeros() as usize / 8;
        }
        passed += 8;
    }
    let is_plain = |byte: &&u8| !matches!(byte, b'"' | b'\\' | 0..b' ');
    passed + rest.iter().take_while(is_plain).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<&str, String> {
        let mut reader = Reader::new(text);
        let value = reader.value();
        value.and_then(|value| reader.end().map(|()| value)).map_err(|NotJson| reader.error())
    }

    fn flags(text: &str) -> (bool, bool) {
        let mut reader = Reader::new(text);
        reader.value().unwrap();
        (reader.is_spaced, reader.has_nul)
    }

    #[test]
    fn spacing_is_noticed() {
        for spaced in ["1", "{}", r#"{"a": 1, "b": [1, {}]}"#, r#"{"a ,b:": "c : d"}"#] {
            assert!(flags(spaced).0, "{spaced}");
        }
        for other in [" 1", "{ }", r#"{"a":1}"#, r#"{"a" : 1}"#, r#"{"a":  1}"#, "[1,2]", "[1 ]", "[ 1]", "[1,\n2]"] {
            assert!(!flags(other).0, "{other}");
        }
    }

    #[test]
    fn escaped_nul_is_noticed() {
        assert!(flags(r#"{"a": "x\u0000"}"#).1);
        assert!(flags(r#"["\\\u0000"]"#).1);
        assert!(!flags(r#"{"a": "\\u0000 \u0001 u0000"}"#).1);
    }

    #[test]
    fn errors_say_where() {
        let error = |text| read(text).unwrap_err();
        assert_eq!(error("{\"a\": 1,\n \"b\" 2}"), "expected `:` at line 2 column 6");
        assert_eq!(error("[1 2]"), "expected `,` or `]` at line 1 column 4");
        assert_eq!(error(""), "expected a value at line 1 column 1");
        assert_eq!(error("1 1"), "expected nothing more at line 1 column 3");
    }

    #[test]
    fn nesting_ends_before_the_stack() {
        assert!(read(&format!("{}{}", "[".repeat(128), "]".repeat(128))).is_ok());
        let deep = "[".repeat(5_000_000);
        assert_eq!(read(&deep).unwrap_err(), "expected no deeper nesting at line 1 column 130");
    }

    proptest! {
        #[test]
        fn strings_say_what_serde_says(
            text in r#"([a-zé😀]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}|\\u[dD][89a-fA-F][0-9a-f]{2}|\\ud83d\\ude[0-9a-f]{2}){0,8}"#
        ) {
            let quoted = format!("\"{text}\"");
            let serde = serde_json::from_str::<String>(&quoted).ok();
            prop_assert_eq!(unescape(&quoted).map(Cow::into_owned), serde, "{}", quoted);
        }

        #[test]
        fn it_reads_what_serde_reads(
            text in r#"([\[\]{},: \n"\\0-9eE.+tfn-]|"a"|"[a-z"\\u0]*"|true|false|null|\\u00[0-9a-f]{2}|[0-9]\.[0-9]|: ?|é){0,24}"#
        ) {
            let serde = serde_json::from_str::<serde::de::IgnoredAny>(&text);
            prop_assert_eq!(read(&text).is_ok(), serde.is_ok(), "{}", text);
        }

        #[test]
        fn a_byte_changed_is_judged_as_serde_does(position in 0usize..60, byte in 0u8..128) {
            let text = r#"{"a": [1, -2.5e+3, "x\u00e9\n"], "bc": {"d": null, "e": true}}"#;
            let mut bytes = text.as_bytes().to_vec();
            bytes[position] = byte;
            let text = String::from_utf8(bytes).unwrap();
            let serde = serde_json::from_str::<serde::de::IgnoredAny>(&text);
            prop_assert_eq!(read(&text).is_ok(), serde.is_ok(), "{}", text);
        }

        #[test]
        fn plain_bytes_are_counted(bytes in proptest::collection::vec(prop_oneof![Just(b'a'), Just(0x80), any::<u8>()], 0..40)) {
            let expected = bytes.iter().position(|&byte| byte < b' ' || byte == b'"' || byte == b'\\');
            prop_assert_eq!(plain_bytes(&bytes), expected.unwrap_or(bytes.len()));
        }
    }
}
