//! The text with which a record was given up, taken apart: the reason, which many letters have in common, the place in
//! the author's source, and the stack.
//!
//! An error of a job is text: its first line is the reason, the lines below are the stack, in whatever way its language
//! writes one. The SDKs put the record's coordinates before it, a letter has them anyway, and with them no two reasons
//! would be the same.

use std::borrow::Cow;

use pelton_model::stage::Stage;

use super::types::Coordinates;

/// Longest place that is taken for one.
const PLACE_BYTES: usize = 200;
/// What a place is not looked for in: what the author has not written.
const FOREIGN: [&str; 3] = ["node_modules/", "pelton-job/", "sdk/"];

/// A text taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason<'a> {
    /// Why, in one line where it came from a job's error.
    pub(crate) text: Cow<'a, str>,
    /// Where in the source that is, as `job.ts:12`.
    pub(crate) place: Option<String>,
    /// What stood below the reason; empty where nothing did.
    pub(crate) stack: Cow<'a, str>,
}

impl<'a> Reason<'a> {
    /// Takes apart the text of a letter of the record at `source`. A verdict of a job, or of a sink, is its own reason.
    pub(crate) fn of(told: &'a str, stage: Stage, source: &Coordinates) -> Self {
        if stage != Stage::Guest {
            return Self { text: told.into(), place: None, stack: "".into() };
        }
        let (first, below) = told.split_once('\n').unwrap_or((told, ""));
        let at = format!("record at partition {} offset {}: ", source.partition, source.offset);
        // A panic of Rust is a bare trap, and a line of the log below that.
        if first.starts_with("the job trapped: ")
            && let Some(panic) = Panic::among(below, &at)
        {
            let stack = format!("at {}\n{}{first}", panic.place, panic.rest);
            let place = Some(panic.place.to_owned());
            return Self { text: format!("the job panicked: {}", panic.message).into(), place, stack: stack.into() };
        }
        Self { text: without(first, &at, source.offset), place: place(below), stack: below.into() }
    }
}

/// What letters are counted by: the reason, and of a job's verdict that without what it quotes of the record, which is
/// `…` here.
pub(crate) fn group<'a>(reason: &Reason<'a>, stage: Stage) -> Cow<'a, str> {
    if stage != Stage::Reject || !reason.text.contains(|c: char| c == '"' || c.is_ascii_digit()) {
        return reason.text.clone();
    }
    let mut group = String::new();
    for (n, part) in reason.text.split('"').enumerate() {
        // What isn't closed again, as where a quotation is cut, goes on to the end.
        match n % 2 {
            1 => group.push_str("\"…\""),
            _ => numbers_left_out(part, &mut group),
        }
    }
    group.into()
}

