//! What `pelton dlq` prints. Records hold anything: nothing of theirs reaches a terminal as a control character.

use std::io::Write;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};

use crate::api::types::dead_letters::{Bytes, DeadLetter, DeadLetterList, Purged, Redriven};
use crate::cli::print::{Cell, Table, exact, json, line, lines, printed};

/// Characters of a reason or a value in a table.
const CELL: usize = 60;

pub(super) fn list(list: &DeadLetterList, as_json: bool) -> Result<()> {
    if as_json {
        return json(list);
    }
    for damaged in &list.damaged {
        line(&format!("unreadable: {damaged}"))?;
    }
    if list.foreign > 0 {
        line(&format!("{} records of the topic are not Pelton's and are left out", list.foreign))?;
    }
    if list.total == 0 {
        return line("no dead letters");
    }
    let mut reasons = Table::with_header(["COUNT", "REDRIVEN", "STAGE", "REASON"]);
    for count in &list.reasons {
        reasons.texts([&count.count.to_string(), &count.redriven.to_string(), count.stage.as_str(), &count.reason]);
    }
    exact(&format!("{} dead letters, {} redriven\n", list.total, list.redriven))?;
    reasons.print()?;
    if list.letters.is_empty() {
        return Ok(());
    }
    let header = ["OFFSET", "AT", "STAGE", "VERSION", "RECORD", "REDRIVEN", "REASON", "VALUE"];
    let mut letters = Table::with_header(header);
    for letter in &list.letters {
        letters.texts([
            &place(letter),
            &time(letter.at),
            letter.stage.as_str(),
            &letter.version,
            &source(letter),
            &letter.redriven.map_or_else(|| "-".to_owned(), time),
            &cell(&letter.reason),
            &letter.value.as_ref().map_or_else(|| "null".to_owned(), |value| cell(&text(value))),
        ]);
    }
    exact("")?;
    letters.print()?;
    match &list.next {
        Some(next) => exact("").and_then(|()| line(&format!("older ones: --before '{next}'"))),
        None => Ok(()),
    }
}

pub(super) fn letter(letter: &DeadLetter, as_json: bool) -> Result<()> {
    if as_json {
        return json(letter);
    }
    let mut facts = Table::new();
    let mut fact = |name: &str, fact: &str| facts.row([Cell::line(name), Cell::line(fact)]);
    fact("letter", &place(letter));
    fact("written", &time(letter.at));
    fact("stage", letter.stage.as_str());
    let digest = letter.digest.get(..12).unwrap_or(&letter.digest);
    fact("version", &format!("{} ({digest})", letter.version));
    fact("record", &source(letter));
    if let Some(place) = &letter.place {
        fact("place", place);
    }
    let timestamp = DateTime::from_timestamp_millis(letter.timestamp).filter(|_| letter.timestamp >= 0);
    fact("timestamp", &timestamp.map_or_else(|| "-".to_owned(), time));
    fact("redriven", &letter.redriven.map_or_else(|| "-".to_owned(), time));
    if let Some(from) = &letter.redriven_from {
        fact("redriven from", from);
    }
    for header in &letter.headers {
        let value = header.value.as_ref().map_or_else(|| "null".to_owned(), text);
        fact("header", &format!("{}: {value}", header.name));
    }
    fact("key", &letter.key.as_ref().map_or_else(|| "null".to_owned(), text));
    facts.print()?;
    // Outside of the table, which would break it into lines of its own; so is the value.
    let below = letter.stack.iter().map(|stack| format!("\n{stack}")).collect::<String>();
    lines(&format!("reason\n{}{below}", letter.reason))?;
    match &letter.value {
        None => line("value null"),
        Some(value) => line(&format!("value ({} bytes)", value.size)).and_then(|()| line(&text(value))),
    }
}

/// Writes the value's own bytes; nothing for a null.
pub(super) fn raw(letter: &DeadLetter) -> Result<()> {
    let Some(value) = &letter.value else { return Ok(()) };
    let bytes = BASE64_STANDARD.decode(&value.base64).context("the host's answer is damaged")?;
    let mut out = std::io::stdout();
    printed(out.write_all(&bytes).and_then(|()| out.flush()))
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
        (_, _, file) => file.clone().unwrap_or_else(|| "-".to_owned()),
    }
}

fn source(letter: &DeadLetter) -> String {
    let source = &letter.source;
    format!("{}/{}/{}", source.topic, source.partition, source.offset)
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Bytes for people: text where they are text, otherwise base64.
fn text(bytes: &Bytes) -> String {
    match &bytes.text {
        Some(text) => text.clone(),
        None => format!("base64:{}", bytes.base64),
    }
}

fn cell(text: &str) -> String {
    let text = pelton_model::text::line(text);
    if text.chars().count() <= CELL { text.into_owned() } else { text.chars().take(CELL - 1).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_record_writes_to_the_terminal_itself() {
        assert_eq!(cell("a\x1b[2J\nb\u{9b}ü\u{202e}"), "a\\u{1b}[2J\\nb\\u{9b}ü\\u{202e}");
        assert_eq!(cell(&"x".repeat(100)).chars().count(), CELL);
    }
}
