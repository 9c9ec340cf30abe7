//! `pelton seek`: a held job goes on elsewhere.

use anyhow::Result;
use clap::Args;

use super::args::{Api, caller};
use super::print;
use crate::api::types::{Seek, Sought};
use crate::kafka::StartFrom;

/// `pelton seek`.
#[derive(Debug, Args)]
pub struct SeekArgs {
    /// The job's name
    job: String,
    /// Where it goes on: earliest, latest, 2026-11-29T10:00Z, -2h, or TOPIC/PARTITION=OFFSET,… for these partitions
    /// only
    #[arg(long, value_name = "START", allow_hyphen_values = true)]
    from: StartFrom,
    #[command(flatten)]
    api: Api,
}

/// Moves a held job; prints where each partition was and where it goes on.
pub fn seek(args: SeekArgs) -> Result<()> {
    let SeekArgs { job, from, api } = args;
    let sought: Sought = api.client()?.verb(&job, "seek", &Seek { from, by: caller() })?;
    if api.json {
        return print::json(&sought);
    }
    let mut partitions = print::Table::with_header(["PARTITION", "BEFORE", "NOW"]);
    for moved in &sought.partitions {
        let before = moved.before.map_or_else(|| "-".to_owned(), |before| before.to_string());
        partitions.texts([&format!("{}/{}", moved.topic, moved.partition), &before, &moved.after.to_string()]);
    }
    partitions.print()?;
    print::note(&format!("{job} goes on from there with `pelton resume {job}`"))
}
