//! Apache Kafka itself: its jars, fetched once with Maven into a cache folder, and the Java that runs them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};

/// The version that the compose file runs, too.
pub(super) const KAFKA: &str = "4.1.1";
/// The last one of those before, which many still run.
pub(super) const OLD_KAFKA: &str = "3.9.1";
/// What Kafka logs through: the one that its own distribution has.
const LOG4J: &str = "2.24.3";
/// The oldest Java that this Kafka's broker runs on.
const JAVA: u32 = 17;

/// What is needed to run a broker.
#[derive(Debug, Clone)]
pub(super) struct Installation {
    java: PathBuf,
    jars: PathBuf,
}

impl Installation {
    /// Looks for Java and the jars, and fetches the jars if they aren't there. Done once per process. The error is a
    /// reason for people, such as `it needs Java 17 or newer, …`.
    pub(super) fn get(version: &'static str) -> Result<Self, String> {
        static FOUND: Mutex<BTreeMap<&str, Result<Installation, String>>> = Mutex::new(BTreeMap::new());
        let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        found.entry(version).or_insert_with(|| Self::find(version).map_err(|error| format!("{error:#}"))).clone()
    }

    fn find(version: &str) -> Result<Self> {
        let java = match std::env::var_os("JAVA_HOME") {
            Some(home) => PathBuf::from(home).join("bin/java"),
            None => PathBuf::from("java"),
        };
        check_java(&java).with_context(|| format!("it needs Java {JAVA} or newer"))?;
        let cache = match std::env::var_os("XDG_CACHE_HOME") {
            Some(folder) => PathBuf::from(folder),
            None => std::env::home_dir().context("there is no home folder")?.join(".cache"),
        };
        let jars = cache.join("pelton").join(format!("kafka-{version}"));
        if !jars.is_dir() {
            fetch(version, &jars).context("it needs Apache Kafka, fetched with Maven")?;
        }
        Ok(Self { java, jars })
    }

    /// Adds to `command` what runs the main class `class`, which the caller follows with its arguments.
    pub(super) fn run(&self, command: &mut Command, class: &str) {
        // What the environment says about Java, such as another heap size, isn't for this one.
        command.env_remove("JAVA_TOOL_OPTIONS").arg(&self.java).args(["-Xmx512m", "-Djava.awt.headless=true"]);
        command.arg(format!("-Dlog4j2.configurationFile={}", self.jars.join("log4j2.properties").display()));
        command.arg("-cp").arg(self.jars.join("*")).arg(class);
    }

    /// A command for one of Kafka's own tools.
    pub(super) fn tool(&self, class: &str) -> Command {
        // `env` takes its program from the arguments, as the leash of the broker does.
        let mut command = Command::new("env");
        self.run(&mut command, class);
        command
    }
}

fn check_java(java: &Path) -> Result<()> {
    let output =
        Command::new(java).arg("-version").output().with_context(|| format!("failed to run {}", java.display()))?;
    let text = String::from_utf8_lossy(&output.stderr);
    // As in `openjdk version "17.0.15" 2025-04-15`.
    let version: Option<u32> =
        text.split('"').nth(1).and_then(|version| version.split(['.', '-', '+']).next()?.parse().ok());
    match version {
        Some(version) if version >= JAVA => Ok(()),
        Some(version) => bail!("{} is Java {version}", java.display()),
        None => bail!("{} -version said {:?}", java.display(), text.trim()),
    }
}

/// Has Maven resolve Kafka and what it depends on, into a folder that then takes its place as a whole.
fn fetch(version: &str, jars: &Path) -> Result<()> {
    let parent = jars.parent().context("the cache folder has no parent")?;
    fs::create_dir_all(parent)?;
    let folder = tempfile::Builder::new().prefix(".kafka-").tempdir_in(parent)?;
    let pom = folder.path().join("pom.xml");
    fs::write(&pom, POM.replace("KAFKA", version).replace("LOG4J", LOG4J))?;
    fs::write(folder.path().join("log4j2.properties"), LOGGING)?;
    let output = Command::new("mvn")
        .args(["--batch-mode", "--quiet", "--file"])
        .arg(&pom)
        .arg("org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies")
        .arg("-DincludeScope=runtime")
        .arg(format!("-DoutputDirectory={}", folder.path().display()))
        .output()
        .context("failed to run mvn")?;
    let said = String::from_utf8_lossy(&output.stdout);
    // The rest is general advice.
    let reason = said.lines().find(|line| line.contains("ERROR")).unwrap_or_default();
    ensure!(output.status.success(), "mvn failed ({}): {reason}", output.status);
    match fs::rename(folder.path(), jars) {
        Ok(()) => {
            let _moved = folder.keep();
            Ok(())
        }
        // Another test process was faster.
        Err(_) if jars.is_dir() => Ok(()),
        Err(error) => Err(error).with_context(|| format!("failed to rename a folder to {}", jars.display())),
    }
}

const POM: &str = "\
<project xmlns=\"http://maven.apache.org/POM/4.0.0\">
  <modelVersion>4.0.0</modelVersion>
  <groupId>pelton.test</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>KAFKA</version>
      <exclusions>
        <exclusion>
          <groupId>ch.qos.logback</groupId>
          <artifactId>logback-classic</artifactId>
        </exclusion>
      </exclusions>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>LOG4J</version>
    </dependency>
  </dependencies>
</project>
";

const LOGGING: &str = "\
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
";
