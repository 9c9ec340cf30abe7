//! PyFlink as its users run it: a session cluster of one job manager and one task manager with the default memory. Of
//! the author's `postgres_sink.py` only hosts, the starting offset, the jars and `print` are changed, the last in
//! PyFlink's favour.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pelton_local::postgres::LocalPostgres;
use pelton_testkit::kafka;

use super::{Peer, run};

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
pub(crate) struct Flink {
    python: PathBuf,
    home: PathBuf,
    folder: tempfile::TempDir,
    pub(crate) processes: Vec<Peer>,
}

impl Flink {
    /// Installs what is missing, and starts a session cluster.
    pub(crate) fn start(article: &str) -> Self {
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
            flink.processes.push(Peer::spawn(command.arg("start-foreground")));
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

    pub(crate) fn submit(&self) {
        let job = self.folder.path().join("job.py");
        let status = self.command("flink", "client").args(["run", "-d", "-py"]).arg(job).status().unwrap();
        let log = || fs::read_to_string(self.folder.path().join("client")).unwrap();
        assert!(status.success(), "flink run failed:\n{}", log());
    }
}

/// The author's job for this Kafka and this Postgres.
pub(crate) fn article(broker: &kafka::Kafka, postgres: &LocalPostgres) -> String {
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
