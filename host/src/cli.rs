//! The command line. Client commands talk to a host's API and to nothing else.

mod apply;
mod args;
pub mod client;
mod dev;
pub mod dlq;
mod lifecycle;
mod new;
mod oci;
pub mod print;
mod seek;
mod tail;
mod test;
mod tls;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, CommandFactory, Parser, Subcommand};
use pelton_build::BuildOptions;
use pelton_demo::DemoArgs;
use pelton_demo::simulate::SimulateArgs;
use pelton_model::near::did_you_mean;
use pelton_model::parallelism::Parallelism;

use pelton_runtime::compiler::Bounds;

use crate::api::types::{Guarantee, Problem, Submit};
use crate::config::Config;
use crate::kafka::StartFrom;
use apply::{ApplyArgs, ExportArgs};
pub use apply::{apply, export};
use args::{Api, JobArgs, Mapped, caller, parameter, settings};
use dev::DevArgs;
pub use dev::dev;
use lifecycle::{LogsArgs, PauseArgs, ReloadArgs, RollbackArgs, ScaleArgs, SetArgs};
pub use lifecycle::{logs, pause, reload, resume, rollback, scale, set};
use new::NewArgs;
pub use new::new;
use oci::{Plain, PullArgs, PushArgs};
pub use oci::{pull, push};
use seek::SeekArgs;
pub use seek::seek;
use tail::TailArgs;
pub use tail::tail;
use test::TestArgs;
pub use test::test;

/// How often a watched table is printed.
const WATCH: Duration = Duration::from_secs(1);

/// A WebAssembly user-job host: Kafka in, Wasm jobs, Kafka topics and Postgres tables out.
#[derive(Debug, Parser)]
#[command(name = "pelton", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// All commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the host
    Run(RunArgs),
    /// Submit a job to a running host
    Submit(SubmitArgs),
    /// Have jobs be what files say: show the difference, ask, and change it
    Apply(ApplyArgs),
    /// Write files that describe what runs, for `pelton apply`
    Export(ExportArgs),
    /// List submitted and available jobs
    List(ListArgs),
    /// Show one job
    Show(ShowArgs),
    /// Hold a job: it delivers what is in flight and reads no more
    Pause(PauseArgs),
    /// Let a held job go on
    Resume(JobArgs),
    /// Put a new version of a job to work while it runs
    Reload(ReloadArgs),
    /// Go back to an earlier version of a job
    Rollback(RollbackArgs),
    /// Move where a held job goes on
    Seek(SeekArgs),
    /// Change how many instances a job has: a number, or auto
    Scale(ScaleArgs),
    /// Set parameters of a job while it runs
    Set(SetArgs),
    /// Print a job's log
    Logs(LogsArgs),
    /// Stop a job for good; its offsets are kept
    Cancel(CancelArgs),
    /// List, show, redrive and purge dead letters
    #[command(subcommand)]
    Dlq(dlq::DlqCommand),
    /// Print messages of a topic, also as they come
    Tail(TailArgs),
    /// Make a project for a new job
    New(NewArgs),
    /// Build a job into a component
    Build(BuildArgs),
    /// Compile a component from standard input: what the host has done by a process of its own
    #[command(hide = true)]
    Compile(CompileArgs),
    /// Run a job over records from standard input, without Kafka and Postgres
    Test(TestArgs),
    /// Build, test and reload a job whenever its sources are saved
    Dev(DevArgs),
    /// Push a component to an OCI registry
    Push(PushArgs),
    /// Pull a component from an OCI registry
    Pull(PullArgs),
    /// Send simulated sensor readings to a topic
    Simulate(SimulateArgs),
    /// Run everything in one go: a broker, Postgres, sensors, and the example jobs
    Demo(DemoArgs),
    /// Print the completions for a shell, to be sourced by it
    Completions(CompletionsArgs),
}

