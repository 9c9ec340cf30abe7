//! `pelton apply` and `pelton export`: jobs as files.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use pelton_build::write_whole;

use super::args::{Api, caller};
use super::client::Client;
use super::lifecycle::upload;
use super::oci::{self, Plain};
use super::print;
use crate::api::types::{Applied, Apply, JobView};
use crate::job_file::{self, Described, JobFile, export as as_file};

/// With `--check`, where something would change.
const DIFFERS: u8 = 3;

/// `pelton apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// Files that describe a job each, or folders of them (*.toml)
    #[arg(required = true, value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    /// Change what differs without asking
    #[arg(short, long)]
    yes: bool,
    /// Only print what would change; the exit code is 3 where something would
    #[arg(long, conflicts_with = "yes")]
    check: bool,
    /// Also cancel the jobs that no file describes
    #[arg(long)]
    prune: bool,
    /// Why, for the jobs' history [default: what changes]
    #[arg(long)]
    why: Option<String>,
    #[command(flatten)]
    plain: Plain,
    #[command(flatten)]
    api: Api,
}

/// `pelton export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The jobs' names [default: all]
    jobs: Vec<String>,
    /// A folder for the files, one for each job [default: one job is printed]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    api: Api,
}

/// Shows what would have to change for the jobs to be what files say, asks, and changes it.
pub fn apply(args: ApplyArgs) -> Result<ExitCode> {
    let client = args.api.client()?;
    let (mut requests, mut planned) = (Vec::new(), Vec::new());
    for job in job_file::read(&args.files)? {
        let path = job.path.display().to_string();
        let applied = request(&client, job, &args).and_then(|request| Ok((client.apply(&request)?, request)));
        let (plan, request) = applied.with_context(|| format!("{path} can't be applied, and nothing is changed"))?;
        planned.push(plan);
        requests.push(request);
    }
    let surplus = if args.prune { surplus(&client, &requests)? } else { BTreeSet::new() };
    if args.check && args.api.json {
        print::json(&planned)?;
    } else if !args.api.json {
        planned.iter().try_for_each(tell)?;
        surplus.iter().try_for_each(|job| print::line(&format!("{job}: cancel it")))?;
    }
    if planned.iter().all(|job| job.changes.is_empty()) && surplus.is_empty() {
        if args.api.json && !args.check {
            print::json(&planned)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if args.check {
        return Ok(ExitCode::from(DIFFERS));
    }
    if !args.yes && !is_confirmed()? {
        bail!("nothing is changed; with --yes it is done without asking");
    }
    let mut done = Vec::new();
    for mut request in requests {
        request.dry_run = false;
        let applied = client.apply(&request).with_context(|| {
            let name = request.job.name.as_deref().unwrap_or_default();
            format!("{name} is not applied; what came before it is, and what is behind it is not")
        })?;
        applied.created.iter().try_for_each(|created| print::note(&format!("created {created}")))?;
        applied.notice.iter().try_for_each(|notice| print::note(notice))?;
        done.push(applied);
    }
    let by = caller().unwrap_or_default();
    surplus.iter().try_for_each(|job| client.cancel(job, &by).map(drop))?;
    if args.api.json {
        return print::json(&done).map(|()| ExitCode::SUCCESS);
    }
    let changed = done.iter().filter(|job| !job.changes.is_empty()).count();
    print::line(&format!("changed {changed} of {} jobs, cancelled {}", done.len(), surplus.len()))?;
    Ok(ExitCode::SUCCESS)
}

/// What is asked of the host, whose component is there by then.
fn request(client: &Client, job: Described, args: &ApplyArgs) -> Result<Apply> {
    let upload = |name: &str, wasm: &Vec<u8>| upload(client, name, wasm);
    let (mut submit, from) = job.submit(|reference| oci::fetch(reference, &args.plain), upload)?;
    let why = args.why.clone().or_else(|| from.map(|from| format!("apply, from {from}")));
    (submit.by, submit.why) = (caller(), why);
    Ok(Apply { job: submit, dry_run: true })
}

/// The jobs that nothing is asked of.
fn surplus(client: &Client, requests: &[Apply]) -> Result<BTreeSet<String>> {
    let described: BTreeSet<_> = requests.iter().filter_map(|request| request.job.name.clone()).collect();
    let there = client.list()?.jobs.into_iter().map(|job| job.name);
    Ok(there.filter(|name| !described.contains(name)).collect())
}

fn tell(job: &Applied) -> Result<()> {
    if job.changes.is_empty() {
        return print::line(&format!("{}: nothing to change", job.name));
    }
    print::line(&format!("{}:", job.name))?;
    job.changes.iter().try_for_each(|change| print::line(&format!("  {change}")))
}

fn is_confirmed() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    print::printed(write!(std::io::stderr(), "change this? [y/N] "))?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).context("failed to read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Writes files that describe what runs.
pub fn export(args: &ExportArgs) -> Result<()> {
    let client = args.api.client()?;
    let list = client.list()?;
    let jobs = match args.jobs.as_slice() {
        [] => list.jobs,
        names => names.iter().map(|name| client.show(name)).collect::<Result<_>>()?,
    };
    let exported = |job: &JobView| -> Result<JobFile> {
        let whole = job.parameters_cut.is_empty();
        Ok(as_file(job, &list.available, if whole { job.parameters.clone() } else { client.parameters(&job.name)? }))
    };
    if let (None, [job]) = (&args.out, jobs.as_slice()) {
        let file = exported(job)?;
        return if args.api.json { print::json(&file) } else { print::exact(toml::to_string(&file)?.trim_end()) };
    }
    let Some(folder) = &args.out else { bail!("{} jobs are as many files: say where, with --out DIR", jobs.len()) };
    std::fs::create_dir_all(folder).with_context(|| format!("failed to make the folder {}", folder.display()))?;
    for job in &jobs {
        let path = folder.join(format!("{}.toml", job.name));
        write_whole(&path, toml::to_string(&exported(job)?)?.as_bytes())?;
        print::line(&path.display().to_string())?;
    }
    Ok(())
}
