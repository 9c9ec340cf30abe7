//! Commands that change a submitted job, and its log.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use pelton_build::oci::{Reference, SCHEME};
use pelton_model::parallelism::Parallelism;
use pelton_model::regular::{self, COMPONENT_BYTES};

use super::args::{Api, JobArgs, Mapped, caller, parameter};
use super::client::Client;
use super::oci::{self, Plain};
use super::print;
use crate::api::types::{Hold, Reload, Rollback, Scale, SetParameters, ShadowRun};

/// `pelton reload`.
#[derive(Debug, Args)]
pub struct ReloadArgs {
    /// The job's name
    job: String,
    /// A .wasm file of yours, the name of a job in the host's usr_jobs folder, or a component in a registry
    /// [default: the file that it came from]
    #[arg(value_name = "FILE|NAME|oci://REF")]
    file: Option<String>,
    /// Also where the new version drops a source, a sink or a parameter
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    mapped: Mapped,
    /// Create missing topics that it writes, and tables
    #[arg(long)]
    create: bool,
    /// Create this topic, which it reads, where it is missing
    #[arg(long, value_name = "TOPIC")]
    create_source: Vec<String>,
    /// Run it beside the job without writing anything, and print what would differ
    #[arg(long, requires = "file")]
    shadow: bool,
    /// How long a shadow run takes, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", requires = "shadow")]
    seconds: u32,
    /// Why, for the job's history
    #[arg(long)]
    why: Option<String>,
    #[command(flatten)]
    plain: Plain,
    #[command(flatten)]
    api: Api,
}

/// `pelton rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The job's name
    job: String,
    /// The number of the version [default: the one before that which runs]
    #[arg(long, value_name = "VERSION")]
    to: Option<u32>,
    /// Why, for the job's history
    #[arg(long)]
    why: Option<String>,
    /// Also where it forgets what the job declares that it remembers
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    api: Api,
}

/// `pelton pause`.
#[derive(Debug, Args)]
pub struct PauseArgs {
    /// The job's name
    job: String,
    /// Also where it forgets what the job declares that it remembers
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    api: Api,
}

/// `pelton scale`.
#[derive(Debug, Args)]
pub struct ScaleArgs {
    /// The job's name
    job: String,
    /// How many instances share the partitions: a number, or auto, as many as the load calls for
    #[arg(value_name = "N|auto")]
    parallelism: Parallelism,
    /// Also where it forgets what the job declares that it remembers
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    api: Api,
}

/// `pelton set`.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// The job's name
    job: String,
    /// Parameters to set
    #[arg(value_name = "KEY=VALUE|KEY=@FILE", value_parser = parameter, required_unless_present = "unset")]
    set: Vec<(String, String)>,
    /// A parameter that gets its default back
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
    /// Also where it forgets what the job declares that it remembers
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    api: Api,
}

/// `pelton logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The job's name
    job: String,
    /// Go on with what comes, until Ctrl-C or until the job is cancelled
    #[arg(short, long)]
    follow: bool,
    /// How many of the last lines
    #[arg(short = 'n', long, value_name = "N", default_value = "1000")]
    lines: usize,
    #[command(flatten)]
    api: Api,
}

/// Uploads a component, with a bar on a terminal while it is on its way and while it is compiled; returns its digest.
pub(super) fn upload(client: &Client, name: &str, wasm: &Vec<u8>) -> Result<String> {
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(wasm.len() as u64) } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("uploading {wide_bar} {bytes}/{total_bytes}")?);
    let compiling = ProgressStyle::with_template("{spinner} compiling ({elapsed})")?;
    let reader = Finishing { inner: std::io::Cursor::new(wasm), bar: &bar, then: &compiling };
    let uploaded = client.upload(reader, wasm.len());
    bar.finish_and_clear();
    Ok(uploaded.with_context(|| format!("failed to upload {name}"))?.digest)
}

/// Moves a bar along with what is read, and turns it into a spinner at the end.
struct Finishing<'a> {
    inner: std::io::Cursor<&'a Vec<u8>>,
    bar: &'a ProgressBar,
    then: &'a ProgressStyle,
}

impl std::io::Read for Finishing<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(into)?;
        self.bar.inc(read as u64);
        if self.inner.position() == self.inner.get_ref().len() as u64 {
            self.bar.set_style(self.then.clone());
            self.bar.enable_steady_tick(Duration::from_millis(100));
        }
        Ok(read)
    }
}

/// The component that a command names.
pub(super) struct Named {
    /// Its digest, after an upload.
    pub(super) digest: Option<String>,
    /// Or the name of an available job.
    pub(super) available: Option<String>,
    /// The registry's reference that it came from, with the digest that was found there.
    from: Option<Reference>,
}