/// `pelton run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Kafka, host:port, several with commas [default: localhost:9092, or KAFKA_HOST]
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// Postgres, postgres://user:password@host:port/database [default: flinkuser's flinkdb on localhost:5432, or
    /// POSTGRES_*]
    #[arg(long, value_name = "URL", hide_env_values = true)]
    postgres: Option<String>,
    /// The folder that jobs are dropped into [default: usr_jobs]
    #[arg(long, value_name = "DIR")]
    usr_jobs: Option<PathBuf>,
    /// The host's own folder [default: data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where the API listens [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// A TOML file with settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Submit every job in the usr_jobs folder
    #[arg(long)]
    submit_all: bool,
    /// Have jobs be what this file, or the files of this folder, say, as `pelton apply` does; may be repeated
    #[arg(long, value_name = "FILE|DIR")]
    pub apply: Vec<PathBuf>,
}

impl RunArgs {
    /// The settings: defaults, file, environment, then these flags.
    pub fn settings(&self) -> Result<Config> {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let texts = [
            ("kafka.bootstrap", self.kafka.clone()),
            ("postgres.url", self.postgres.clone()),
            ("usr_jobs", self.usr_jobs.as_ref().map(path)),
            ("data", self.data.as_ref().map(path)),
            ("listen", self.listen.clone()),
        ];
        let mut flags: Vec<_> =
            texts.into_iter().filter_map(|(key, text)| Some((key, toml::Value::from(text?)))).collect();
        if self.submit_all {
            flags.push(("submit_all", toml::Value::from(true)));
        }
        Ok(Config::load(self.config.as_deref(), &flags)?)
    }
}

/// `pelton compile`, which only a host calls.
#[derive(Debug, Args)]
pub struct CompileArgs {
    /// The host's cache of compiled code, where it is left
    #[arg(long, value_name = "DIR")]
    cache: PathBuf,
    /// What the cache may take, MiB
    #[arg(long, value_name = "N")]
    cache_mib: usize,
    /// Address space of the process, MiB
    #[arg(long, value_name = "N")]
    memory_mib: usize,
    /// Seconds on each core
    #[arg(long, value_name = "N")]
    seconds: u64,
}

impl CompileArgs {
    /// What it may use.
    pub fn bounds(self) -> Bounds {
        let Self { cache, cache_mib, memory_mib, seconds } = self;
        Bounds { cache, cache_mib, memory_mib, seconds }
    }
}

/// `pelton completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    shell: clap_complete::Shell,
}

/// `pelton submit`.
#[derive(Debug, Args)]
pub struct SubmitArgs {
    /// A .wasm file of yours, the name of a job in the host's usr_jobs folder, or a component in a registry
    #[arg(value_name = "FILE|NAME|oci://REF")]
    job: String,
    /// The name to run under [default: the one that it declares]
    #[arg(long)]
    name: Option<String>,
    /// Set a parameter
    #[arg(long, value_name = "KEY=VALUE|KEY=@FILE", value_parser = parameter)]
    set: Vec<(String, String)>,
    #[command(flatten)]
    mapped: Mapped,
    /// Where to start, even where the consumer group has offsets: earliest, latest, 2026-11-29T10:00Z, -2h, or
    /// TOPIC/PARTITION=OFFSET,… [default: those, else latest]
    #[arg(long, value_name = "START", allow_hyphen_values = true)]
    from: Option<StartFrom>,
    /// How many instances share the partitions: a number, or auto, as many as the load calls for [default: auto]
    #[arg(long, value_name = "N|auto")]
    parallelism: Option<Parallelism>,
    /// How often an output may appear
    #[arg(long, default_value = "at-least-once")]
    guarantee: Guarantee,
    /// The consumer group [default: pelton-NAME]
    #[arg(long, value_name = "ID")]
    group: Option<String>,
    /// Create missing topics that it writes, and tables
    #[arg(long)]
    create: bool,
    /// Create this topic, which it reads, where it is missing
    #[arg(long, value_name = "TOPIC")]
    create_source: Vec<String>,
    /// Also where the job writes into what it reads
    #[arg(long)]
    allow_loop: bool,
    /// Why, for the job's history
    #[arg(long)]
    why: Option<String>,
    #[command(flatten)]
    plain: Plain,
    #[command(flatten)]
    api: Api,
}

