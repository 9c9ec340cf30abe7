//! The article's pipeline as a Python job, against the article's own PyFlink job, on one Kafka and one Postgres:
//! `cargo bench --bench pyflink`.
//!
//! Both read the same preloaded topic of two partitions with a parallelism of 1, write every reading to a table with a
//! primary key and those above 30 °C to a topic. PyFlink runs as its users run it: a session cluster of one job manager
//! and one task manager with the default memory. Of the author's `postgres_sink.py` only hosts, the starting offset,
//! the jars and `print` are changed, the last in PyFlink's favour.
//!
//! Needs Java 17, Maven, `curl`, and Python 3.11 or older for apache-flink, which is installed into the cache folder,
//! or found in the virtual environment that `PELTON_BENCH_PYFLINK` names. `PELTON_BENCH_ARTICLE` is the author's file
//! where GitHub can't be reached. `PELTON_BENCH_RECORDS` (default 300,000) sizes the run. With `-- --save` the result
//! replaces the one in `docs/benchmarks.md`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark may panic, as tests may"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pelton::api::types::Submit;
use pelton::cli::client::Client;
use pelton::kafka::StartFrom;
use pelton_demo::{Hundredths, Sensors};
use pelton_local::postgres::{LocalPostgres, Options};
use pelton_testkit::kafka;
use pelton_testkit::process::{self, HostProcess};
use pelton_testkit::report::{self, Run};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

const SOURCE: &str = "sensors";
const SINK: &str = "alerts";
const TABLE: &str = "raw_sensors_data";
const PATIENCE: Duration = Duration::from_secs(900);
/// How exactly the first and the last output are timed.
const TICK: Duration = Duration::from_millis(50);

const FLINK: &str = "apache-flink==1.20.1";
const ARTICLE: &str = "https://raw.githubusercontent.com/augustodn/pyflink-docker/\
                       9aaa27a6067075c8b0a0ab085df06040b01bca61/pyflink/usr_jobs/postgres_sink.py";
const MAVEN: &str = "https://repo1.maven.org/maven2";
const JARS: [&str; 5] = [
    "org/apache/flink/flink-connector-kafka/3.4.0-1.20/flink-connector-kafka-3.4.0-1.20.jar",
    "org/apache/kafka/kafka-clients/3.4.0/kafka-clients-3.4.0.jar",
    "org/apache/flink/flink-connector-base/1.20.1/flink-connector-base-1.20.1.jar",
    "org/apache/flink/flink-connector-jdbc/3.1.2-1.18/flink-connector-jdbc-3.1.2-1.18.jar",
    "org/postgresql/postgresql/42.7.3/postgresql-42.7.3.jar",
];

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?} failed: {status}");
}

fn download(url: &str, file: &Path) {
    if !file.is_file() {
        let part = file.with_extension("part");
        run(Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--location", url, "--output"])
            .arg(&part));
        fs::rename(part, file).unwrap();
    }
}

/// Flink in a virtual environment, with the connectors' jars.
struct Flink {
    python: PathBuf,
    home: PathBuf,
    folder: tempfile::TempDir,
    processes: Vec<Child>,
}

