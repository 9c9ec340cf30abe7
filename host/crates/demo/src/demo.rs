//! `pelton demo`: broker, Postgres, sensors, both example jobs and the host, in one process and one command.
//!
//! Nothing stays behind, however this process ends: Postgres and all that is written go with it, and the broker lives
//! in memory. The end is in order: no more readings, then the host drains into Kafka and Postgres, then Postgres stops,
//! then the temporary folders go.

use std::cell::Cell;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Instant;

use anyhow::{Context, Result};
use pelton_local::folder::Folder;
use pelton_local::postgres::{LocalPostgres, Options};
use pelton_model::cause::Because as _;
use pelton_model::settings::{Config, Secret};

use crate::broker::{self, Broker};
use crate::error::Error;
use crate::host::DemoHost;
use crate::live::LiveLine;
use crate::sensors::Sensors;
use crate::simulator::Simulator;
use crate::terminal::Terminal;

/// The example jobs, so that the demo needs no files: name and component.
const JOBS: [(&str, &[u8]); 2] = [
    ("sensor_alerts", include_bytes!("../../../../usr_jobs/sensor_alerts.wasm")),
    ("sensor_pipeline", include_bytes!("../../../../usr_jobs/sensor_pipeline.wasm")),
];
/// The table of the article.
const TABLE: &str = include_str!("../../../../docs/compose/raw_sensors_data.sql");
/// Where the API listens if nothing else is asked for and the port is free.
const PORT: u16 = 8081;
/// Beyond it the broker in memory, which keeps 5 MB a partition, may forget readings before they are read.
const FASTEST: f64 = 10_000.0;

/// `pelton demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Readings a second
    #[arg(long, value_name = "N", default_value = "100", value_parser = rate)]
    pub rate: f64,
    /// Where the API listens [default: 127.0.0.1:8081, or a free port where that one is taken]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// The folder with the two jobs [default: usr_jobs if it has them, else those built into this program]
    #[arg(long, value_name = "DIR")]
    pub usr_jobs: Option<PathBuf>,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && rate <= FASTEST => Ok(rate),
        _ => Err(format!("not a number above 0 and up to {FASTEST}")),
    }
}

/// Everything that runs.
struct Demo<Host> {
    host: Host,
    postgres: LocalPostgres,
    broker: Broker,
    folder: Folder,
}

/// Runs the demo until `stop` completes. Log lines are the caller's to send through the terminal, so that they and the
/// live line keep out of each other's way.
///
/// # Errors
/// Broker, Postgres, host or jobs don't start, or an end was not in good order: readings or a server were lost.
pub async fn run<Host: DemoHost>(
    args: DemoArgs,
    terminal: Terminal,
    stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    run_all::<Host>(args, terminal, stop).await.because(Error::Demo)
}

async fn run_all<Host: DemoHost>(args: DemoArgs, terminal: Terminal, stop: impl Future<Output = ()>) -> Result<()> {
    let started = Instant::now();
    let mut stop = pin!(stop);
    let broker = Broker::start(&JOBS.map(|(name, _)| name))?;
    // It connects while the others start.
    let mut simulator = Simulator::new(&broker.settings(), broker::SENSORS, Sensors::new(rand::random()))?;
    terminal.say("starting Postgres")?;
    let postgres = tokio::select! {
        biased;
        // What has been started goes with the task that starts it, and the runtime waits for that.
        () = stop.as_mut() => return terminal.say("stopping"),
        postgres = start_postgres() => postgres?,
    };
    terminal.say("starting the host and its jobs")?;
    let demo = Demo::<Host>::start(&args, broker, postgres).await?;
    demo.introduce(&terminal)?;
    let sent = Cell::new(0);
    let mut live = LiveLine::new(started, demo.host.jobs(), &sent);
    let ran = tokio::select! {
        ran = simulator.run(args.rate, None, stop, |delivered| sent.set(delivered)) => ran.map_err(anyhow::Error::from),
        shown = live.show(&terminal) => shown,
    };
    let said = terminal.say("stopping: what is in flight is finished first; Ctrl-C again ends it at once");
    let finished = simulator.finish().await.map(|delivered| sent.set(delivered)).map_err(anyhow::Error::from);
    live.settle().await;
    let Demo { host, postgres, broker, folder } = demo;
    host.drain().await;
    terminal.close();
    let said = said.and_then(|()| terminal.say(&live.line()));
    let stopped = tokio::task::spawn_blocking(|| postgres.stop()).await;
    drop((broker, folder));
    ran.and(finished).and(said)?;
    Ok(stopped.context("failed to wait for Postgres")??)
}

