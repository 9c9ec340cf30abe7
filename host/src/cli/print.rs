//! What client commands print: tables for people, JSON for programs.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use anyhow::{Context, Result};
use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::api::types::{JobList, JobView, LogLine, ShadowReport};
use crate::spec::{Conflict, Target};
use crate::status::State;

/// Times, in UTC.
const TIME: &str = "%Y-%m-%d %H:%M:%S";

/// A line to standard output; an error where that is closed.
pub(super) fn line(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").context("failed to print")
}

/// A note to standard error, beside what is printed for programs.
pub(super) fn note(text: &str) -> Result<()> {
    writeln!(std::io::stderr(), "note: {text}").context("failed to print")
}

pub(super) fn json(value: &impl Serialize) -> Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

pub(super) fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

/// Clears the screen for a table that is printed anew; where the output is no terminal, leaves a line between.
pub(super) fn anew(watched: bool) -> Result<()> {
    match (watched, std::io::stdout().is_terminal()) {
        (true, true) => write!(std::io::stdout(), "\x1b[H\x1b[2J").context("failed to print"),
        _ => Ok(()),
    }
}

/// A state in the colour of its gravity; comfy-table leaves colours out where the output is no terminal.
fn state(state: State) -> Cell {
    let color = match state {
        State::Running => Color::Green,
        State::Starting | State::Paused | State::Stopped => Color::Grey,
        State::Degraded => Color::Yellow,
        State::Failing | State::Failed => Color::Red,
    };
    Cell::new(state.as_str()).fg(color)
}

/// A count, or how fast it grows where an earlier one is known.
fn count(now: u64, before: Option<(u64, f64)>) -> String {
    match before {
        Some((before, seconds)) => format!("{:.0}/s", now.saturating_sub(before) as f64 / seconds.max(0.001)),
        None => now.to_string(),
    }
}

pub(super) fn list(list: &JobList, before: Option<&(Instant, JobList)>, as_json: bool) -> Result<()> {
    if as_json {
        return json(list);
    }
    if list.jobs.is_empty() {
        line("no job is submitted")?;
    } else {
        let mut jobs = table();
        jobs.set_header(["JOB", "STATE", "VERSION", "IN", "OUT", "REJECTS", "DEAD", "LAG"]);
        for job in &list.jobs {
            let earlier = before.and_then(|(at, list)| {
                let job = list.jobs.iter().find(|earlier| earlier.name == job.name)?;
                Some((job, at.elapsed().as_secs_f64()))
            });
            let out: Vec<_> = job
                .counts
                .sinks
                .iter()
                .map(|sink| {
                    let earlier = earlier.and_then(|(job, seconds)| {
                        let sink = job.counts.sinks.iter().find(|earlier| earlier.name == sink.name)?;
                        Some((sink.records_out, seconds))
                    });
                    format!("{}: {}", sink.name, count(sink.records_out, earlier))
                })
                .collect();
            jobs.add_row([
                Cell::new(&job.name),
                state(job.state),
                Cell::new(format!("{} (#{})", job.spec.version, job.version)),
                Cell::new(count(job.counts.records_in, earlier.map(|(job, seconds)| (job.counts.records_in, seconds)))),
                Cell::new(out.join(", ")),
                Cell::new(job.counts.rejects),
                Cell::new(job.counts.dead_letters),
                Cell::new(job.lag.map_or_else(|| "-".to_owned(), |lag| lag.to_string())),
            ]);
        }
        line(&jobs.to_string())?;
        for job in &list.jobs {
            for condition in &job.conditions {
                line(&format!("{}: {}: {}", job.name, condition.part, condition.reason))?;
            }
        }
    }
    if !list.available.is_empty() {
        line("\navailable in usr_jobs:")?;
        let mut files = table();
        for available in &list.available {
            let (name, what) = match (&available.spec, &available.error) {
                (Some(spec), _) => (format!("{} {}", spec.name, spec.version), spec.description.clone()),
                (None, Some(error)) => ("not a job".to_owned(), error.clone()),
                (None, None) => ("being read".to_owned(), String::new()),
            };
            files.add_row([available.file.clone(), name, what]);
        }
        line(&files.to_string())?;
    }
    Ok(())
}

fn target(target: &Target) -> String {
    match target {
        Target::Topic(topic) => format!("topic {topic}"),
        Target::Statement(statement) => format!("statement {}", statement.sql),
        Target::Table(table) => {
            let key = table.key.join(", ");
            match table.on_conflict {
                Conflict::Fail => format!("table {}", table.name),
                Conflict::Ignore => format!("table {}, on conflict ({key}) do nothing", table.name),
                Conflict::Update => format!("table {}, on conflict ({key}) update", table.name),
            }
        }
    }
}

