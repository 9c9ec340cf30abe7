//! `pelton dlq`: a job's dead letters, listed, shown, redriven, purged.

mod print;

use std::time::Duration;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::args::Api;
use crate::api::types::dead_letters::{
    DeadLetter, DeadLetterList, ListDeadLetters, Purge, Purged, Redrive, Redriven, Which,
};
use pelton_model::stage::Stage;

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub enum DlqCommand {
    /// List a job's dead letters, the newest first, with counts per reason
    List(ListArgs),
    /// Show one dead letter whole
    Show(ShowArgs),
    /// Send dead letters through the job's present version once more
    Redrive(RedriveArgs),
    /// Delete dead letters for good
    Purge(PurgeArgs),
}

/// Which letters are meant.
#[derive(Debug, Args)]
#[group(id = "filters", multiple = true)]
pub struct Filters {
    /// Only those of this stage
    #[arg(long)]
    stage: Option<Stage>,
    /// Only those whose reason contains this
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only those that this version of the job made: as it declares it, or the beginning of its digest
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Only those written since then: 2026-01-31T10:11:12Z, or 2h for two hours ago
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<DateTime<Utc>>,
    /// Only those written before then
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<DateTime<Utc>>,
}

/// `pelton dlq list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The job's name
    job: String,
    #[command(flatten)]
    filters: Filters,
    /// Most letters to list; counts are of all [default: 100]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Go on where a list ended: what it gave as `next`
    #[arg(long, value_name = "NEXT")]
    before: Option<String>,
    #[command(flatten)]
    api: Api,
}

/// `pelton dlq show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The job's name
    job: String,
    /// PARTITION/OFFSET in the dead-letter topic, OFFSET where it has one partition, or the name of a file
    #[arg(value_name = "OFFSET", value_parser = which)]
    letter: Which,
    /// Write the value's bytes as they are, and nothing else
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    #[command(flatten)]
    api: Api,
}

/// `pelton dlq redrive`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true).args(["letters", "all", "stage", "reason", "version", "since", "until"]))]
pub struct RedriveArgs {
    /// The job's name
    job: String,
    /// As `show` takes them
    #[arg(value_name = "OFFSET", value_parser = which, conflicts_with_all = ["all", "filters"])]
    letters: Vec<Which>,
    /// All that fit the filters
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    api: Api,
}

/// `pelton dlq purge`.
#[derive(Debug, Args)]
pub struct PurgeArgs {
    /// The job's name
    job: String,
    /// Only those written before then: 2026-01-31T10:11:12Z, or 30d for thirty days ago
    #[arg(long, value_name = "TIME", value_parser = time)]
    before: Option<DateTime<Utc>>,
    /// Yes, they will be gone
    #[arg(long, required = true)]
    yes: bool,
    #[command(flatten)]
    api: Api,
}

/// A time: RFC 3339, or how long ago.
fn time(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let ago = humantime::parse_duration(text).ok();
    ago.and_then(|ago| Utc::now().checked_sub_signed(chrono::Duration::from_std(ago).ok()?))
        .ok_or_else(|| format!("{text:?} is not a time; write 2026-01-31T10:11:12Z, or 2h for two hours ago"))
}

/// `PARTITION/OFFSET`, `OFFSET`, or a file's name.
fn which(text: &str) -> Result<Which, String> {
    if text.ends_with(".json") {
        return Ok(Which::File { file: text.to_owned() });
    }
    let read = || {
        let (partition, offset) = match text.split_once('/') {
            Some((partition, offset)) => (Some(partition.parse().ok()?), offset),
            None => (None, text),
        };
        Some(Which::Record { partition, offset: offset.parse().ok()? })
    };
    read().ok_or_else(|| format!("{text:?} is not PARTITION/OFFSET, OFFSET, or the name of a .json file"))
}

/// The path of a job's dead letters below `/api/v1`.
fn path(job: &str, rest: &str) -> String {
    format!("jobs/{}/dead-letters{rest}", utf8_percent_encode(job, NON_ALPHANUMERIC))
}

/// Runs a `pelton dlq` command.
pub fn run(command: DlqCommand) -> Result<()> {
    match command {
        DlqCommand::List(args) => list(args),
        DlqCommand::Show(args) => show(&args),
        DlqCommand::Redrive(args) => redrive(args),
        DlqCommand::Purge(args) => purge(&args),
    }
}

fn list(args: ListArgs) -> Result<()> {
    let Filters { stage, reason, version, since, until } = args.filters;
    let request = ListDeadLetters { stage, reason, version, since, until, limit: args.limit, before: args.before };
    let query = serde_json::to_value(&request).context("failed to write the request")?;
    let mut rest = String::new();
    for (name, value) in query.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        rest.push(if rest.is_empty() { '?' } else { '&' });
        rest.push_str(&format!("{name}={}", utf8_percent_encode(&text, NON_ALPHANUMERIC)));
    }
    let list: DeadLetterList = args.api.client()?.get(&path(&args.job, &rest))?;
    print::list(&list, args.api.json)
}

fn show(args: &ShowArgs) -> Result<()> {
    let rest = match &args.letter {
        Which::File { file } => format!("/files/{}", utf8_percent_encode(file, NON_ALPHANUMERIC)),
        Which::Record { partition: Some(partition), offset } => format!("/{partition}/{offset}"),
        Which::Record { partition: None, offset } => format!("/-/{offset}"),
    };
    let letter: DeadLetter = args.api.client()?.get(&path(&args.job, &rest))?;
    if args.raw { print::raw(&letter) } else { print::letter(&letter, args.api.json) }
}

fn redrive(args: RedriveArgs) -> Result<()> {
    let Filters { stage, reason, version, since, until } = args.filters;
    let all = args.letters.is_empty();
    let request = Redrive { letters: args.letters, all, stage, reason, version, since, until };
    // As long as it takes.
    let answer: Redriven = args.api.client()?.post(&path(&args.job, "/redrive"), &request, None)?;
    print::redriven(&answer, args.api.json)
}

fn purge(args: &PurgeArgs) -> Result<()> {
    let request = Purge { before: args.before };
    let patience = Some(Duration::from_secs(600));
    let answer: Purged = args.api.client()?.post(&path(&args.job, "/purge"), &request, patience)?;
    print::purged(answer, args.api.json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_times_are_read_as_people_write_them() {
        assert_eq!(which("3/17"), Ok(Which::Record { partition: Some(3), offset: 17 }));
        assert_eq!(which("17"), Ok(Which::Record { partition: None, offset: 17 }));
        assert_eq!(which("sensors-0-1-ab.json"), Ok(Which::File { file: "sensors-0-1-ab.json".to_owned() }));
        for text in ["", "x", "1/", "/1", "1/2/3", "-"] {
            assert!(which(text).is_err(), "{text}");
        }
        assert_eq!(time("2026-01-31T10:11:12Z").unwrap().timestamp(), 1_769_854_272);
        assert!(time("2h").unwrap() < Utc::now());
        for text in ["", "yesterday", "2026-01-31", "99999999999999y"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
