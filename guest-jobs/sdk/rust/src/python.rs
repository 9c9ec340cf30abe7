//! JSON as Python's `json.dumps` prints it, for jobs that take over from one in Python and must write the same bytes.

use std::{cell::Cell, io::Write, mem, ops::Deref};

/// An object in the making, as `json.dumps` prints a dictionary: members in the order in which they are added, names and
/// texts in ASCII, a blank after each comma and colon.
///
/// ```
/// use pelton_job::python::Object;
///
/// let object = Object::new().text("name", "caf\u{e9}").int("seats", 12).float("rating", 4.0);
/// assert_eq!(&*object.finish(), br#"{"name": "caf\u00e9", "seats": 12, "rating": 4.0}"#);
/// ```
#[derive(Debug, Default)]
pub struct Object(Vec<u8>);

impl Object {
    /// One without members.
    #[inline(always)]
    pub fn new() -> Self {
        Self(SPARE.take())
    }

    /// Adds a text.
    #[inline(always)]
    pub fn text(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        write_string(value, &mut self.0);
        self
    }

    /// Adds an integer.
    #[inline(always)]
    pub fn int(mut self, name: &str, value: impl Into<i64>) -> Self {
        let value: i64 = value.into();
        self.name(name);
        if value < 0 {
            self.0.push(b'-');
        }
        push_digits(value.unsigned_abs(), 1, &mut self.0);
        self
    }

    /// Adds a finite number, as Python prints a `float`: with a point or an exponent, `31.0`.
    #[inline(always)]
    pub fn float(mut self, name: &str, value: f64) -> Self {
        self.name(name);
        write_float(value, &mut self.0);
        self
    }

    /// Adds what is JSON already, such as `null` or [`respace`]d text.
    pub fn json(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        push(value.as_bytes(), &mut self.0);
        self
    }

    /// The text of the whole object.
    #[inline(always)]
    pub fn finish(mut self) -> Text {
        if self.0.is_empty() {
            self.0.push(b'{');
        }
        self.0.push(b'}');
        Text(self.0)
    }

    #[inline(always)]
    fn name(&mut self, name: &str) {
        let out = &mut self.0;
        if out.is_empty() {
            out.push(b'{');
        } else {
            out.extend_from_slice(b", ");
        }
        // Most names are constants, of which the compiler knows this.
        if is_plain(name.as_bytes()) {
            out.push(b'"');
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\": ");
        } else {
            write_string(name, out);
            out.extend_from_slice(b": ");
        }
    }
}

/// The text of an [`Object`]. Its memory serves the next one: to allocate it costs as much as some members.
#[derive(Debug)]
pub struct Text(Vec<u8>);

std::thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Deref for Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        let mut memory = mem::take(&mut self.0);
        memory.clear();
        SPARE.set(memory);
    }
}

/// Prints a string: quoted, with everything but printable ASCII escaped.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    if is_plain(text.as_bytes()) {
        push(text.as_bytes(), out);
    } else {
        for character in text.chars() {
            match character {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                '\u{8}' => out.extend_from_slice(b"\\b"),
                '\u{c}' => out.extend_from_slice(b"\\f"),
                ' '..='~' => out.push(character as u8),
                _ => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        // Writing to memory doesn't fail.
                        let _ = write!(out, "\\u{unit:04x}");
                    }
                }
            }
        }
    }
    out.push(b'"');
}

/// Adds bytes by words: in WebAssembly a copy of a length that the compiler doesn't know is a call out of the sandbox.
fn push(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len());
    let (blocks, rest) = bytes.as_chunks::<16>();
    blocks.iter().for_each(|block| out.extend_from_slice(block));
    rest.iter().for_each(|byte| out.push(*byte));
}

/// Whether text is printed as it stands. It looks at eight bytes at a time.
#[inline(always)]
fn is_plain(bytes: &[u8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    let (words, rest) = bytes.as_chunks::<8>();
    // The high bit of each byte that is not plain, and maybe of some above it.
    let odd = words.iter().fold(0, |odd, word| {
        let word = u64::from_le_bytes(*word);
        let is = |byte: u8| (word ^ (ONES * u64::from(byte))).wrapping_sub(ONES);
        odd | word | is(b'"') | is(b'\\') | is(b'\x7f') | word.wrapping_sub(ONES * u64::from(b' '))
    });
    odd & HIGHS == 0 && rest.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'"' && *byte != b'\\')
}