impl Flink {
    /// Installs what is missing, and starts a session cluster.
    fn start(article: &str) -> Self {
        let cache = PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/pelton/pyflink");
        fs::create_dir_all(&cache).unwrap();
        let environment = std::env::var_os("PELTON_BENCH_PYFLINK").map_or_else(|| cache.join("venv"), PathBuf::from);
        let python = environment.join("bin/python");
        if !python.is_file() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&environment));
            run(Command::new(&python).args(["-m", "pip", "install", "--quiet", FLINK]));
        }
        let home = Command::new(&python)
            .args(["-c", "import os, pyflink; print(os.path.dirname(pyflink.__file__))"])
            .output()
            .unwrap();
        let home = PathBuf::from(String::from_utf8(home.stdout).unwrap().trim());

        let folder = tempfile::tempdir().unwrap();
        let (lib, conf) = (folder.path().join("lib"), folder.path().join("conf"));
        fs::create_dir(&lib).unwrap();
        fs::create_dir(&conf).unwrap();
        for jar in fs::read_dir(home.join("lib")).unwrap().map(|entry| entry.unwrap().path()) {
            symlink(&jar, lib.join(jar.file_name().unwrap())).unwrap();
        }
        for jar in JARS {
            let name = jar.rsplit_once('/').unwrap().1;
            download(&format!("{MAVEN}/{jar}"), &cache.join(name));
            symlink(cache.join(name), lib.join(name)).unwrap();
        }
        for file in ["log4j-console.properties", "log4j-cli.properties"] {
            fs::copy(home.join("conf").join(file), conf.join(file)).unwrap();
        }
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // What Flink needs of a newer Java, as its own configuration says.
        let defaults = fs::read_to_string(home.join("conf/config.yaml")).unwrap();
        let opens = defaults.lines().find_map(|line| line.trim().strip_prefix("all: --add")).unwrap();
        let settings = format!(
            "env.java.opts.all: --add{opens}\njobmanager.rpc.address: 127.0.0.1\njobmanager.bind-host: 127.0.0.1\njobmanager.rpc.port: {}\n\
             taskmanager.host: 127.0.0.1\ntaskmanager.bind-host: 127.0.0.1\nrest.address: 127.0.0.1\nrest.port: {}\n\
             jobmanager.memory.process.size: 1600m\ntaskmanager.memory.process.size: 1728m\n\
             taskmanager.numberOfTaskSlots: 1\nparallelism.default: 1\n\
             python.executable: {python}\npython.client.executable: {python}\n",
            free(),
            free(),
            python = python.display()
        );
        // Flink's older format: PyFlink reads no other.
        fs::write(conf.join("flink-conf.yaml"), settings).unwrap();
        fs::write(folder.path().join("job.py"), article).unwrap();
        let mut flink = Self { python, home, folder, processes: Vec::new() };
        for part in ["jobmanager", "taskmanager"] {
            let mut command = flink.command(&format!("{part}.sh"), part);
            // With all its children, so that it can be ended with them.
            flink.processes.push(command.arg("start-foreground").process_group(0).spawn().unwrap());
        }
        flink
    }

    fn command(&self, script: &str, log: &str) -> Command {
        let log = fs::File::create(self.folder.path().join(log)).unwrap();
        let mut command = Command::new(self.home.join("bin").join(script));
        command
            .env("FLINK_HOME", &self.home)
            .env("FLINK_CONF_DIR", self.folder.path().join("conf"))
            .env("FLINK_LIB_DIR", self.folder.path().join("lib"))
            .env("FLINK_LOG_DIR", self.folder.path())
            .env("PYFLINK_PYTHON", &self.python)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        command
    }

    fn submit(&self) {
        let job = self.folder.path().join("job.py");
        let status = self.command("flink", "client").args(["run", "-d", "-py"]).arg(job).status().unwrap();
        let log = || fs::read_to_string(self.folder.path().join("client")).unwrap();
        assert!(status.success(), "flink run failed:\n{}", log());
    }
}

impl Drop for Flink {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let group = nix::unistd::Pid::from_raw(process.id().cast_signed());
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
            let _ = process.wait();
        }
    }
}

/// Where the outputs go.
struct Outputs {
    runtime: tokio::runtime::Runtime,
    postgres: tokio_postgres::Client,
    kafka: BaseConsumer,
}

impl Outputs {
    fn new(broker: &kafka::Kafka, postgres: &LocalPostgres) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (client, connection) =
            runtime.block_on(tokio_postgres::connect(&postgres.url(), tokio_postgres::NoTls)).unwrap();
        runtime.spawn(connection);
        let kafka = ClientConfig::new().set("bootstrap.servers", broker.bootstrap()).create().unwrap();
        Self { runtime, postgres: client, kafka }
    }

    fn empty_table(&self) {
        let sql = format!(
            "DROP TABLE IF EXISTS {TABLE}; CREATE TABLE {TABLE} (message_id varchar(255) PRIMARY KEY, sensor_id int NOT NULL, \
             message text NOT NULL, timestamp timestamptz NOT NULL)"
        );
        self.runtime.block_on(self.postgres.batch_execute(&sql)).unwrap();
    }

    fn rows(&self) -> u64 {
        let row =
            self.runtime.block_on(self.postgres.query_one(&format!("SELECT count(*) FROM {TABLE}"), &[])).unwrap();
        row.get::<_, i64>(0).cast_unsigned()
    }

    fn alerts(&self) -> u64 {
        self.kafka.fetch_watermarks(SINK, 0, Duration::from_secs(10)).unwrap().1.cast_unsigned()
    }

    /// The time from the first output to the last, seconds.
    fn time(&self, rows: u64, alerts: u64, before: u64) -> f64 {
        let deadline = Instant::now() + PATIENCE;
        let wait = |what: &str, holds: &dyn Fn() -> bool| {
            while !holds() {
                assert!(
                    Instant::now() < deadline,
                    "no {what}: {} rows, {} alerts",
                    self.rows(),
                    self.alerts() - before
                );
                std::thread::sleep(TICK);
            }
        };
        wait("first output", &|| self.alerts() > before || self.rows() > 0);
        let began = Instant::now();
        // Counting rows is dear, so it is asked for once the alerts are through.
        wait("last alert", &|| self.alerts() - before >= alerts);
        wait("last row", &|| self.rows() >= rows);
        let time = began.elapsed().as_secs_f64();
        assert_eq!((self.rows(), self.alerts() - before), (rows, alerts), "neither lost nor repeated");
        time
    }
}

