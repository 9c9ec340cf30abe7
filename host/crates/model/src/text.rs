//! Text of others, made fit to be shown. What guests, Kafka, Postgres and files say reaches a terminal, a log of text
//! and a refusal through these functions only: nothing of it moves a cursor, begins a line of its own, turns the
//! order of what stands beside it, or is longer than people read.
//!
//! None of them changes text that is harmless, so what went through one may go through another.

use std::borrow::Cow;

/// Characters of a text that a refusal quotes.
const QUOTED: usize = 100;
/// What stands before the lines of a text that are not its first.
const INDENT: &str = "\n    ";

/// Whether a character does something to whoever shows it, instead of being shown: control characters (of ESC [ and
/// its like), line and paragraph separators, and the marks that turn the direction of text.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text as one line: each such character is escaped, as in `\n` or `\u{1b}`.
pub fn line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// The text with its lines kept as lines, all after the first indented, so that none looks like one of ours: exceptions
/// come with their stack.
pub fn lines(text: &str) -> String {
    let lines: Vec<_> = text.trim_end().lines().map(|part| line(&part.replace('\t', "    ")).into_owned()).collect();
    lines.join(INDENT)
}

/// The text, or the beginning of one that is longer than so many bytes, and how long it is.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let kept = text.get(..text.floor_char_boundary(most)).unwrap_or_default();
    Cow::Owned(format!("{kept}… ({} bytes)", text.len()))
}

/// The text in quotes, escaped; of a long one the beginning, and how long it is.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}… ({} bytes)", text.get(..end).unwrap_or_default(), text.len()),
    }
}

/// A JSON document that a terminal shows as it is: it says the same, with each such character within its strings
/// written as `\u009b`. The line breaks between its members stay.
pub fn json(document: &str) -> Cow<'_, str> {
    // JSON itself has those below U+0020 escaped, and outside of its strings there are no others.
    let is_left = |c: char| c >= '\u{7f}' && is_unsafe(c);
    if !document.contains(is_left) {
        return Cow::Borrowed(document);
    }
    let mut out = String::with_capacity(document.len() + 16);
    for c in document.chars() {
        if is_left(c) { out.push_str(&format!("\\u{:04x}", u32::from(c))) } else { out.push(c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One of each kind: escapes, a C1 control, line breaks of every sort, and marks that turn what follows.
    const HOSTILE: &str = "a\x1b[2J\u{9b}31m\r\n\t\0\x7f\u{85}\u{2028}\u{2029}\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\
                           \u{2066}\u{2069}z";

    #[test]
    fn a_line_is_one_line_whoever_wrote_it() {
        let told = line(HOSTILE);
        assert_eq!(
            told,
            "a\\u{1b}[2J\\u{9b}31m\\r\\n\\t\\u{0}\\u{7f}\\u{85}\\u{2028}\\u{2029}\\u{61c}\\u{200e}\\u{200f}\\u{202a}\
             \\u{202e}\\u{2066}\\u{2069}z"
        );
        assert_eq!(line(&told), told);
        // Languages that run from right to left need no marks, and joined signs no controls.
        let plain = "grüße مرحبا 👩\u{200d}🚀 e\u{301} \\n";
        assert!(matches!(line(plain), Cow::Borrowed(same) if same == plain));
    }

    #[test]
    fn lines_stay_lines_and_none_stands_at_the_left() {
        assert_eq!(lines("E: x\r\n\tat f\x1b[2J\n"), "E: x\n        at f\\u{1b}[2J");
        assert_eq!(lines("a\rb\u{2028}c\nerror: d\n\n"), "a\\rb\\u{2028}c\n    error: d");
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcdef", 3), "abc… (6 bytes)");
        assert_eq!(cut("üü", 3), "ü… (4 bytes)");
        assert_eq!(quoted("Sensor Alerts"), "\"Sensor Alerts\"");
        assert_eq!(quoted("a\u{202e}b\n"), "\"a\\u{202e}b\\n\"");
        let long = quoted(&"ü".repeat(10 << 20));
        assert_eq!(long, format!("\"{}\"… (20971520 bytes)", "ü".repeat(QUOTED)));
        assert!(quoted(&"\0".repeat(1000)).len() < 1000);
    }

    #[test]
    fn json_says_the_same_without_harm() {
        let value = serde_json::json!({"a": HOSTILE, "ü": ["\u{9b}", "x"]});
        let written = serde_json::to_string_pretty(&value).unwrap();
        let shown = json(&written);
        assert!(shown.chars().all(|c| c == '\n' || !is_unsafe(c)), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }

    proptest! {
        /// Whatever the text is, it is one line, or indented lines, and no second time another one.
        #[test]
        fn nothing_gets_through(text in any::<String>()) {
            let told = line(&text);
            prop_assert!(!told.contains(is_unsafe));
            prop_assert_eq!(line(&told), told.clone());
            let told = lines(&text);
            prop_assert!(told.split('\n').all(|line| !line.contains(is_unsafe)));
            prop_assert!(told.split('\n').skip(1).all(|line| line.starts_with("    ")));
            prop_assert!(!quoted(&text).contains(is_unsafe));
            let written = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(serde_json::from_str::<String>(&json(&written)).unwrap(), text);
        }
    }
}
