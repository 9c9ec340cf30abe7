//! JSON as Python's `json.dumps` prints it, for jobs that take over from one in Python and must write the same bytes.

use std::fmt::{self, Write};

/// An object in the making, as `json.dumps` prints a dictionary: members in the order in which they are added, names and
/// texts in ASCII, a blank after each comma and colon.
///
/// ```
/// use pelton_job::python::Object;
///
/// let object = Object::new().text("name", "caf\u{e9}").int("seats", 12).float("rating", 4.0);
/// assert_eq!(object.finish(), r#"{"name": "caf\u00e9", "seats": 12, "rating": 4.0}"#);
/// ```
#[derive(Debug, Default)]
pub struct Object(String);

impl Object {
    /// One without members.
    pub fn new() -> Self {
        Self(String::with_capacity(256))
    }

    /// Adds a text.
    pub fn text(self, name: &str, value: &str) -> Self {
        self.member(name, |out| write_string(value, out))
    }

    /// Adds an integer.
    pub fn int(self, name: &str, value: impl Into<i64>) -> Self {
        self.member(name, |out| write!(out, "{}", value.into()))
    }

    /// Adds a finite number, as Python prints a `float`: with a point or an exponent, `31.0`.
    pub fn float(self, name: &str, value: f64) -> Self {
        self.member(name, |out| write_float(value, out))
    }

    /// Adds what is JSON already, such as `null` or [`respace`]d text.
    pub fn json(self, name: &str, value: &str) -> Self {
        self.member(name, |out| out.write_str(value))
    }

    /// The text of the whole object.
    pub fn finish(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }

    fn member(mut self, name: &str, value: impl FnOnce(&mut String) -> fmt::Result) -> Self {
        let out = &mut self.0;
        out.push_str(if out.is_empty() { "{" } else { ", " });
        // Writing to a string doesn't fail.
        let _ = write_string(name, out).and_then(|()| {
            out.push_str(": ");
            value(out)
        });
        self
    }
}

/// Prints a string: quoted, with everything but printable ASCII escaped.
pub fn write_string(text: &str, out: &mut String) -> fmt::Result {
    out.push('"');
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        out.push_str(text);
    } else {
        for character in text.chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                ' '..='~' => out.push(character),
                _ => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        write!(out, "\\u{unit:04x}")?;
                    }
                }
            }
        }
    }
    out.push('"');
    Ok(())
}

/// Prints a finite number as `repr(float)` does: the fewest digits that read back as the same number, `30.0`, `1e-05`,
/// `1e+16`.
pub fn write_float(number: f64, out: &mut String) -> fmt::Result {
    if let Some((digits, places)) = decimal(number) {
        let sign = if number.is_sign_negative() { "-" } else { "" };
        let unit = 10_u64.pow(places as u32);
        let (whole, fraction) = (digits / unit, digits % unit);
        return write!(out, "{sign}{whole}.{fraction:0places$}");
    }
    let start = out.len();
    // Rust picks the same digits, and the same form, but writes exponents without plus sign and padding.
    write!(out, "{number:?}")?;
    if let Some(at) = out.get(start..).and_then(|printed| printed.find('e')) {
        let exponent = out.split_off(start + at + 1);
        let (sign, digits) = match exponent.strip_prefix('-') {
            Some(digits) => ('-', digits),
            None => ('+', exponent.as_str()),
        };
        write!(out, "{sign}{digits:0>2}")?;
    }
    Ok(())
}

/// The digits of a number's size and how many of them are places, where one to three places are enough. Of up to 15 digits
/// no two say the same number, so these are the ones that the general algorithm finds, which takes much longer.
fn decimal(number: f64) -> Option<(u64, usize)> {
    let size = number.abs();
    if size >= 1e12 || size < 1e-3 && size != 0.0 {
        return None;
    }
    [10.0, 100.0, 1000.0].into_iter().zip(1..).find_map(|(unit, places)| {
        let digits = (size * unit).round();
        (digits / unit == size).then_some((digits as u64, places))
    })
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
        let mut out = String::new();
        write_string(text, &mut out).unwrap();
        out
    }

    fn float(number: f64) -> String {
        let mut out = "before ".to_owned();
        write_float(number, &mut out).unwrap();
        out.strip_prefix("before ").unwrap().to_owned()
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
            let general = format!("{number:?}");
            if !general.contains('e') {
                prop_assert_eq!(float(number), general);
            }
        }
    }

    #[test]
    fn objects_are_pythons() {
        assert_eq!(Object::new().finish(), "{}");
        let object = Object::new().int("a", -1).float("b", 31.0).text("c\"", "\u{e9}");
        assert_eq!(object.json("d", "null").finish(), r#"{"a": -1, "b": 31.0, "c\"": "\u00e9", "d": null}"#);
    }
}
