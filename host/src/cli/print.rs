//! What client commands print: tables for people, JSON for programs.

use std::io::Write;

use anyhow::{Context, Result};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::api::types::{JobList, JobView};
use crate::spec::{Conflict, Target};

/// A line to standard output; an error where that is closed.
pub(super) fn line(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").context("failed to print")
}

pub(super) fn json(value: &impl Serialize) -> Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

pub(super) fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

pub(super) fn list(list: &JobList, as_json: bool) -> Result<()> {
    if as_json {
        return json(list);
    }
    if list.jobs.is_empty() {
        line("no job is submitted")?;
    } else {
        let mut jobs = table();
        jobs.set_header(["JOB", "STATE", "VERSION", "IN", "OUT", "REJECTS", "DEAD", "LAG"]);
        for job in &list.jobs {
            let out: Vec<_> =
                job.counts.sinks.iter().map(|sink| format!("{}: {}", sink.name, sink.records_out)).collect();
            jobs.add_row([
                job.name.clone(),
                job.state.as_str().to_owned(),
                job.spec.version.clone(),
                job.counts.records_in.to_string(),
                out.join(", "),
                job.counts.rejects.to_string(),
                job.counts.dead_letters.to_string(),
                job.lag.map_or_else(|| "-".to_owned(), |lag| lag.to_string()),
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
                (None, error) => ("not a job".to_owned(), error.clone().unwrap_or_default()),
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
    facts.add_row(["state", job.state.as_str()]);
    for condition in &job.conditions {
        facts.add_row(["", &format!("{}: {}", condition.part, condition.reason)]);
    }
    facts.add_row(["version", &format!("{} ({})", job.spec.version, job.digest.get(..12).unwrap_or(&job.digest))]);
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
        &format!("{} (topic {})", job.counts.dead_letters, crate::dead_letter::topic(&job.name)),
    ]);
    facts.add_row(["lag", &number(job.lag)]);
    for p in &job.partitions {
        let at = format!("{}/{}: committed {} of {}", p.topic, p.partition, number(p.committed), number(p.end));
        facts.add_row(["partition", &at]);
    }
    line(&facts.to_string())
}
