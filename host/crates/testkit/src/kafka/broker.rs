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
    guarded: Option<Guarded>,
}

/// Further listeners of a broker, each on 127.0.0.1: what clients with wrong settings run into.
#[derive(Debug, Clone, Copy)]
pub struct Guarded {
    /// SASL_PLAINTEXT, for the user `alice` with the password `right`.
    pub sasl: u16,
    /// SSL, with a certificate that nobody has signed.
    pub tls: u16,
    /// PLAINTEXT, advertised under the name `nobody.invalid`.
    pub elsewhere: u16,
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
        Self::start_with(false)
    }

    /// Starts a broker that has [guarded listeners](Self::guarded), too.
    pub fn start_guarded() -> Result<Self> {
        Self::start_with(true)
    }

    fn start_with(guarded: bool) -> Result<Self> {
        let installation = Installation::get().map_err(anyhow::Error::msg)?;
        let folder = tempfile::Builder::new().prefix("pelton-kafka-").tempdir()?;
        let guarded = guarded.then_some(Guarded { sasl: 0, tls: 0, elsewhere: 0 });
        let mut kafka = Self { broker: None, folder, installation, port: 0, guarded };
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

    /// Its guarded listeners.
    pub fn guarded(&self) -> Option<Guarded> {
        self.guarded
    }

    /// The certificate of its TLS listener, as a PEM file.
    pub fn certificate(&self) -> PathBuf {
        self.path("broker.pem")
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
        Ok(self.broker.as_mut().context("the broker is stopped")?.signal(Signal::SIGSTOP)?)
    }

    /// Ends what [`pause`](Self::pause) began.
    pub fn unpause(&mut self) -> Result<()> {
        Ok(self.broker.as_mut().context("the broker is stopped")?.signal(Signal::SIGCONT)?)
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
        let properties = if self.guarded.is_some() { self.guard(properties)? } else { properties };
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

impl Kafka {
    /// Chooses ports for the guarded listeners, makes a certificate, and adds them to the configuration.
    fn guard(&mut self, properties: String) -> Result<String> {
        let sockets: Vec<_> = (0..3).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<_, _>>()?;
        let ports: Vec<_> = sockets.iter().map(|socket| Ok(socket.local_addr()?.port())).collect::<Result<_>>()?;
        let guarded = Guarded { sasl: ports[0], tls: ports[1], elsewhere: ports[2] };
        self.guarded = Some(guarded);
        let keys = self.path("keys.p12");
        if !keys.exists() {
            let password = ["-storetype", "PKCS12", "-storepass", "changeit", "-alias", "broker"];
            let make = ["-genkeypair", "-keyalg", "RSA", "-dname", "CN=127.0.0.1", "-ext", "san=ip:127.0.0.1"];
            let export = ["-exportcert", "-rfc", "-file"];
            let keytool = |arguments: &[&str], file: Option<PathBuf>| -> Result<()> {
                let mut command = std::process::Command::new("keytool");
                let output = command.args(arguments).args(file).arg("-keystore").arg(&keys).args(password).output()?;
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                ensure!(output.status.success(), "keytool {arguments:?} failed: {said}");
                Ok(())
            };
            keytool(&make, None)?;
            keytool(&export, Some(self.certificate()))?;
        }
        let Guarded { sasl, tls, elsewhere } = guarded;
        let here = "://127.0.0.1:";
        let more = format!("SASL{here}{sasl},TLS{here}{tls},ELSEWHERE");
        Ok(properties
            .replace("\nlisteners=", &format!("\nlisteners={more}{here}{elsewhere},"))
            .replace("advertised.listeners=", &format!("advertised.listeners={more}://nobody.invalid:{elsewhere},"))
            + &GUARDED.replace("KEYS", &keys.display().to_string()))
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

/// What the guarded listeners need.
const GUARDED: &str = "\
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,ELSEWHERE:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_alice=\"right\";
listener.name.tls.ssl.keystore.type=PKCS12
listener.name.tls.ssl.keystore.location=KEYS
listener.name.tls.ssl.keystore.password=changeit
listener.name.tls.ssl.key.password=changeit
";
