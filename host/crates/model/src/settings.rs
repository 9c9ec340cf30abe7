//! Settings: defaults, then a TOML file, then the environment, then flags. Unknown keys are refused by name.
//!
//! All defaults stand in this file, in the `Default` of its sections, and with the sink of Postgres. `KAFKA_HOST`,
//! `POSTGRES_HOST`, `POSTGRES_USER`, `POSTGRES_PASSWORD` and `POSTGRES_DB` mean what they meant in the article's
//! compose file; any setting can be given as `PELTON_<SECTION>__<KEY>`. No error quotes a value that may be a secret.

mod api;
mod check;
mod kafka;
mod layers;
mod limits;
mod listen;
mod observe;
mod postgres;
mod secret;
mod variable;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::cause::Because as _;
use crate::error::Error;
use crate::regular::{self, TEXT_BYTES};
pub use api::Api;
pub use kafka::Kafka;
use layers::{Layers, Unknown};
pub use limits::Limits;
pub use observe::{Sampling, Tracing};
pub use postgres::Postgres;
pub use secret::Secret;

/// Everything that can be set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Kafka.
    pub kafka: Kafka,
    /// Postgres.
    pub postgres: Postgres,
    /// The folder that users drop jobs into.
    pub usr_jobs: PathBuf,
    /// Whether links in it may lead out of it.
    pub usr_jobs_follow_links: bool,
    /// The host's own folder: the registry of jobs, their components, compiled code.
    pub data: PathBuf,
    /// Where the API listens.
    #[serde(with = "listen")]
    pub listen: SocketAddr,
    /// Who may call the API.
    pub api: Api,
    /// Whether every job in `usr_jobs` is submitted at start.
    pub submit_all: bool,
    /// How records are cut into batches.
    pub batch: Batching,
    /// How records are delivered.
    pub delivery: DeliverySettings,
    /// What a guest may use.
    pub limits: Limits,
    /// How a new version is tried.
    pub reload: Reloading,
    /// The last records of each job, for people to look at.
    pub samples: Sampling,
    /// Traces of records.
    pub tracing: Tracing,
    /// Log lines: `text` or `json`.
    pub log_format: LogFormat,
    /// What people should know of where the settings came from, a sentence each.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            kafka: Kafka::default(),
            postgres: Postgres::default(),
            usr_jobs: "usr_jobs".into(),
            usr_jobs_follow_links: false,
            data: "data".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            api: Api::default(),
            submit_all: false,
            batch: Batching::default(),
            delivery: DeliverySettings::default(),
            limits: Limits::default(),
            reload: Reloading::default(),
            samples: Sampling::default(),
            tracing: Tracing::default(),
            log_format: LogFormat::Text,
            warnings: Vec::new(),
        }
    }
}

/// How records are cut into batches. A batch is handed over when it is full, or when nothing more is there to be read
/// and no instance has a batch of its partition; `linger` bounds how long it waits while one has.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Batching {
    /// Most records in a batch.
    pub max_records: usize,
    /// Most bytes in a batch; a larger record is a batch of its own.
    pub max_bytes: usize,
    /// Longest wait for further records.
    #[serde(with = "crate::durations")]
    pub linger: Duration,
}

impl Default for Batching {
    fn default() -> Self {
        Self { max_records: 1000, max_bytes: 1 << 20, linger: Duration::from_millis(5) }
    }
}

/// How records are delivered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliverySettings {
    /// Bytes that a job may have in flight, MiB: read, but not yet acknowledged by every sink. Beyond it the job's
    /// partitions are paused.
    pub in_flight_mib: usize,
    /// How many rows or messages a sink may refuse in a row, without a good one between, before it is held instead of
    /// filling the dead letters; a tenth of the default where it has never taken any. 0: it is never held.
    pub hold_after: u32,
    /// How often offsets are committed.
    #[serde(with = "crate::durations")]
    pub commit_interval: Duration,
    /// How long a rebalance or a stop waits for what is in flight. Must be below the group's `session.timeout.ms`.
    #[serde(with = "crate::durations")]
    pub drain_timeout: Duration,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            in_flight_mib: 32,
            hold_after: 100,
            commit_interval: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(20),
        }
    }
}

/// How a new version of a running job is tried: if more than a share of its first batches fail, or it fails on every
/// record, the version before is put back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reloading {
    /// How many batches are the first; 0 for no probation.
    pub probation_batches: u32,
    /// The share of them that may fail, from 0 to 1.
    pub max_failed: f64,
}

