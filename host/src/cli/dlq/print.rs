//! What `pelton dlq` prints. Records hold anything: nothing of theirs reaches a terminal as a control character.

use std::io::Write;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};

use crate::api::types::dead_letters::{Bytes, DeadLetter, DeadLetterList, Purged, Redriven};
use crate::cli::print::{json, line, printable, printable_lines, table};

/// Characters of a reason or a value in a table.
const CELL: usize = 60;

pub(super) fn list(list: &DeadLetterList, as_json: bool) -> Result<()> {
    if as_json {
        return json(list);
    }
    for damaged in &list.damaged {
        line(&format!("unreadable: {}", printable(damaged)))?;
    }
    if list.foreign > 0 {
        line(&format!("{} records of the topic are not Pelton's and are left out", list.foreign))?;
    }
    if list.total == 0 {
        return line("no dead letters");
    }
    let mut reasons = table();
    reasons.set_header(["COUNT", "REDRIVEN", "STAGE", "REASON"]);
    for count in &list.reasons {
        let reason = printable(&count.reason);
        reasons.add_row([count.count.to_string(), count.redriven.to_string(), count.stage.as_str().to_owned(), reason]);
    }
    line(&format!("{} dead letters, {} redriven\n\n{reasons}", list.total, list.redriven))?;
    if list.letters.is_empty() {
        return Ok(());
    }
    let mut letters = table();
    letters.set_header(["OFFSET", "AT", "STAGE", "VERSION", "RECORD", "REDRIVEN", "REASON", "VALUE"]);
    for letter in &list.letters {
        letters.add_row([
            place(letter),
            time(letter.at),
            letter.stage.as_str().to_owned(),
            printable(&letter.version),
            source(letter),
            letter.redriven.map_or_else(|| "-".to_owned(), time),
            cell(&letter.reason),
            letter.value.as_ref().map_or_else(|| "null".to_owned(), |value| cell(&text(value))),
        ]);
    }
    line(&format!("\n{letters}"))?;
    match &list.next {
        Some(next) => line(&format!("\nolder ones: --before '{}'", printable(next))),
        None => Ok(()),
    }
}

pub(super) fn letter(letter: &DeadLetter, as_json: bool) -> Result<()> {
    if as_json {
        return json(letter);
    }
    let mut facts = table();
    facts.add_row(["letter", &place(letter)]);
    facts.add_row(["written", &time(letter.at)]);
    facts.add_row(["stage", letter.stage.as_str()]);
    let digest = letter.digest.get(..12).unwrap_or(&letter.digest);
    facts.add_row(["version", &printable(&format!("{} ({digest})", letter.version))]);
    facts.add_row(["record", &source(letter)]);
    let timestamp = DateTime::from_timestamp_millis(letter.timestamp).filter(|_| letter.timestamp >= 0);
    facts.add_row(["timestamp", &timestamp.map_or_else(|| "-".to_owned(), time)]);
    facts.add_row(["redriven", &letter.redriven.map_or_else(|| "-".to_owned(), time)]);
    if let Some(from) = &letter.redriven_from {
        facts.add_row(["redriven from", &printable(from)]);
    }
    for header in &letter.headers {
        let value = header.value.as_ref().map_or_else(|| "null".to_owned(), text);
        facts.add_row(["header", &format!("{}: {value}", printable(&header.name))]);
    }
    facts.add_row(["key", &letter.key.as_ref().map_or_else(|| "null".to_owned(), text)]);
    line(&facts.to_string())?;
    // Outside of the table, which would break it into lines of its own; so is the value.
    line(&format!("reason\n    {}", printable_lines(&letter.reason)))?;
    match &letter.value {
        None => line("value null"),
        Some(value) => line(&format!("value ({} bytes)\n{}", value.size, text(value))),
    }
}

/// Writes the value's own bytes; nothing for a null.
pub(super) fn raw(letter: &DeadLetter) -> Result<()> {
    let Some(value) = &letter.value else { return Ok(()) };
    let bytes = BASE64_STANDARD.decode(&value.base64).context("the host's answer is damaged")?;
    let mut out = std::io::stdout();
    out.write_all(&bytes).and_then(|()| out.flush()).context("failed to print")
}

pub(super) fn redriven(answer: &Redriven, as_json: bool) -> Result<()> {
    if as_json {
        return json(answer);
    }
    let Redriven { redriven, again, skipped, not_read } = answer;
    let mut told = format!("redriven {redriven}, dead letters again {again}, skipped {skipped} redriven before");
    if *not_read > 0 {
        told.push_str(&format!(", left {not_read} whose topic the job doesn't read"));
    }
    line(&told)
}

pub(super) fn purged(answer: Purged, as_json: bool) -> Result<()> {
    if as_json { json(&answer) } else { line(&format!("purged {}", answer.purged)) }
}

fn place(letter: &DeadLetter) -> String {
    match (letter.partition, letter.offset, &letter.file) {
        (Some(partition), Some(offset), _) => format!("{partition}/{offset}"),
        (_, _, file) => printable(file.as_deref().unwrap_or("-")),
    }
}

fn source(letter: &DeadLetter) -> String {
    let source = &letter.source;
    format!("{}/{}/{}", printable(&source.topic), source.partition, source.offset)
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Bytes for people: text where they are text, otherwise base64.
fn text(bytes: &Bytes) -> String {
    match &bytes.text {
        Some(text) => printable(text),
        None => format!("base64:{}", bytes.base64),
    }
}

fn cell(text: &str) -> String {
    let text = printable(text);
    if text.chars().count() <= CELL { text } else { text.chars().take(CELL - 1).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_record_writes_to_the_terminal_itself() {
        assert_eq!(printable("a\x1b[2J\nb\u{9b}ü"), "a\\u{1b}[2J\\nb\\u{9b}ü");
        assert_eq!(printable_lines("E: x\r\n\tat f\x1b[2J\n"), "E: x\n        at f\\u{1b}[2J");
        assert_eq!(cell(&"x".repeat(100)).chars().count(), CELL);
    }
}