/// `pelton list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print it anew every second, with rates, until Ctrl-C
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    api: Api,
}

/// `pelton show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The job's name
    job: String,
    /// Print the value of this parameter, whole and nothing else
    #[arg(long, value_name = "NAME", conflicts_with = "watch")]
    parameter: Option<String>,
    /// Print it anew every second until Ctrl-C
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    api: Api,
}

/// `pelton cancel`.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// The job's name
    job: String,
    /// Forget its versions and history as well, also where the job is gone already; dead letters and offsets stay
    #[arg(long)]
    purge: bool,
    #[command(flatten)]
    api: Api,
}

/// `pelton build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// The folder of a project in Rust, JavaScript, Python, Go or C, of a workspace of crates, or with a pelton.toml that
    /// says how it is built; or a core module, FILE.wasm
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Where the components go
    #[arg(long, value_name = "DIR", default_value = "usr_jobs")]
    out: PathBuf,
    /// Install missing tools (componentize-py, zig) into the cache folder
    #[arg(long)]
    install: bool,
}

/// Submits a job: a file is uploaded first.
pub fn submit(args: SubmitArgs) -> Result<()> {
    let client = args.api.client()?;
    let named = lifecycle::component(&client, &args.job, &args.plain)?;
    let why = named.why(args.why);
    let request = Submit {
        available: named.available,
        digest: named.digest,
        name: args.name,
        parameters: args.set.into_iter().collect(),
        mapping: args.mapped.mapping()?,
        from: args.from,
        parallelism: args.parallelism,
        guarantee: args.guarantee,
        group: args.group,
        create: args.create,
        create_sources: args.create_source,
        allow_loop: args.allow_loop,
        by: caller(),
        why,
    };
    let submitted = client.submit(&request)?;
    print::done(&submitted, args.api.json)
}

/// Lists jobs.
pub fn list(args: &ListArgs) -> Result<()> {
    let client = args.api.client()?;
    let mut before = None;
    loop {
        let list = client.list()?;
        print::anew(args.watch)?;
        print::list(&list, before.as_ref(), args.api.json)?;
        if !args.watch {
            return Ok(());
        }
        before = Some((Instant::now(), list));
        std::thread::sleep(WATCH);
    }
}

/// Shows a job.
pub fn show(args: &ShowArgs) -> Result<()> {
    let client = args.api.client()?;
    if let Some(name) = &args.parameter {
        let values = client.parameters(&args.job)?;
        let Some(value) = values.get(name) else {
            let has = values.keys().map(String::as_str);
            bail!("{} has no parameter {name:?}{}", args.job, did_you_mean(name, has, '"'));
        };
        return if args.api.json { print::json(value) } else { print::exact(value) };
    }
    loop {
        let job = client.show(&args.job)?;
        print::anew(args.watch)?;
        print::job(&job, args.api.json)?;
        if !args.watch {
            return Ok(());
        }
        std::thread::sleep(WATCH);
    }
}

/// Cancels a job, once it has drained.
pub fn cancel(args: &CancelArgs) -> Result<()> {
    let client = args.api.client()?;
    let is_gone = |error: &anyhow::Error| {
        error.downcast_ref::<Problem>().is_some_and(|problem| args.purge && problem.code == "no-such-job")
    };
    match client.cancel(&args.job, &caller().unwrap_or_default()) {
        // What is left of it may be there.
        Err(error) if is_gone(&error) => {}
        done => print::done(&done?, args.api.json)?,
    }
    if args.purge {
        client.purge(&args.job)?;
        print::note(&format!("{}: its versions and history are purged", args.job))?;
    }
    Ok(())
}

/// Prints completions.
pub fn completions(args: &CompletionsArgs) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pelton", &mut script);
    print::exact(String::from_utf8_lossy(&script).trim_end())
}

/// Builds components.
pub fn build(args: BuildArgs) -> Result<()> {
    let options = BuildOptions { source: args.folder, output: args.out, install: args.install };
    for component in pelton_build::build(&options, || Ok(settings()?.limits))? {
        print::line(&format!("{} ({} bytes)", component.path.display(), component.size))?;
    }
    Ok(())
}