impl Default for Reloading {
    fn default() -> Self {
        Self { probation_batches: 20, max_failed: 0.5 }
    }
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Properties that delivery depends on: with other values records would be lost, so they are not open to settings.
const OURS: [&str; 7] = [
    "enable.auto.commit",
    "auto.commit.interval.ms",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "group.id",
    "enable.idempotence",
    "bootstrap.servers",
];

/// Variables with a name of their own: those of the article's compose file, and the token, which client commands read,
/// too.
const NAMED: [(&str, &str); 7] = [
    ("KAFKA_HOST", "kafka.bootstrap"),
    ("POSTGRES_HOST", "postgres.host"),
    ("POSTGRES_USER", "postgres.user"),
    ("POSTGRES_PASSWORD", "postgres.password"),
    ("POSTGRES_DB", "postgres.database"),
    ("PELTON_TOKEN", "api.token"),
    ("PELTON_TOKEN_FILE", "api.token_file"),
];

/// Settings that are read from `PELTON_<SECTION>__<KEY>` as text, whatever it looks like: a password may be a number.
const SECRETS: [&str; 4] = ["postgres.url", "postgres.password", "api.token", "api.read_token"];

/// Variables that are no settings of the host.
const OTHERS: [&str; 11] = [
    "api",
    "api_ca",
    "token",
    "token_file",
    "log",
    "registry_user",
    "registry_password",
    "test_require_kafka",
    "test_records",
    "bench_records",
    "bench_rounds",
];

impl Config {
    /// Reads the settings. `flags` are those given on the command line, as key paths and values; they win.
    pub fn load(file: Option<&Path>, flags: &[(&str, Value)]) -> Result<Self, Error> {
        Self::read(file, flags).because(Error::Settings)
    }

    fn read(file: Option<&Path>, flags: &[(&str, Value)]) -> Result<Self> {
        let (mut layers, mut warnings) = (Layers::default(), Vec::new());
        if let Some(file) = file {
            layers.set(&[], Value::Table(table(file)?), &file.display().to_string());
        }
        for (name, key) in NAMED {
            set_text(name, key, &mut layers)?;
        }
        let secrets = SECRETS.map(|key| key.replace('.', "__"));
        for (name, value) in std::env::vars_os() {
            let name = name.to_string_lossy();
            let lower = name.trim().to_ascii_lowercase();
            let Some(key) = lower.strip_prefix("pelton_") else { continue };
            if OTHERS.contains(&key) || secrets.iter().any(|secret| secret == key) {
                continue;
            }
            let path: Vec<_> = key.split("__").map(str::to_owned).collect();
            if path.iter().any(String::is_empty) {
                continue;
            }
            let value = variable::value(&value.to_string_lossy());
            match Unknown::of::<Self>(&path, &value) {
                None => layers.set(&path, value, &format!("the variable {name}")),
                Some(Unknown { near }) => warnings.extend(ignored(&name, &path, near.as_deref())),
            }
        }
        for (key, name) in SECRETS.iter().zip(&secrets) {
            set_text(&format!("PELTON_{}", name.to_uppercase()), key, &mut layers)?;
        }
        for (key, value) in flags {
            layers.set(&path(key), value.clone(), "the command line");
        }
        let config: Self = layers.read().map_err(|error| anyhow!("the settings make no sense: {error}"))?;
        let mut config = Self { warnings, ..config };
        config.read_passwords()?;
        config.check()?;
        Ok(config)
    }

    /// Takes over the passwords that are in files.
    fn read_passwords(&mut self) -> Result<()> {
        if let Some(file) = &self.postgres.password_file {
            self.postgres.password = secret::of_file("postgres.password_file", file)?;
        }
        if let Some(file) = &self.kafka.password_file {
            let Secret(password) = secret::of_file("kafka.password_file", file)?;
            let before = self.kafka.properties.insert("sasl.password".to_owned(), password);
            ensure!(
                before.is_none(),
                "both kafka.password_file and kafka.properties.\"sasl.password\" are set; keep one"
            );
        }
        Ok(())
    }

    /// Writes what people should know of these settings to the log.
    pub fn log_warnings(&self) {
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
    }