/// The author's job for this Kafka and this Postgres.
fn article(broker: &kafka::Kafka, postgres: &LocalPostgres) -> String {
    let file = match std::env::var_os("PELTON_BENCH_ARTICLE") {
        Some(file) => PathBuf::from(file),
        None => {
            let file = std::env::temp_dir().join("pelton-bench-postgres_sink.py");
            download(ARTICLE, &file);
            file
        }
    };
    let mut text = fs::read_to_string(file).unwrap();
    let url = postgres.url();
    let database = url.split_once('@').unwrap().1.split('/').next().unwrap();
    for (from, to) in [
        ("\"kafka:19092\"", format!("\"{}\"", broker.bootstrap())),
        ("\"postgres:5432\"", format!("\"{database}\"")),
        ("configure_source(KAFKA_HOST)", "configure_source(KAFKA_HOST, earliest=True)".to_owned()),
        ("    alarms_data.print()\n", String::new()),
    ] {
        assert!(text.contains(from), "the author's file has no {from}");
        text = text.replace(from, &to);
    }
    // The jars are in Flink's own folder.
    let (head, rest) = text.split_once("    env.add_jars(").expect("the author's file adds jars");
    let (_, tail) = rest.split_once("    )\n").unwrap();
    format!("{head}{tail}")
}

/// The component of the Python job, made by `pelton build`.
fn component() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-jobs/python/sensor_pipeline");
    run(process::pelton(env!("CARGO_BIN_EXE_pelton"))
        .args(["build", "--install"])
        .arg(project)
        .arg("--out")
        .arg(folder.path()));
    fs::read(folder.path().join("sensor_pipeline.wasm")).unwrap()
}

fn main() {
    // `cargo test --benches` runs this too, as `--test`: a benchmark is not a test.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run me by `cargo bench --bench pyflink`");
        return;
    }
    let count = std::env::var("PELTON_BENCH_RECORDS")
        .map_or(300_000, |text| text.parse().expect("PELTON_BENCH_RECORDS is a number"));
    let wasm = component();
    let broker = kafka::Kafka::start().unwrap();
    let postgres = LocalPostgres::start(&Options::default()).unwrap();
    broker.create_topic(SOURCE, 2, &[]);
    broker.create_topic(SINK, 1, &[]);
    // The author's job ends for good at a time on the second, which its format doesn't take.
    let readings = Sensors::new(7).filter(|reading| reading.timestamp.timestamp_subsec_micros() > 0);
    let readings: Vec<_> = readings.take(count).collect();
    let alerts = readings.iter().filter(|reading| reading.temperature > Hundredths(30_00)).count() as u64;
    broker.produce(SOURCE, &readings.iter().map(|reading| kafka::Record::new(reading.to_string())).collect::<Vec<_>>());
    let outputs = Outputs::new(&broker, &postgres);

    let mut table = report::Table::new(count as u64, 1);
    outputs.empty_table();
    {
        let flink = Flink::start(&article(&broker, &postgres));
        let before = outputs.alerts();
        flink.submit();
        let run = Run::of_seconds(outputs.time(count as u64, alerts, before));
        table.add("PyFlink 1.20.1, the article's job", run);
    }
    outputs.empty_table();
    {
        let host = HostProcess::start(
            env!("CARGO_BIN_EXE_pelton"),
            &["--kafka", &broker.bootstrap(), "--postgres", &postgres.url()],
            &[],
        );
        let client = Client::new(&host.url, None, None).unwrap();
        let before = outputs.alerts();
        let digest = client.upload(wasm.as_slice(), wasm.len()).unwrap().digest;
        let from = Some(StartFrom::Earliest);
        client.submit(&Submit { digest: Some(digest), from, ..Submit::default() }).unwrap();
        table.add("Pelton, the same in Python", Run::of_seconds(outputs.time(count as u64, alerts, before)));
    }
    table.ratio("Pelton / PyFlink", "Pelton, the same in Python", "PyFlink 1.20.1, the article's job", Some(5.0));
    let text = table.markdown();
    println!("{text}");
    if std::env::args().any(|argument| argument == "--save") {
        report::save("benchmarks.md", "cargo bench --bench pyflink", &text);
    }
}