pub(super) fn job(job: &JobView, as_json: bool) -> Result<()> {
    if as_json {
        return json(job);
    }
    let mut facts = table();
    let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
    facts.add_row(["job", &job.name]);
    facts.add_row([Cell::new("state"), state(job.state)]);
    for condition in &job.conditions {
        facts.add_row(["", &format!("{}: {}", condition.part, condition.reason)]);
    }
    let digest = |digest: &str| digest.get(..12).unwrap_or(digest).to_owned();
    facts.add_row(["version", &format!("{}, number {} ({})", job.spec.version, job.version, digest(&job.digest))]);
    if let Some(p) = job.probation {
        facts.add_row(["probation", &format!("{} of {} batches, {} failed", p.batches, p.of, p.failed)]);
    }
    facts.add_row(["about", &job.spec.description]);
    for (name, value) in &job.parameters {
        facts.add_row(["parameter", &format!("{name} = {value}")]);
    }
    for source in &job.spec.sources {
        facts.add_row(["source", &format!("topic {}", source.topic)]);
    }
    for (sink, counts) in job.spec.sinks.iter().zip(&job.counts.sinks) {
        facts.add_row(["sink", &format!("{}: {} ({} out)", sink.name, target(&sink.target), counts.records_out)]);
    }
    facts.add_row(["group", &job.group]);
    facts.add_row(["parallelism", &job.parallelism.to_string()]);
    facts.add_row(["records in", &job.counts.records_in.to_string()]);
    facts.add_row(["rejects", &job.counts.rejects.to_string()]);
    facts.add_row([
        "dead letters",
        &format!("{} (topic {})", job.counts.dead_letters, pelton_connect::dead_letters::topic(&job.name)),
    ]);
    facts.add_row(["lag", &number(job.lag)]);
    facts.add_row(["memory", &format!("{} KiB", job.memory_bytes >> 10)]);
    facts.add_row(["CPU time", &format!("{:.1} s", job.counts.cpu_seconds)]);
    for p in &job.partitions {
        let at = format!("{}/{}: committed {} of {}", p.topic, p.partition, number(p.committed), number(p.end));
        facts.add_row(["partition", &at]);
    }
    for v in &job.versions {
        let came = format!(
            "{} {} ({}), {} by {}: {}",
            v.number,
            v.declared,
            digest(&v.digest),
            v.added.format(TIME),
            v.by,
            v.why
        );
        facts.add_row(["had version", &came]);
    }
    for change in &job.history {
        let entry = format!("{} by {}: version {}, {}", change.at.format(TIME), change.by, change.version, change.why);
        facts.add_row(["history", &entry]);
    }
    line(&facts.to_string())
}

/// A line of a job's log.
pub(super) fn log_line(log: &LogLine, as_json: bool) -> Result<()> {
    if as_json {
        return line(&serde_json::to_string(log)?);
    }
    line(&format!("{} {:5} {}: {}", log.at.format(TIME), log.level, log.source, printable_lines(&log.message)))
}

/// The text with its control characters escaped.
pub(super) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// The same, but with lines kept as lines, all after the first indented: exceptions come with their stack.
pub(super) fn printable_lines(text: &str) -> String {
    text.trim_end().lines().map(|line| printable(&line.replace('\t', "    "))).collect::<Vec<_>>().join("\n    ")
}

/// What a shadow run found.
pub(super) fn shadow(report: &ShadowReport, as_json: bool) -> Result<()> {
    if as_json {
        return json(report);
    }
    line(&format!(
        "{} records compared, {} differ, {} left out, {} batches failed",
        report.records, report.differing, report.skipped, report.failures
    ))?;
    report.error.iter().try_for_each(|error| line(&format!("it failed: {error}")))?;
    if !report.sinks.is_empty() {
        let mut sinks = table();
        sinks.set_header(["SINK", "NOW", "THEN"]);
        for sink in &report.sinks {
            sinks.add_row([sink.name.clone(), sink.now.to_string(), sink.then.to_string()]);
        }
        line(&sinks.to_string())?;
    }
    for d in &report.first {
        line(&format!("{}/{} offset {}, {}:", d.topic, d.partition, d.offset, d.sink))?;
        d.now.iter().try_for_each(|text| line(&format!("  now  {text}")))?;
        d.then.iter().try_for_each(|text| line(&format!("  then {text}")))?;
    }
    Ok(())
}