/// A Postgres with the article's table.
async fn start_postgres() -> Result<LocalPostgres> {
    // Nothing of it is to survive a power cut.
    let options = Options { durable: false, ..Options::default() };
    let postgres = tokio::task::spawn_blocking(move || LocalPostgres::start(&options))
        .await
        .context("failed to wait for Postgres")??;
    let (client, connection) = tokio_postgres::connect(&postgres.url(), tokio_postgres::NoTls)
        .await
        .context("failed to connect to Postgres")?;
    // Ends by itself when the client is dropped.
    tokio::spawn(connection);
    client.batch_execute(TABLE).await.context("failed to create the table raw_sensors_data")?;
    Ok(postgres)
}

impl<Host: DemoHost> Demo<Host> {
    async fn start(args: &DemoArgs, broker: Broker, postgres: LocalPostgres) -> Result<Self> {
        let folder = Folder::new("pelton-demo-")?;
        let usr_jobs = match &args.usr_jobs {
            Some(folder) => folder.clone(),
            None if JOBS.iter().all(|(name, _)| job_file(Path::new("usr_jobs"), name).is_file()) => "usr_jobs".into(),
            None => unpack_jobs(folder.path())?,
        };
        let mut config = Config {
            kafka: broker.settings(),
            usr_jobs,
            data: folder.path().join("data"),
            listen: args.listen.unwrap_or_else(address),
            ..Config::default()
        };
        config.postgres.url = Some(Secret(postgres.url()));
        let host = Host::start(config).await?;
        for (name, _) in JOBS {
            if let Err(error) = host.submit(name).await {
                host.drain().await;
                return Err(Error::Host(format!("failed to submit {name}: {error}").into()).into());
            }
        }
        Ok(Self { host, postgres, broker, folder })
    }

    fn introduce(&self, terminal: &Terminal) -> Result<()> {
        let (api, kafka) = (self.host.address(), self.broker.settings().bootstrap);
        let (postgres, database) = (self.postgres.describe(), self.postgres.url());
        let elsewhere = if api.port() == PORT { String::new() } else { format!("PELTON_API=http://{api} ") };
        terminal.say(&format!(
            r#"
Simulated sensors write readings to Kafka; two WebAssembly jobs make alerts and table rows of them.

  Kafka       in memory at {kafka}: topics sensors and alerts
  Postgres    {postgres}: table raw_sensors_data
  jobs        sensor_alerts, sensor_pipeline

  the page            http://{api}/
  look at the jobs    {elsewhere}pelton list
                      curl http://{api}/api/v1/jobs
  look at the rows    psql {database} -c "SELECT sensor_id, (message::json->>'temperature')::numeric AS celsius FROM raw_sensors_data ORDER BY timestamp DESC LIMIT 5"
  send more           pelton simulate --kafka {kafka} --count 1000

The line below counts readings sent, alerts (each job sends one for each reading above 30 °C), rows in the table, dead
letters (records that no job can use), and the lag (readings that are not through yet). Ctrl-C ends everything.
"#
        ))
    }
}

/// The usual port, or any free one where that is taken.
fn address() -> SocketAddr {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    match TcpListener::bind(usual) {
        Ok(_) => usual,
        Err(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    }
}

fn job_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.wasm"))
}

/// Writes the jobs that are built into this program to a folder of their own.
fn unpack_jobs(parent: &Path) -> Result<PathBuf> {
    let folder = parent.join("usr_jobs");
    fs::create_dir(&folder).with_context(|| format!("failed to make the folder {}", folder.display()))?;
    for (name, component) in JOBS {
        let path = job_file(&folder, name);
        fs::write(&path, component).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_gives_way_to_a_free_one() {
        // Either this holds the usual port, or another process does.
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT));
        assert_eq!(address().port(), 0);
    }

    #[test]
    fn the_rate_is_one_that_the_broker_can_keep() {
        assert_eq!(rate("0.5"), Ok(0.5));
        assert_eq!(rate("10000"), Ok(10_000.0));
        for wrong in ["0", "-1", "10001", "NaN", "fast"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_jobs_built_in_are_jobs_of_these_names() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = unpack_jobs(folder.path()).unwrap();
        let engine = pelton_runtime::Engine::new(pelton_model::settings::Limits::default(), None).unwrap();
        for (name, _) in JOBS {
            let job = engine.load(&fs::read(job_file(&jobs, name)).unwrap()).unwrap();
            assert_eq!(job.spec().name, name);
        }
    }
}
