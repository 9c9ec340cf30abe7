//! A broker: its start, its end, and what may happen in between.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use pelton_local::leash::{self, Leash};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tempfile::TempDir;

use super::install::{Installation, KAFKA, OLD_KAFKA};
use super::listeners::{self, Listener};

/// A JVM on a busy machine takes a while to come up; recovery after a kill comes on top.
const START_DEADLINE: Duration = Duration::from_secs(120);

/// One broker or three, of our own. Dropping it ends them and removes their data.
#[derive(Debug)]
pub struct Kafka {
    // Fields drop in this order: the brokers go before their folder.
    nodes: Vec<Node>,
    folder: TempDir,
    installation: Installation,
    guarded: Option<Guarded>,
    /// Further ones, and their ports.
    listeners: Vec<(Listener, u16)>,
}

/// A broker. The first is the controller, too.
#[derive(Debug)]
struct Node {
    /// Behind a lock: one of several brokers is stopped while others are written to.
    broker: Mutex<Option<Leash>>,
    id: usize,
    port: u16,
}

impl Node {
    fn broker(&self) -> MutexGuard<'_, Option<Leash>> {
        self.broker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self) -> Result<()> {
        if let Some(mut broker) = self.broker().take() {
            broker.signal(Signal::SIGCONT)?;
            broker.end(&[(Signal::SIGTERM, Duration::from_secs(30))])?;
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(self.broker().as_mut().context("the broker is stopped")?.signal(signal)?)
    }
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
        Installation::get(KAFKA).map(drop)
    }

    /// The same for one of an older version.
    pub fn old_available() -> Result<(), String> {
        Installation::get(OLD_KAFKA).map(drop)
    }

    /// The broker of this process, started at the first use. The error says why there can be none.
    pub fn shared() -> Result<&'static Self, String> {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        Self::available()?;
        Ok(SHARED.get_or_init(|| Self::start().unwrap()))
    }

    /// Starts a broker and waits until it serves.
    pub fn start() -> Result<Self> {
        Self::start_with(KAFKA, 1, false, Vec::new())
    }

    /// Starts a broker that has [guarded listeners](Self::guarded), too.
    pub fn start_guarded() -> Result<Self> {
        Self::start_with(KAFKA, 1, true, Vec::new())
    }

    /// Starts a broker of Kafka 3.9.
    pub fn start_old() -> Result<Self> {
        Self::start_with(OLD_KAFKA, 1, false, Vec::new())
    }

    /// Starts three brokers, on all of which each partition is. Whichever is its preferred leader leads again a second
    /// after it has come back. The first is the only controller: the others may both be stopped.
    pub fn start_three() -> Result<Self> {
        Self::start_with(KAFKA, 3, false, Vec::new())
    }

    /// Starts a broker that has these listeners, too.
    pub fn start_with_listeners(listeners: Vec<Listener>) -> Result<Self> {
        Self::start_with(KAFKA, 1, false, listeners)
    }

    fn start_with(version: &'static str, nodes: usize, guarded: bool, more: Vec<Listener>) -> Result<Self> {
        let installation = Installation::get(version).map_err(anyhow::Error::msg)?;
        let folder = tempfile::Builder::new().prefix("pelton-kafka-").tempdir()?;
        let guarded = guarded.then_some(Guarded { sasl: 0, tls: 0, elsewhere: 0 });
        let nodes = (1..=nodes).map(|id| Node { broker: Mutex::default(), id, port: 0 }).collect();
        let listeners = more.into_iter().map(|listener| (listener, 0)).collect();
        let mut kafka = Self { nodes, folder, installation, guarded, listeners };
        // A port that was free may be another's by the time the broker binds it.
        for attempt in 1.. {
            kafka.format()?;
            match kafka.start_again() {
                Ok(()) => break,
                Err(error) if attempt < 3 && format!("{error:#}").contains("Address already in use") => {
                    for node in &kafka.nodes {
                        node.stop()?;
                        fs::remove_dir_all(kafka.data(node))?;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(kafka)
    }

    /// `127.0.0.1:PORT`, the same after [`start_again`](Self::start_again); of three brokers with a comma between.
    pub fn bootstrap(&self) -> String {
        let places: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        places.join(",")
    }

    /// Its guarded listeners.
    pub fn guarded(&self) -> Option<Guarded> {
        self.guarded
    }

    /// The port of a further listener.
    pub fn port(&self, listener: &str) -> u16 {
        self.listeners.iter().find(|(found, _)| found.name == listener).unwrap().1
    }

    /// Lets a user in by SCRAM, as `kafka-configs` does it.
    pub fn add_scram_user(&self, name: &str, password: &str) {
        // The broker refuses both in one request.
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let secret = format!("{mechanism}=[password={password}]");
            self.configure(&["--entity-type", "users", "--entity-name", name, "--add-config", &secret]);
        }
    }

    /// The certificate of its TLS listener, as a PEM file.
    pub fn certificate(&self) -> PathBuf {
        self.path("broker.pem")
    }

    /// Stops the broker in good order; its data and port are kept.
    pub fn stop(&mut self) -> Result<()> {
        self.nodes.iter().rev().try_for_each(Node::stop)
    }

    /// Starts the broker on the data and the port it had.
    pub fn start_again(&mut self) -> Result<()> {
        self.nodes.iter().try_for_each(|node| self.spawn(node))?;
        self.nodes.iter().try_for_each(|node| self.wait_for(node))
    }

    /// Stops one of three brokers in good order: what it leads moves to the others.
    pub fn stop_broker(&self, index: usize) -> Result<()> {
        self.nodes[index].stop()
    }

    /// Ends one of three brokers as a power cut would end it.
    pub fn kill_broker(&self, index: usize) -> Result<()> {
        self.nodes[index].signal(Signal::SIGKILL)?;
        self.nodes[index].stop()
    }

    /// Starts one of three brokers again, and waits until it serves.
    pub fn start_broker(&self, index: usize) -> Result<()> {
        self.spawn(&self.nodes[index])?;
        self.wait_for(&self.nodes[index])
    }

    fn spawn(&self, node: &Node) -> Result<()> {
        // Nobody reads its data once this process is gone, so there is nothing to shut down in good order.
        let mut command = leash::command(Signal::SIGKILL, self.folder.path(), &self.log(node))?;
        self.installation.run(&mut command, "kafka.Kafka");
        command.arg(self.properties(node));
        *node.broker() = Some(Leash::spawn(&mut command)?);
        Ok(())
    }

    /// Waits until a broker serves, and knows as many others as there are.
    fn wait_for(&self, node: &Node) -> Result<()> {
        let mut config = self.client();
        let probe: BaseConsumer = config.set("bootstrap.servers", format!("127.0.0.1:{}", node.port)).create()?;
        let running = self.nodes.iter().filter(|node| node.broker().is_some()).count();
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let problem = match probe.fetch_metadata(None, Duration::from_secs(1)) {
                Ok(metadata) if metadata.brokers().len() >= running => return Ok(()),
                Ok(metadata) => format!("it knows {} brokers of {running}", metadata.brokers().len()),
                Err(error) => error.to_string(),
            };
            let log = || fs::read_to_string(self.log(node)).unwrap_or_default();
            if let Some(status) = node.broker().as_mut().context("the broker is stopped")?.exited()? {
                bail!("the broker ended while starting ({status}); its log is\n{}", log());
            }
            ensure!(Instant::now() < deadline, "the broker did not answer in time: {problem}; its log is\n{}", log());
        }
    }

    /// Freezes the broker: its connections stay open and nothing answers.
    pub fn pause(&mut self) -> Result<()> {
        self.nodes.iter().try_for_each(|node| node.signal(Signal::SIGSTOP))
    }

    /// Ends what [`pause`](Self::pause) began.
    pub fn unpause(&mut self) -> Result<()> {
        self.nodes.iter().try_for_each(|node| node.signal(Signal::SIGCONT))
    }

    /// Brings back a broker that was stopped, frozen or killed.
    pub fn restore(&mut self) -> Result<()> {
        for node in &self.nodes {
            let runs = match &mut *node.broker() {
                Some(broker) => broker.exited()?.is_none(),
                None => false,
            };
            if runs {
                node.signal(Signal::SIGCONT)?;
            } else {
                self.spawn(node)?;
                self.wait_for(node)?;
            }
        }
        Ok(())
    }

    /// How many brokers there are.
    pub(super) fn size(&self) -> usize {
        self.nodes.len()
    }

    /// Limits the bytes that each of the clients of this id reads and writes a second, as `kafka-configs` does it.
    pub fn limit(&self, client: &str, bytes: u32) {
        let limits = format!("producer_byte_rate={bytes},consumer_byte_rate={bytes}");
        self.configure(&["--entity-type", "clients", "--entity-name", client, "--add-config", &limits]);
    }

    fn configure(&self, arguments: &[&str]) {
        let output = self
            .installation
            .tool("kafka.admin.ConfigCommand")
            .args(["--bootstrap-server", &self.bootstrap(), "--alter"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// What the first broker has of a partition, as it is on its disk.
    pub fn segment(&self, topic: &str, partition: i32) -> Vec<u8> {
        let folder = self.data(&self.nodes[0]).join(format!("{topic}-{partition}"));
        fs::read(folder.join("00000000000000000000.log")).unwrap()
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

    fn data(&self, node: &Node) -> PathBuf {
        self.path(&format!("data-{}", node.id))
    }

    fn log(&self, node: &Node) -> PathBuf {
        self.path(&format!("log-{}", node.id))
    }

    fn properties(&self, node: &Node) -> PathBuf {
        self.path(&format!("server-{}.properties", node.id))
    }

    /// Chooses ports, writes the configuration and makes the empty storage.
    fn format(&mut self) -> Result<()> {
        // Held together, so that none comes twice.
        let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let sockets: Vec<_> = self.nodes.iter().map(|_| free()).collect::<Result<_, _>>()?;
        for (node, socket) in self.nodes.iter_mut().zip(&sockets) {
            node.port = socket.local_addr()?.port();
        }
        let controller = free()?.local_addr()?.port();
        let count = self.nodes.len().to_string();
        for index in 0..self.nodes.len() {
            let node = &self.nodes[index];
            let properties = PROPERTIES
                .replace("BROKER", &node.port.to_string())
                .replace("NODE", &node.id.to_string())
                .replace("COUNT", &count)
                .replace("DATA", &self.data(node).display().to_string());
            let properties = if index == 0 {
                properties
            } else {
                properties.replace("broker,controller", "broker").replace(",CONTROLLER://127.0.0.1:VOTER", "")
            };
            let properties = properties.replace("VOTER", &controller.to_string());
            let path = self.properties(node);
            let properties = if self.guarded.is_some() { self.guard(properties)? } else { properties };
            let properties = listeners::add(properties, &mut self.listeners)?;
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
        }
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
        for node in &self.nodes {
            if let Some(broker) = &mut *node.broker()
                && let Err(error) = broker.end(&[])
            {
                eprintln!("failed to end the broker: {error:#}");
            }
        }
    }
}

/// Defaults except where few nodes, tests in a hurry, or a group's member that is killed and comes back ask for others.
const PROPERTIES: &str = "\
node.id=NODE
process.roles=broker,controller
controller.quorum.voters=1@127.0.0.1:VOTER
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:BROKER,CONTROLLER://127.0.0.1:VOTER
advertised.listeners=PLAINTEXT://127.0.0.1:BROKER
log.dirs=DATA
default.replication.factor=COUNT
leader.imbalance.check.interval.seconds=1
leader.imbalance.per.broker.percentage=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
auto.create.topics.enable=false
offsets.topic.replication.factor=COUNT
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=COUNT
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
