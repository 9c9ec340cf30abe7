//! A real, private Postgres.
//!
//! It listens on a free port of 127.0.0.1 only, wants a password (SCRAM), has the role and the database of the
//! article's compose file, and keeps its data in a temporary folder. It ends with its owner: when [`LocalPostgres`] is
//! stopped or dropped, or when the process that holds it is gone for whatever reason; nothing is left behind then. A
//! Ctrl-C in the terminal doesn't reach it, so that a host can drain into it first.
//!
//! Postgres refuses to run as root, so for root it runs as `nobody`.
//!
//! Everything here blocks: from async code call it in `spawn_blocking`.

mod account;
mod binaries;
mod fetch;
mod options;

use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use pelton_model::cause::Because as _;
use tempfile::TempDir;

use crate::error::Error;
use crate::leash::{self, Leash};
use account::Account;
use binaries::Binaries;
pub use options::{Options, Programs};

const USER: &str = "flinkuser";
const PASSWORD: &str = "flinkpassword";
const DATABASE: &str = "flinkdb";

/// Crash recovery after a `kill -9` is part of a start.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// A port that was free may be another's by the time the server binds it.
const PORT_ATTEMPTS: usize = 5;
/// A fast shutdown ends the sessions; an immediate one also skips the checkpoint.
const SHUTDOWN: [(Signal, Duration); 2] =
    [(Signal::SIGINT, Duration::from_secs(20)), (Signal::SIGQUIT, Duration::from_secs(5))];

/// A Postgres server of our own. Dropping it stops the server and removes its data.
#[derive(Debug)]
pub struct LocalPostgres {
    // Fields drop in this order: the server goes before its folder.
    server: Option<Leash>,
    folder: TempDir,
    binaries: Binaries,
    account: Account,
    port: u16,
    durable: bool,
    /// Whether it takes connections with TLS.
    tls: bool,
}

impl LocalPostgres {
    /// Finds or fetches Postgres, makes a database cluster, starts it and waits until it answers.
    ///
    /// The error of a failed start carries the end of the server's log.
    pub fn start(options: &Options) -> Result<Self, Error> {
        Self::make(options).because(Error::Postgres)
    }

    fn make(options: &Options) -> Result<Self> {
        let account = Account::choose()?;
        let binaries = Binaries::locate(options, &account)?;
        let folder = account.temporary_folder("pelton-postgres-")?;
        let durable = options.durable;
        let mut postgres = Self { server: None, folder, binaries, account, port: 0, durable, tls: false };
        postgres.initialise()?;
        for attempt in 1.. {
            postgres.port = free_port()?;
            match postgres.launch() {
                Ok(()) => break,
                Err(_) if attempt < PORT_ATTEMPTS && !port_is_free(postgres.port) => continue,
                Err(error) => return Err(error),
            }
        }
        Ok(postgres)
    }