/// Numbers that stand alone: not `INT4`, not `UTF-8`, not `RFC 3339`.
fn numbers_left_out(text: &str, out: &mut String) {
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_' || c == '`';
    let is_of_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',');
    let mut before = [' '; 2];
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let unsigned = rest.strip_prefix('-').unwrap_or(rest);
        let end = unsigned.find(|c| !is_of_number(c)).unwrap_or(unsigned.len());
        let number = unsigned.get(..end).unwrap_or_default().trim_end_matches(['.', ',']);
        let after = unsigned.get(number.len()..).unwrap_or_default();
        let is_code = matches!(before, [word, ' '] if word.is_ascii_uppercase())
            || matches!(before, [word, '-'] if is_of_word(word));
        let is_first_digit = number.starts_with(|c: char| c.is_ascii_digit());
        let [_, last] = before;
        if is_first_digit && !is_of_word(last) && !is_code && !after.starts_with(is_of_word) {
            out.push('…');
            (before, rest) = ([last, '…'], after);
        } else {
            out.push(c);
            (before, rest) = ([last, c], rest.get(c.len_utf8()..).unwrap_or_default());
        }
    }
}

/// A reason without the coordinates of its record.
fn without<'a>(reason: &'a str, at: &str, offset: i64) -> Cow<'a, str> {
    let end = format!(" (at offset {offset})");
    let reason = reason.strip_suffix(end.as_str()).unwrap_or(reason);
    match reason.split_once(at) {
        Some((before, after)) if before.is_empty() || before.ends_with(": ") => format!("{before}{after}").into(),
        _ => reason.into(),
    }
}

/// What Rust's SDK says of a panic: `panicked at FILE:LINE:COLUMN: MESSAGE`, of one line or more.
struct Panic<'a> {
    place: &'a str,
    message: &'a str,
    /// The lines of the message below the first.
    rest: String,
}

impl<'a> Panic<'a> {
    fn among(lines: &'a str, at: &str) -> Option<Self> {
        let mut lines = lines.lines();
        let (place, message) = lines.find_map(|line| {
            let panicked = line.strip_prefix(at).unwrap_or(line).strip_prefix("panicked at ")?;
            panicked.split_once(": ").filter(|(place, _)| is_place(place))
        })?;
        Some(Self { place, message, rest: lines.map(|line| format!("{line}\n")).collect() })
    }
}

/// The author's line: of Python's traces the last one, of all others the first.
fn place(stack: &str) -> Option<String> {
    let trace = stack.lines().take_while(|line| !line.starts_with("caused by "));
    let python = trace.filter_map(|line| {
        let (file, rest) = line.trim_start().strip_prefix("File \"")?.split_once("\", line ")?;
        Some(format!("{file}:{}", rest.split_once(',').map_or(rest, |(number, _)| number)))
    });
    let others = || {
        let words = stack.lines().filter(|line| !FOREIGN.iter().any(|foreign| line.contains(foreign)));
        words.flat_map(|line| line.split(['(', ')', ' ', '\t'])).find(|word| is_place(word)).map(str::to_owned)
    };
    python.last().or_else(others).filter(|place| place.len() <= PLACE_BYTES)
}

/// Whether a word is a file, a line, and perhaps a column.
fn is_place(word: &str) -> bool {
    let Some((file, last)) = word.rsplit_once(':') else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let file = match file.rsplit_once(':') {
        Some((before, line)) if is_number(line) => before,
        _ => file,
    };
    is_number(last) && file.rsplit(['/', '\\']).next().is_some_and(|name| name.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Coordinates {
        Coordinates { topic: "sensors".to_owned(), partition: 3, offset: 17 }
    }

    #[track_caller]
    fn taken_apart(told: &str, text: &str, place: Option<&str>, stack: &str) {
        let reason = Reason::of(told, Stage::Guest, &source());
        assert_eq!((&*reason.text, reason.place.as_deref(), &*reason.stack), (text, place, stack));
    }

    #[test]
    fn errors_of_each_language_are_reason_place_and_stack() {
        let stack = "  File \"pelton/record.py\", line 3, in json\n  File \"job.py\", line 12, in process\n    int(x)\n\
                     caused by KeyError: 'a'\n  File \"other.py\", line 1, in get";
        let python = format!("the job failed: record at partition 3 offset 17: ValueError: bad\n{stack}");
        taken_apart(&python, "the job failed: ValueError: bad", Some("job.py:12"), stack);
        let stack =
            "    at <anonymous> (native)\n    at read (sdk/src/record.js:4:2)\n    at process (src/job.ts:12:9)";
        let js = format!("the job failed: record at partition 3 offset 17: TypeError: no\n{stack}");
        taken_apart(&js, "the job failed: TypeError: no", Some("src/job.ts:12:9"), stack);
        let stack = "main.process\n\tlong_words/main.go:31";
        let go = format!("the job failed: record at partition 3 offset 17: panic: no\n{stack}");
        taken_apart(&go, "the job failed: panic: no", Some("long_words/main.go:31"), stack);
        let c = "the job failed: record at partition 3 offset 17: no\n    at process (job.c:9)";
        taken_apart(c, "the job failed: no", Some("job.c:9"), "    at process (job.c:9)");
        let trap = "the job trapped: wasm trap: wasm `unreachable` instruction executed";
        for at in ["record at partition 3 offset 17: ", ""] {
            let rust = format!("{trap}\n{at}panicked at src/lib.rs:7:5: no: not\nagain");
            let stack = format!("at src/lib.rs:7:5\nagain\n{trap}");
            taken_apart(&rust, "the job panicked: no: not", Some("src/lib.rs:7:5"), &stack);
        }
    }

    #[test]
    fn what_is_of_no_such_form_stays_whole() {
        let mistake = "the job failed: sink `a`: a row has 2 values (at offset 17)";
        taken_apart(mistake, "the job failed: sink `a`: a row has 2 values", None, "");
        for told in [
            "the job ran longer than 1s on one batch",
            "the job failed: record at partition 3 offset 18: of another record (at offset 1)",
            "the job failed: they say: xrecord at partition 3 offset 17: y",
            "the job trapped: wasm trap: out of bounds",
        ] {
            taken_apart(told, told, None, "");
        }
        let below = "panicked at nowhere: no";
        taken_apart(&format!("the job trapped: x\n{below}"), "the job trapped: x", None, below);
        for stage in [Stage::Reject, Stage::Sink] {
            let told = "record at partition 3 offset 17: no\n    at process (job.c:9)";
            assert_eq!(&*Reason::of(told, stage, &source()).text, told);
        }
    }

    #[test]
    fn reasons_of_two_records_are_one_group() {
        let group_of = |told: &str, stage| {
            let reason = Reason::of(told, stage, &source());
            group(&reason, stage).into_owned()
        };
        for (told, expected) in [
            ("field `t` is not a number: \"a 1\"", "field `t` is not a number: \"…\""),
            ("field `t` is not a number: \"cut…", "field `t` is not a number: \"…\""),
            ("value is not UTF-8: invalid at byte 12", "value is not UTF-8: invalid at byte …"),
            ("12.5 of 1,000. id2, INT4, `7`, é9", "… of …. id2, INT4, `7`, é9"),
            ("`t` is no time (RFC 3339): -7, 3rd-2", "`t` is no time (RFC 3339): …, 3rd-2"),
            ("no temperature", "no temperature"),
        ] {
            assert_eq!(group_of(told, Stage::Reject), expected);
        }
        let refused = "duplicate key value violates unique constraint \"a_1\" (SQLSTATE 23505)";
        assert_eq!(group_of(refused, Stage::Sink), refused);
    }
}