/// Prints a finite number as `repr(float)` does: the fewest digits that read back as the same number, `30.0`, `1e-05`,
/// `1e+16`.
pub fn write_float(number: f64, out: &mut Vec<u8>) {
    if let Some((digits, unit, places)) = decimal(number) {
        if number.is_sign_negative() {
            out.push(b'-');
        }
        push_digits(digits / unit, 1, out);
        out.push(b'.');
        push_digits(digits % unit, places, out);
        return;
    }
    write_any(number, out);
}

/// The general algorithm. Rust picks as few digits, and the same form, but writes exponents without plus sign and padding.
fn write_any(number: f64, out: &mut Vec<u8>) {
    let printed = evenly(number, format!("{number:?}"));
    let _ = match printed.split_once('e') {
        None => write!(out, "{printed}"),
        Some((digits, exponent)) => match exponent.strip_prefix('-') {
            Some(exponent) => write!(out, "{digits}e-{exponent:0>2}"),
            None => write!(out, "{digits}e+{exponent:0>2}"),
        },
    };
}

/// What Rust printed, with the even last digit where two are as near to the number, as Python has it: Rust takes the larger one.
fn evenly(number: f64, printed: String) -> String {
    let digits = printed.split('e').next().unwrap_or_default();
    // Of up to 15 digits no two say the same number.
    if digits.len() < 15 {
        return printed;
    }
    let places = digits.split_once('.').map_or(0, |(_, places)| places.len());
    let even = if digits.len() == printed.len() { format!("{number:.places$}") } else { format!("{number:.places$e}") };
    // Beside a power of two the nearest of so few digits may read back as another number.
    if even.parse() == Ok(number) { even } else { printed }
}

/// The digits of a number's size, the power of ten that they are divided by, and its zeros, where one to three are enough. Of
/// up to 15 digits no two say the same number, so these are the ones that the general algorithm finds, which takes much longer.
fn decimal(number: f64) -> Option<(u64, u64, usize)> {
    let size = number.abs();
    if size >= 1e12 || size < 1e-3 && size != 0.0 {
        return None;
    }
    let with = |unit: u64, places| {
        let digits = (size * unit as f64 + 0.5) as u64;
        (digits as f64 / unit as f64 == size).then_some((digits, unit, places))
    };
    with(10, 1).or_else(|| with(100, 2)).or_else(|| with(1000, 3))
}

/// Prints an integer with at least so many digits, without what formatting costs.
fn push_digits(mut number: u64, least: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut count = 0;
    for digit in digits.iter_mut().rev() {
        if number == 0 && count >= least {
            break;
        }
        // WebAssembly divides 64 bits slowly.
        let last = match u32::try_from(number) {
            Ok(small) => {
                number = u64::from(small / 10);
                small % 10
            }
            Err(_) => {
                let last = number % 10;
                number /= 10;
                last as u32
            }
        };
        *digit = b'0' + last as u8;
        count += 1;
    }
    let digits = digits.get(digits.len() - count..).unwrap_or_default();
    digits.iter().for_each(|digit| out.push(*digit));
}

/// Gives valid JSON the spacing of `json.dumps`: one blank after each comma and colon, no other outside strings.
/// Strings and numbers stay as they are written.
pub fn respace(json: &str) -> String {
    let bytes = json.as_bytes();
    let is_blank = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_whitespace);
    let mut spaced = String::with_capacity(json.len() + 16);
    // What stands as it should from `start` on is copied as a whole.
    let (mut start, mut at) = (0, 0);
    let piece = |start, end| json.get(start..end).unwrap_or_default();
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b',' | b':' if bytes.get(at) == Some(&b' ') && !is_blank(at + 1) => at += 1,
            b',' | b':' => {
                spaced.push_str(piece(start, at));
                spaced.push(' ');
                start = at;
            }
            byte if byte.is_ascii_whitespace() => {
                spaced.push_str(piece(start, at - 1));
                start = at;
            }
            _ => {}
        }
    }
    spaced.push_str(piece(start, at));
    spaced
}