impl Named {
    /// Why it is put to work, for the history: what the caller said, and where it came from.
    pub(super) fn why(&self, said: Option<String>) -> Option<String> {
        match (&self.from, said) {
            (Some(from), Some(said)) => Some(format!("{said} (from {SCHEME}{from})")),
            (Some(from), None) => Some(format!("from {SCHEME}{from}")),
            (None, said) => said,
        }
    }
}

/// What a `FILE|NAME|oci://REF` means. Files and what registries hold are uploaded.
pub(super) fn component(client: &Client, job: &str, plain: &Plain) -> Result<Named> {
    let path = PathBuf::from(job);
    let (digest, available, from) = if let Some(reference) = oci::reference(job) {
        let pulled = oci::fetch(&reference?, plain)?;
        print::printed(writeln!(std::io::stderr(), "pulled {}", pulled.reference))?;
        (Some(upload(client, job, &pulled.wasm)?), None, Some(pulled.reference))
    } else if path.is_file() {
        let wasm = regular::read(&path, COMPONENT_BYTES).with_context(|| format!("failed to read {job}"))?;
        (Some(upload(client, job, &wasm)?), None, None)
    } else if job.contains('/') {
        bail!("there is no file {job}; a component in a registry is oci://{job}")
    } else {
        (None, Some(job.to_owned()), None)
    };
    Ok(Named { digest, available, from })
}

/// Holds a job.
pub fn pause(args: &PauseArgs) -> Result<()> {
    let request = Hold { force: args.force, by: caller() };
    print::done(&args.api.client()?.change(&args.job, "pause", &request)?, args.api.json)
}

/// Lets a held job go on.
pub fn resume(args: &JobArgs) -> Result<()> {
    print::done(
        &args.api.client()?.change(&args.job, "resume", &Hold { by: caller(), ..Hold::default() })?,
        args.api.json,
    )
}

/// Puts a new version to work, or runs it beside the job.
pub fn reload(args: ReloadArgs) -> Result<()> {
    let client = args.api.client()?;
    let named = args.file.as_deref().map(|file| component(&client, file, &args.plain)).transpose()?;
    let why = match &named {
        Some(named) => named.why(args.why.clone()),
        None => args.why.clone(),
    };
    let (digest, available) = named.map_or((None, None), |named| (named.digest, named.available));
    if args.shadow {
        return shadow(&client, &args, digest, available);
    }
    let mapping = args.mapped.mapping()?;
    let ReloadArgs { force, create, create_source: create_sources, .. } = args;
    let request = Reload { available, digest, mapping, force, create, create_sources, by: caller(), why };
    print::done(&client.change(&args.job, "reload", &request)?, args.api.json)
}

fn shadow(client: &Client, args: &ReloadArgs, digest: Option<String>, available: Option<String>) -> Result<()> {
    let request = ShadowRun { available, digest, seconds: args.seconds };
    let mut report = client.start_shadow(&args.job, &request)?;
    let bar =
        if std::io::stderr().is_terminal() { ProgressBar::new(args.seconds.into()) } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("{wide_bar} {msg}")?);
    let began = Instant::now();
    while report.running {
        bar.set_position(began.elapsed().as_secs());
        bar.set_message(format!("{} records, {} differ", report.records, report.differing));
        std::thread::sleep(Duration::from_millis(250));
        report = client.shadow(&args.job)?;
    }
    bar.finish_and_clear();
    print::shadow(&report, args.api.json)
}

/// Goes back to an earlier version. The number is found out first, so that a repetition of the request changes nothing.
pub fn rollback(args: RollbackArgs) -> Result<()> {
    let client = args.api.client()?;
    let to = match args.to {
        Some(to) => Some(to),
        None => {
            let job = client.show(&args.job)?;
            job.versions.iter().rev().find(|version| version.number < job.version).map(|version| version.number)
        }
    };
    let request = Rollback { to, force: args.force, by: caller(), why: args.why };
    print::done(&client.change(&args.job, "rollback", &request)?, args.api.json)
}

/// Changes the number of instances.
pub fn scale(args: &ScaleArgs) -> Result<()> {
    let request = Scale { parallelism: args.parallelism, force: args.force, by: caller() };
    print::done(&args.api.client()?.change(&args.job, "scale", &request)?, args.api.json)
}

/// Sets parameters.
pub fn set(args: SetArgs) -> Result<()> {
    let set = args.set.into_iter().map(|(key, value)| (key, Some(value)));
    let parameters = set.chain(args.unset.into_iter().map(|key| (key, None))).collect();
    let request = SetParameters { parameters, force: args.force, by: caller() };
    print::done(&args.api.client()?.change(&args.job, "set", &request)?, args.api.json)
}

/// Prints a job's log, as it is or as it comes.
pub fn logs(args: &LogsArgs) -> Result<()> {
    let client = args.api.client()?;
    if !args.follow {
        let lines = client.logs(&args.job, args.lines)?;
        return lines.iter().try_for_each(|line| print::log_line(line, args.api.json));
    }
    client.follow_logs(&args.job, args.lines, |line| print::log_line(&line, args.api.json))
}
