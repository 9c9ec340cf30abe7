//! A broker: its start, its end, and what may happen in between.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use pelton_local::leash::{self, Leash};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tempfile::TempDir;

use super::install::Installation;

/// A JVM on a busy machine takes a while to come up; recovery after a kill comes on top.
const START_DEADLINE: Duration = Duration::from_secs(120);

/// A broker of our own. Dropping it ends the broker and removes its data.
#[derive(Debug)]
pub struct Kafka {
    // Fields drop in this order: the broker goes before its folder.
    broker: Option<Leash>,
    folder: TempDir,
    installation: Installation,
    port: u16,
}

impl Kafka {
    /// Whether a broker can be started here; if not, the reason why.
    pub fn available() -> Result<(), String> {
        Installation::get().map(drop)
    }

    /// The broker of this process, started at the first use. The error says why there can be none.
    pub fn shared() -> Result<&'static Self, String> {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        Self::available()?;
        Ok(SHARED.get_or_init(|| Self::start().unwrap()))
    }

    /// Starts a broker and waits until it serves.
    pub fn start() -> Result<Self> {
        let installation = Installation::get().map_err(anyhow::Error::msg)?;
        let folder = tempfile::Builder::new().prefix("pelton-kafka-").tempdir()?;
        let mut kafka = Self { broker: None, folder, installation, port: 0 };
        // A port that was free may be another's by the time the broker binds it.
        for attempt in 1.. {
            kafka.format()?;
            match kafka.start_again() {
                Ok(()) => break,
                Err(error) if attempt < 3 && format!("{error:#}").contains("Address already in use") => {
                    fs::remove_dir_all(kafka.path("data"))?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(kafka)
    }

    /// `127.0.0.1:PORT`, the same after [`start_again`](Self::start_again).
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Stops the broker in good order; its data and port are kept.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut broker) = self.broker.take() {
            broker.signal(Signal::SIGCONT)?;
            broker.end(&[(Signal::SIGTERM, Duration::from_secs(30))])?;
        }
        Ok(())
    }

    /// Starts the broker on the data and the port it had.
    pub fn start_again(&mut self) -> Result<()> {
        // Nobody reads its data once this process is gone, so there is nothing to shut down in good order.
        let mut command = leash::command(Signal::SIGKILL, self.folder.path(), &self.path("log"))?;
        self.installation.run(&mut command, "kafka.Kafka");
        command.arg(self.path("server.properties"));
        let probe: BaseConsumer = self.client().create()?;
        let broker = self.broker.insert(Leash::spawn(&mut command)?);
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let problem = match probe.fetch_metadata(None, Duration::from_secs(1)) {
                Ok(metadata) if !metadata.brokers().is_empty() => return Ok(()),
                Ok(_) => "it has no metadata yet".to_owned(),
                Err(error) => error.to_string(),
            };
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            if let Some(status) = broker.exited()? {
                bail!("the broker ended while starting ({status}); its log is\n{}", log());
            }
            ensure!(Instant::now() < deadline, "the broker did not answer in time: {problem}; its log is\n{}", log());
        }
    }

    /// Freezes the broker: its connections stay open and nothing answers.
    pub fn pause(&mut self) -> Result<()> {
        self.broker.as_mut().context("the broker is stopped")?.signal(Signal::SIGSTOP)
    }

    /// Ends what [`pause`](Self::pause) began.
    pub fn unpause(&mut self) -> Result<()> {
        self.broker.as_mut().context("the broker is stopped")?.signal(Signal::SIGCONT)
    }

    /// Brings back a broker that was stopped, frozen or killed.
    pub fn restore(&mut self) -> Result<()> {
        let runs = match &mut self.broker {
            Some(broker) => broker.exited()?.is_none(),
            None => false,
        };
        if runs { self.unpause() } else { self.start_again() }
    }

    /// What every client here starts from.
    pub(super) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap()).set("log_level", "2");
        config
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Chooses ports, writes the configuration and makes the empty storage.
    fn format(&mut self) -> Result<()> {
        // Held together, so that they are two.
        let sockets = [TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?, TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?];
        self.port = sockets[0].local_addr()?.port();
        let controller = sockets[1].local_addr()?.port();
        let properties = PROPERTIES
            .replace("BROKER", &self.port.to_string())
            .replace("VOTER", &controller.to_string())
            .replace("DATA", &self.path("data").display().to_string());
        let path = self.path("server.properties");
        fs::write(&path, properties)?;
        let output = self
            .installation
            .tool("kafka.tools.StorageTool")
            .args(["format", "--cluster-id", "pEltonTestClusterAAAAAA", "--config"])
            .arg(&path)
            .output()
            .context("failed to run java")?;
        let said = [output.stdout, output.stderr].concat();
        ensure!(output.status.success(), "formatting the storage failed: {}", String::from_utf8_lossy(&said));
        Ok(())
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        if let Some(broker) = &mut self.broker
            && let Err(error) = broker.end(&[])
        {
            eprintln!("failed to end the broker: {error:#}");
        }
    }
}

/// Defaults except where one node, tests in a hurry, or a group's member that is killed and comes back ask for others.
const PROPERTIES: &str = "\
node.id=1
process.roles=broker,controller
controller.quorum.voters=1@127.0.0.1:VOTER
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:BROKER,CONTROLLER://127.0.0.1:VOTER
advertised.listeners=PLAINTEXT://127.0.0.1:BROKER
log.dirs=DATA
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=100
group.consumer.heartbeat.interval.ms=500
";