/// Where a string ends that starts before `at`.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at.min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn string(text: &str) -> String {
        let mut out = Vec::new();
        write_string(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn float(number: f64) -> String {
        let mut out = Vec::new();
        write_float(number, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// Right-hand sides printed by CPython 3.11.
    #[test]
    fn floats_are_pythons() {
        let cases = [
            (30.0, "30.0"),
            (30.01, "30.01"),
            (-0.0, "-0.0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (1e100, "1e+100"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            // Two of as few digits are as near: the even one.
            (1_125_899_906_842_624.0 + 0.25, "1125899906842624.2"),
            (1_125_899_906_842_624.0 + 0.75, "1125899906842624.8"),
            (-1.0 / 33_554_432.0, "-2.9802322387695312e-08"),
            // Powers of two: the nearest of as few digits would read back as another.
            (1.0 / 17_592_186_044_416.0, "5.684341886080802e-14"),
            (8.209073602596753e-289, "8.209073602596753e-289"),
        ];
        for (number, expected) in cases {
            assert_eq!(float(number), expected);
        }
    }

    #[test]
    fn strings_are_pythons() {
        assert_eq!(string("plain ~"), r#""plain ~""#);
        assert_eq!(string("a\"b\\c/d"), r#""a\"b\\c/d""#);
        assert_eq!(string("\n\r\t\u{8}\u{c}\0\u{7f}"), r#""\n\r\t\b\f\u0000\u007f""#);
        assert_eq!(string("é€😀"), r#""\u00e9\u20ac\ud83d\ude00""#);
    }

    #[test]
    fn spacing_is_pythons() {
        assert_eq!(respace(r#"{"a":1,"b":[1,{}]}"#), r#"{"a": 1, "b": [1, {}]}"#);
        assert_eq!(respace("{ \"a\"\n:\t[ 1 , 2 ]\r}"), r#"{"a": [1, 2]}"#);
        assert_eq!(respace(r#"{"a,b:c \" d":"e , f\\"}"#), r#"{"a,b:c \" d": "e , f\\"}"#);
    }

    proptest! {
        #[test]
        fn respaced_json_means_the_same(text in "[ -~]{0,12}", number in any::<i32>()) {
            let value = serde_json::json!({"k": [text, number, {"a": text, "b": null}], text.clone(): number});
            let tight = serde_json::to_string(&value).unwrap();
            let loose = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(respace(&tight), respace(&loose));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&respace(&tight)).unwrap(), value);
        }

        #[test]
        fn plain_is_what_no_character_of_is_escaped(text in "[ -~]{0,20}|[ !#-\\[\\]-~]{0,40}|\\PC{0,12}|[\\x00-\\x7f]{0,20}") {
            let is_escaped = |byte: u8| !matches!(byte, b' '..=b'~') || byte == b'"' || byte == b'\\';
            prop_assert_eq!(is_plain(text.as_bytes()), !text.bytes().any(is_escaped));
        }

        #[test]
        fn strings_read_back(text in any::<String>()) {
            prop_assert_eq!(serde_json::from_str::<String>(&string(&text)).unwrap(), text);
        }

        #[test]
        fn floats_read_back(number in proptest::num::f64::NORMAL) {
            prop_assert_eq!(float(number).parse::<f64>().unwrap(), number);
        }

        #[test]
        fn few_digits_are_those_of_the_general_algorithm(text in "-?(0|[1-9][0-9]{0,15})(\\.0{0,5}[0-9]{1,12})?(e-?[0-9])?") {
            let number: f64 = text.parse().unwrap();
            let mut general = Vec::new();
            write_any(number, &mut general);
            prop_assert_eq!(float(number).into_bytes(), general);
        }
    }

    #[test]
    fn objects_are_pythons() {
        assert_eq!(&*Object::new().finish(), b"{}");
        let object = Object::new().int("a", -1).float("b", 31.0).text("c\"", "\u{e9}");
        assert_eq!(&*object.json("d", "null").finish(), br#"{"a": -1, "b": 31.0, "c\"": "\u00e9", "d": null}"#);
    }
}
