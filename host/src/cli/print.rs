//! What client commands print: tables for people, JSON for programs. What a host tells was written by guests, servers
//! and other people: whichever function here prints it, it is text and nothing else, and JSON says exactly what it
//! is.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use anyhow::{Error, Result};
use comfy_table::{Color, ContentArrangement, presets};
use pelton_model::text;
use serde::Serialize;

use crate::api::types::{Done, JobList, JobView, LogLine, Problem, Scaled, ShadowReport};
use crate::pipeline::trial::TrialError;
use crate::spec::{Conflict, Target};
use crate::status::State;

/// Times, in UTC.
const TIME: &str = "%Y-%m-%d %H:%M:%S";
/// Longest value of a parameter in a table, bytes.
const VALUE_BYTES: usize = 100;

/// What a command prints can't be written.
#[derive(Debug)]
pub(super) struct NotPrinted(io::Error);

impl Display for NotPrinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed to print")
    }
}

impl std::error::Error for NotPrinted {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Whether a command has ended because nobody reads what it prints any more, as under `| head`: then there is nothing
/// to complain of.
pub fn is_unread(error: &Error) -> bool {
    error.chain().any(|part| {
        let printing = part.downcast_ref::<NotPrinted>().map(|NotPrinted(error)| error);
        let printing = printing.or_else(|| match part.downcast_ref::<TrialError>() {
            Some(TrialError::Print(error)) => Some(error),
            _ => None,
        });
        printing.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Says of a write to standard output or standard error that it was one.
pub(super) fn printed(written: io::Result<()>) -> Result<()> {
    Ok(written.map_err(NotPrinted)?)
}

/// Text of ours to standard output, as it is, with a line break; an error where that is closed.
pub(super) fn exact(text: &str) -> Result<()> {
    printed(writeln!(io::stdout(), "{text}"))
}

/// A line to standard output.
pub(super) fn line(text: &str) -> Result<()> {
    exact(&text::line(text))
}

/// A line, and those that somebody else's text has, indented.
pub(super) fn lines(text: &str) -> Result<()> {
    exact(&text::lines(text))
}

/// A note to standard error, beside what is printed for programs.
pub(super) fn note(text: &str) -> Result<()> {
    printed(writeln!(io::stderr(), "note: {}", text::line(text)))
}

/// An error as it is told, with its causes. The lines of a refusal of the host's are lines; those of other texts are
/// indented.
pub fn error(error: &Error) -> String {
    let told = error.chain().map(|part| match part.downcast_ref::<Problem>() {
        Some(problem) => problem.to_string(),
        None => text::lines(&part.to_string()),
    });
    told.collect::<Vec<_>>().join(": ")
}

pub(super) fn json(value: &impl Serialize) -> Result<()> {
    exact(&text::json(&serde_json::to_string_pretty(value)?))
}

/// JSON on one line.
pub(super) fn json_line(value: &impl Serialize) -> Result<()> {
    exact(&text::json(&serde_json::to_string(value)?))
}

/// A table.
pub(super) struct Table(comfy_table::Table);

/// What stands in a cell of a table.
pub(super) struct Cell(comfy_table::Cell);

impl Table {
    pub(super) fn new() -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        Self(table)
    }

    pub(super) fn with_header<const N: usize>(names: [&str; N]) -> Self {
        let mut table = Self::new();
        table.0.set_header(names);
        table
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.0.add_row(cells.map(|cell| cell.0));
    }

    /// A row of lines.
    pub(super) fn texts<const N: usize>(&mut self, texts: [&str; N]) {
        self.row(texts.map(Cell::line));
    }

    /// A row that tells one fact.
    pub(super) fn fact(&mut self, name: &str, fact: impl Display) {
        self.row([Cell::line(name), Cell::lines(fact)]);
    }

    pub(super) fn print(&self) -> Result<()> {
        exact(&self.0.to_string())
    }
}

impl Cell {
    pub(super) fn line(text: impl Display) -> Self {
        Self(comfy_table::Cell::new(text::line(&text.to_string())))
    }

    /// Text whose lines stay lines, all within the cell.
    pub(super) fn lines(text: impl Display) -> Self {
        Self(comfy_table::Cell::new(text::lines(&text.to_string())))
    }
}

/// Clears the screen for a table that is printed anew; where the output is no terminal, leaves a line between.
pub(super) fn anew(watched: bool) -> Result<()> {
    match (watched, io::stdout().is_terminal()) {
        (true, true) => printed(write!(io::stdout(), "\x1b[H\x1b[2J")),
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
    Cell(comfy_table::Cell::new(state.as_str()).fg(color))
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
        let header = ["JOB", "STATE", "VERSION", "IN", "OUT", "REJECTS", "DEAD", "LAG"];
        let mut jobs = Table::with_header(header);
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
            let read = earlier.map(|(job, seconds)| (job.counts.records_in, seconds));
            jobs.row([
                Cell::line(&job.name),
                state(job.state),
                Cell::line(format!("{} (#{})", job.spec.version, job.version)),
                Cell::line(count(job.counts.records_in, read)),
                Cell::line(out.join(", ")),
                Cell::line(job.counts.rejects),
                Cell::line(job.counts.dead_letters),
                Cell::line(job.lag.map_or_else(|| "-".to_owned(), |lag| lag.to_string())),
            ]);
        }
        jobs.print()?;
        for job in &list.jobs {
            for condition in &job.conditions {
                lines(&format!("{}: {}: {}", job.name, condition.part, condition.reason))?;
            }
        }
    }
    if !list.available.is_empty() {
        exact("\navailable in usr_jobs:")?;
        let mut files = Table::new();
        for available in &list.available {
            let (name, what) = match (&available.spec, &available.error) {
                (Some(spec), _) => (format!("{} {}", spec.name, spec.version), spec.description.clone()),
                // Its other lines are told by whatever is done with it.
                (None, Some(error)) => ("not a job".to_owned(), error.lines().next().unwrap_or_default().to_owned()),
                (None, None) => ("being read".to_owned(), String::new()),
            };
            files.row([Cell::line(&available.file), Cell::line(name), Cell::lines(what)]);
        }
        files.print()?;
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

/// What a verb has done: a line that says what is another now, or that nothing is; for programs the job as it is.
pub(super) fn done(done: &Done, as_json: bool) -> Result<()> {
    for created in &done.created {
        let told = format!("created {created}");
        // Nothing but JSON stands where programs read it.
        if as_json { note(&told)? } else { line(&told)? }
    }
    done.notice.iter().try_for_each(|notice| note(notice))?;
    if as_json {
        return json(&done.job);
    }
    let changed = done.changed.as_deref().unwrap_or("nothing changed: it is as asked for already");
    line(&format!("{}: {changed}", done.job.name))
}

/// A value of a parameter, or the beginning of a long one; the longest the host has cut, with how long they are.
fn parameter(name: &str, value: &str, is_cut: bool) -> String {
    let cut = value.strip_suffix(" bytes)").filter(|_| is_cut).and_then(|value| value.rsplit_once("… ("));
    let (value, bytes) = cut.map_or_else(|| (value, value.len().to_string()), |(value, n)| (value, n.to_owned()));
    if !is_cut && value.len() <= VALUE_BYTES {
        return value.to_owned();
    }
    let shown = value.get(..value.floor_char_boundary(VALUE_BYTES)).unwrap_or_default();
    format!("{shown}… ({bytes} bytes; --parameter {name} prints it)")
}

pub(super) fn job(job: &JobView, as_json: bool) -> Result<()> {
    if as_json {
        return json(job);
    }
    let mut facts = Table::new();
    let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
    facts.fact("job", &job.name);
    facts.row([Cell::line("state"), state(job.state)]);
    for condition in &job.conditions {
        facts.fact("", format!("{}: {}", condition.part, condition.reason));
    }
    let digest = |digest: &str| digest.get(..12).unwrap_or(digest).to_owned();
    facts.fact("version", format!("{}, number {} ({})", job.spec.version, job.version, digest(&job.digest)));
    if let Some(p) = job.probation {
        facts.fact("probation", format!("{} of {} batches, {} failed", p.batches, p.of, p.failed));
    }
    facts.fact("about", &job.spec.description);
    for (name, value) in &job.parameters {
        let value = parameter(name, value, job.parameters_cut.contains(name));
        facts.fact("parameter", format!("{name} = {value}"));
    }
    for source in &job.spec.sources {
        let declared = job.mapping.sources.iter().find(|(_, topic)| **topic == source.topic);
        let instead = declared.map_or_else(String::new, |(declared, _)| format!(", for {declared}"));
        facts.fact("source", format!("topic {}{instead}", source.topic));
    }
    for (sink, counts) in job.spec.sinks.iter().zip(&job.counts.sinks) {
        let mapped = if job.mapping.sinks.contains_key(&sink.name) { ", not as declared" } else { "" };
        let to = target(&sink.target);
        facts.fact("sink", format!("{}: {to}{mapped} ({} out)", sink.name, counts.records_out));
    }
    facts.fact("group", &job.group);
    facts.fact("parallelism", parallelism(job));
    facts.fact("records in", format!("{} (counts since {})", job.counts.records_in, job.counts.since.format(TIME)));
    facts.fact("rejects", job.counts.rejects);
    let letters = pelton_connect::dead_letters::topic(&job.name);
    facts.fact("dead letters", format!("{} (topic {letters})", job.counts.dead_letters));
    facts.fact("lag", number(job.lag));
    facts.fact("memory", format!("{} KiB", job.memory_bytes >> 10));
    facts.fact("CPU time", format!("{:.1} s", job.counts.cpu_seconds));
    for p in &job.partitions {
        let at = format!("{}/{}: committed {} of {}", p.topic, p.partition, number(p.committed), number(p.end));
        facts.fact("partition", at);
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
        facts.fact("had version", came);
    }
    for change in &job.history {
        let entry = format!("{} by {}: version {}, {}", change.at.format(TIME), change.by, change.version, change.why);
        facts.fact("history", entry);
    }
    facts.print()
}

/// How many instances a job has, and why, where the load decides.
fn parallelism(job: &JobView) -> String {
    match &job.scaled {
        None => job.parallelism.to_string(),
        Some(Scaled { most, since, reason }) => {
            let (is, has, since) = (job.parallelism, job.instances, since.format(TIME));
            format!("{is}: {has} of at most {most} (since {since}, because {reason})")
        }
    }
}

/// A line of a job's log.
pub(super) fn log_line(log: &LogLine, as_json: bool) -> Result<()> {
    if as_json {
        return json_line(log);
    }
    lines(&format!("{} {:5} {}: {}", log.at.format(TIME), log.level, log.source, log.message))
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
    report.error.iter().try_for_each(|error| lines(&format!("it failed: {error}")))?;
    if !report.sinks.is_empty() {
        let mut sinks = Table::with_header(["SINK", "NOW", "THEN"]);
        for sink in &report.sinks {
            sinks.texts([&sink.name, &sink.now.to_string(), &sink.then.to_string()]);
        }
        sinks.print()?;
    }
    for d in &report.first {
        line(&format!("{}/{} offset {}, {}:", d.topic, d.partition, d.offset, d.sink))?;
        d.now.iter().try_for_each(|text| line(&format!("  now  {text}")))?;
        d.then.iter().try_for_each(|text| line(&format!("  then {text}")))?;
    }
    Ok(())
}