    /// `postgres://flinkuser:flinkpassword@127.0.0.1:PORT/flinkdb`.
    pub fn url(&self) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{DATABASE}", self.port)
    }

    /// The port on 127.0.0.1. It stays the same over [`start_again`](Self::start_again).
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the server's first process, or `None` while it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Leash::pid)
    }

    /// What runs, for people: the version and where it was found, as in
    /// `PostgreSQL 16.15 (/usr/lib/postgresql/16/bin)`.
    pub fn describe(&self) -> String {
        self.binaries.to_string()
    }

    /// The temporary folder with the data and the log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Stops the server and removes its data.
    pub fn stop(mut self) -> Result<(), Error> {
        self.stop_keep_data()?;
        let folder = self.folder.path();
        fs::remove_dir_all(folder)
            .with_context(|| format!("failed to remove {}", folder.display()))
            .because(Error::Folder)
    }

    /// Stops the server (fast shutdown), and keeps data and port for [`start_again`](Self::start_again).
    pub fn stop_keep_data(&mut self) -> Result<(), Error> {
        if let Some(mut server) = self.server.take() {
            server.end(&SHUTDOWN).context("failed to stop postgres").because(Error::Postgres)?;
        }
        Ok(())
    }

    /// Starts the server on the data and the port it had, and waits until it answers. Does nothing
    /// while it runs.
    pub fn start_again(&mut self) -> Result<(), Error> {
        self.launch().because(Error::Postgres)
    }

    /// Has it take connections with TLS, too, with this certificate and its key, both in PEM; it is stopped and started
    /// for that.
    pub fn set_certificate(&mut self, certificate: &Path, key: &Path) -> Result<(), Error> {
        self.stop_keep_data()?;
        self.install(certificate, key).because(Error::Postgres)?;
        self.tls = true;
        self.start_again()
    }

    /// Puts both where the server looks for them, which takes a key only that nobody else can read.
    fn install(&self, certificate: &Path, key: &Path) -> Result<()> {
        for (from, name) in [(certificate, "server.crt"), (key, "server.key")] {
            let to = self.data().join(name);
            fs::copy(from, &to).with_context(|| format!("failed to copy {} to {}", from.display(), to.display()))?;
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600))
                .with_context(|| format!("failed to set the mode of {}", to.display()))?;
            self.account.give(&to)?;
        }
        Ok(())
    }

    fn launch(&mut self) -> Result<()> {
        if let Some(server) = &mut self.server
            && server.exited()?.is_none()
        {
            return Ok(());
        }
        let mut command = leash::command(Signal::SIGINT, self.folder.path(), &self.log())?;
        self.prepare(command.arg(self.binaries.program("postgres")));
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        let ssl = if self.tls { "ssl=on" } else { "ssl=off" };
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", ssl, "timezone=UTC"] {
            command.args(["-c", setting]);
        }
        if !self.durable {
            command.args(["-c", "fsync=off"]);
        }
        self.server = Some(Leash::spawn(&mut command).context("failed to start postgres")?);
        let started = self.wait_until_ready();
        if started.is_err() {
            self.stop_keep_data()?;
        }
        started
    }

    /// Makes the database cluster: one superuser, as the official image does with `POSTGRES_USER`.
    fn initialise(&self) -> Result<()> {
        let password = self.folder.path().join("password");
        fs::write(&password, PASSWORD).with_context(|| format!("failed to write {}", password.display()))?;
        self.account.give(&password)?;
        let mut command = Command::new(self.binaries.program("initdb"));
        self.prepare(&mut command);
        command
            .arg("--pgdata")
            .arg(self.data())
            .arg("--pwfile")
            .arg(&password)
            .args(["--username", USER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"])
            .arg("--no-sync");
        let output = command.output().context("failed to run initdb")?;
        if !output.status.success() {
            bail!("initdb failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        fs::remove_file(&password).with_context(|| format!("failed to remove {}", password.display()))
    }

    /// As the right user, in a folder that it may enter, and with nothing from our environment: `PGDATA`, `PGPORT` and
    /// their like would be obeyed.
    fn prepare(&self, command: &mut Command) {
        self.account.apply(command);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").as_deref().unwrap_or(OsStr::new("/usr/bin:/bin")))
            .env("LC_ALL", "C")
            .current_dir(self.folder.path());
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("failed to make a runtime for the readiness probe")?;
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            if let Some(server) = &mut self.server
                && let Some(status) = server.exited()?
            {
                let (port, log) = (self.port, self.log_tail());
                bail!("postgres on port {port} ended while starting ({status}); its log ends with\n{log}");
            }
            match runtime.block_on(self.probe()) {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() >= deadline => {
                    let (port, patience, log) = (self.port, START_DEADLINE.as_secs(), self.log_tail());
                    return Err(error).with_context(|| {
                        format!("postgres on port {port} did not answer within {patience} s; its log ends with\n{log}")
                    });
                }
                Err(_) => sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Succeeds once the database is there and answers; makes it if it isn't.
    async fn probe(&self) -> Result<()> {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user(USER)
            .password(PASSWORD)
            .dbname("postgres")
            .connect_timeout(Duration::from_secs(5));
        let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
        // Ends by itself when the client is dropped.
        tokio::spawn(connection);
        let exists = client.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&DATABASE]).await?;
        if exists.is_none() {
            client.batch_execute(&format!("CREATE DATABASE {DATABASE}")).await?;
        }
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn log_tail(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }
}

impl Drop for LocalPostgres {
    fn drop(&mut self) {
        if let Err(error) = self.stop_keep_data() {
            tracing::warn!("failed to stop the local postgres: {error:#}");
        }
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("failed to find a free port on 127.0.0.1")?;
    Ok(listener.local_addr().context("failed to read the port of a socket")?.port())
}

fn port_is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