    fn check(&self) -> Result<()> {
        for (section, properties) in [
            ("properties", &self.kafka.properties),
            ("consumer", &self.kafka.consumer),
            ("producer", &self.kafka.producer),
        ] {
            if let Some(key) = properties.keys().find(|key| OURS.contains(&key.as_str())) {
                bail!(
                    "kafka.{section} sets {key:?}, which Pelton itself must set for records not to be lost; remove it"
                );
            }
        }
        let Self { batch, delivery, limits, api, postgres, .. } = self;
        check::numbers(&[
            ("batch.max_records", Some(batch.max_records)),
            ("batch.max_bytes", Some(batch.max_bytes)),
            ("delivery.in_flight_mib", Some(delivery.in_flight_mib)),
            ("limits.memory_mib", Some(limits.memory_mib)),
            ("limits.compile_mib", Some(limits.compile_mib)),
            ("limits.answer_mib", Some(limits.answer_mib)),
            ("limits.auto_instances", limits.auto_instances),
            ("api.upload_mib", Some(api.upload_mib)),
            ("api.uploads", Some(api.uploads)),
            ("postgres.max_rows", postgres.max_rows),
            ("postgres.max_bytes", postgres.max_bytes),
            ("postgres.statement_rows", postgres.statement_rows),
        ])?;
        check::times(&[
            ("delivery.commit_interval", Some(delivery.commit_interval)),
            ("limits.batch_time", Some(limits.batch_time)),
            ("limits.start_time", Some(limits.start_time)),
            ("limits.compile_time", Some(limits.compile_time)),
            ("api.read_time", Some(api.read_time)),
            ("api.write_time", Some(api.write_time)),
            ("api.upload_time", Some(api.upload_time)),
            ("postgres.write_timeout", postgres.write_timeout),
        ])?;
        check::brokers("kafka.bootstrap", &self.kafka.bootstrap)?;
        check::folder("usr_jobs", &self.usr_jobs)?;
        ensure!(
            (0.0..=1.0).contains(&self.reload.max_failed),
            "reload.max_failed is {}; it must be a share between 0 and 1",
            self.reload.max_failed
        );
        ensure!(
            (0.0..=1.0).contains(&self.tracing.sample),
            "tracing.sample is {}; it must be a share between 0 and 1",
            self.tracing.sample
        );
        let endpoint = &self.tracing.endpoint;
        ensure!(
            endpoint.is_empty() || ["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme)),
            "tracing.endpoint is no URL; it must be like http://localhost:4318/v1/traces"
        );
        if let Some(timeout) =
            self.kafka.consumer.get("session.timeout.ms").or(self.kafka.properties.get("session.timeout.ms"))
        {
            let timeout: u128 = timeout.parse().context("session.timeout.ms is not a number")?;
            ensure!(
                self.delivery.drain_timeout.as_millis() < timeout,
                "delivery.drain_timeout ({:?}) must be below session.timeout.ms ({timeout})",
                self.delivery.drain_timeout
            );
        }
        Ok(())
    }
}

/// Why a variable of the environment counts for nothing, where it looks like a setting. Others are passed over in
/// silence: Kubernetes puts `PELTON_PORT` and `PELTON_SERVICE_HOST` into every pod beside a Service of the name pelton.
fn ignored(name: &str, path: &[String], near: Option<&[String]>) -> Option<String> {
    /// Most signs of a name that are shown.
    const LONGEST: usize = 100;
    // Whoever sets the environment writes no line of the log.
    let name: String = name.escape_debug().take(LONGEST).collect();
    let is_nested = path.len() > 1;
    let meant = near.map(|near| format!("; did you mean PELTON_{}?", near.join("__").to_uppercase()));
    (is_nested || meant.is_some())
        .then(|| format!("the variable {name} is ignored, for there is no such setting{}", meant.unwrap_or_default()))
}

fn path(key: &str) -> Vec<String> {
    key.split('.').map(str::to_owned).collect()
}

/// A settings file. The error quotes nothing of it: a secret may stand in the line that can't be read.
fn table(file: &Path) -> Result<Table> {
    ensure!(file.is_file(), "the settings file {} does not exist", file.display());
    let text = regular::read_text(file, TEXT_BYTES)
        .with_context(|| format!("failed to read the settings file {}", file.display()))?;
    text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|sign| *sign != '\n').count() + 1;
        let what = error.message();
        anyhow!(
            "the settings make no sense: TOML parse error at line {line}, column {column}: {what} in {}",
            file.display()
        )
    })
}

/// Sets what a variable says, as text; nothing where it is not set.
fn set_text(name: &str, key: &str, layers: &mut Layers) -> Result<()> {
    match std::env::var(name) {
        Ok(value) => layers.set(&path(key), Value::String(value), &format!("the variable {name}")),
        Err(std::env::VarError::NotPresent) => {}
        Err(std::env::VarError::NotUnicode(_)) => bail!("the variable {name} is not text in UTF-8"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_variable_writes_no_line_of_the_log() {
        let name = format!("PELTON_KAFKA__X\n2026 ERROR {}", "y".repeat(100_000));
        let told = ignored(&name, &["kafka".to_owned(), "x".to_owned()], None).unwrap();
        assert!(told.starts_with("the variable PELTON_KAFKA__X\\n2026 ERROR yyy") && told.len() < 200, "{told}");
    }
}
