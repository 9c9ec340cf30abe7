//! Connecting: settings, TLS, and a session whose death is noticed.
//!
//! A password is read from the URL and shown nowhere: not by `Debug`, not by `Display`, not in errors.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use native_tls::{Certificate, TlsConnector};
use postgres_native_tls::MakeTlsConnector;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config};

use super::error::{Unusable, describe};
use crate::certificates::explain;

/// How long sent bytes may stay unanswered, and how often an idle connection is probed.
const TCP_TIMEOUT: Duration = Duration::from_secs(30);
const KEEPALIVE: Duration = Duration::from_secs(15);
/// How long it may take to tell the server that a statement is given up.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// Where Postgres is and how to get in: `postgres://user:password@host:port/database?sslmode=…`.
///
/// `sslmode` is `disable`, `prefer` (the default), `require`, `verify-ca` or `verify-full`, and `sslrootcert` the file
/// of the certificates to trust, each as for `psql`: only the last two modes, or `require` with a file, prove who the
/// server is.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionUrl {
    config: Config,
    verify: Verify,
    root: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verify {
    Nothing,
    Certificate,
    CertificateAndName,
}

/// What is wrong with a URL; quotes nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadUrl(String);

impl FromStr for ConnectionUrl {
    type Err = BadUrl;

    /// Errors name what is wrong and never quote the URL.
    fn from_str(text: &str) -> Result<Self, BadUrl> {
        read(text).map_err(BadUrl)
    }
}

fn read(text: &str) -> Result<ConnectionUrl, String> {
    if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
        return Err("a Postgres URL starts with postgres://".to_owned());
    }
    let (base, query) = text.split_once('?').unwrap_or((text, ""));
    let (mut mode, mut verify, mut root) = (SslMode::Prefer, Verify::Nothing, None);
    let mut others = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", value)) => {
                (mode, verify) = match value {
                    "disable" => (SslMode::Disable, Verify::Nothing),
                    "allow" | "prefer" => (SslMode::Prefer, Verify::Nothing),
                    "require" => (SslMode::Require, Verify::Nothing),
                    "verify-ca" => (SslMode::Require, Verify::Certificate),
                    "verify-full" => (SslMode::Require, Verify::CertificateAndName),
                    _ => {
                        return Err("sslmode is none of disable, prefer, require, verify-ca, verify-full".to_owned());
                    }
                };
            }
            Some(("sslrootcert", value)) if value.contains('%') => {
                return Err("sslrootcert is taken as it stands: write it without %".to_owned());
            }
            Some(("sslrootcert", value)) => root = Some(PathBuf::from(value)),
            _ => others.push(pair),
        }
    }
    if mode == SslMode::Require && verify == Verify::Nothing && root.is_some() {
        verify = Verify::Certificate;
    }
    let rest = if others.is_empty() { base.to_owned() } else { format!("{base}?{}", others.join("&")) };
    let mut config: Config = rest.parse().map_err(|error: tokio_postgres::Error| {
        // Only this message is known to quote nothing: in a URL cut at the wrong place anything may be the password.
        let source = error.into_source().map(|source| source.to_string()).unwrap_or_default();
        let known = if source.starts_with("invalid value") { source.as_str() } else { "check its parts" };
        format!("not a Postgres URL: {known}")
    })?;
    if config.get_hosts().is_empty() {
        return Err("a Postgres URL names a host".to_owned());
    }
    config.ssl_mode(mode);
    Ok(ConnectionUrl { config, verify, root })
}

/// User, hosts and database; no password.
impl fmt::Display for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        for (i, host) in self.config.get_hosts().iter().enumerate() {
            let separator = if i == 0 { "" } else { "," };
            match host {
                Host::Tcp(name) if name.contains(':') => write!(f, "{separator}[{name}]")?,
                Host::Tcp(name) => write!(f, "{separator}{name}")?,
                Host::Unix(path) => write!(f, "{separator}{}", path.display())?,
            }
            let ports = self.config.get_ports();
            if let Some(port) = ports.get(i).or(ports.first()) {
                write!(f, ":{port}")?;
            }
        }
        if let Some(database) = self.config.get_dbname() {
            write!(f, "/{database}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionUrl({self})")
    }
}

impl ConnectionUrl {
    /// Has it have this password; false where it has one.
    pub(super) fn give_password(&mut self, password: &str) -> bool {
        let has_none = self.config.get_password().is_none();
        if has_none {
            self.config.password(password);
        }
        has_none
    }

    /// Whether TLS can be set up as it says.
    pub(super) fn check_tls(&self) -> Result<(), String> {
        self.tls().map(drop)
    }

    fn tls(&self) -> Result<MakeTlsConnector, String> {
        let mut builder = TlsConnector::builder();
        builder.danger_accept_invalid_certs(self.verify == Verify::Nothing);
        builder.danger_accept_invalid_hostnames(self.verify != Verify::CertificateAndName);
        if let Some(path) = &self.root {
            let shown = path.display();
            let pem = std::fs::read(path).map_err(|error| format!("failed to read sslrootcert {shown}: {error}"))?;
            let chain = Certificate::stack_from_pem(&pem)
                .map_err(|error| format!("sslrootcert {shown} holds no certificates in PEM: {error}"))?;
            if chain.is_empty() {
                return Err(format!("sslrootcert {shown} holds no certificates in PEM"));
            }
            builder.disable_built_in_roots(true);
            for certificate in chain {
                builder.add_root_certificate(certificate);
            }
        }
        let connector = builder.build().map_err(|error| format!("failed to set up TLS: {error}"))?;
        Ok(MakeTlsConnector::new(connector))
    }
}

/// A live connection. Dropping it ends the connection; a transaction that is open then is rolled back. Behind a pooler
/// it is a connection to that: nothing may be left in it from one transaction to the next.
#[derive(Debug)]
pub struct Session {
    client: Client,
    driver: JoinHandle<()>,
}

impl Session {
    /// Connects within `timeout`, under `application_name`. The error says where to and why not.
    pub async fn connect(url: &ConnectionUrl, application_name: &str, timeout: Duration) -> Result<Self, Unusable> {
        let refused = |reason: String| Unusable(format!("failed to connect to {url}: {reason}"));
        let tls = url.tls().map_err(refused)?;
        let mut config = url.config.clone();
        config
            .application_name(application_name)
            .connect_timeout(timeout)
            .tcp_user_timeout(TCP_TIMEOUT)
            .keepalives(true)
            .keepalives_idle(KEEPALIVE)
            .keepalives_interval(KEEPALIVE / 3)
            .keepalives_retries(3);
        let connecting = async {
            let (client, connection) = config.connect(tls).await?;
            // The driver ends with the connection; `client` then reports every call as failed, which is where it is
            // said.
            let driver = tokio::spawn(async move {
                let _ = connection.await;
            });
            Ok(Self { client, driver })
        };
        match tokio::time::timeout(timeout, connecting).await {
            Ok::<Result<_, tokio_postgres::Error>, _>(Ok(session)) => Ok(session),
            Ok(Err(error)) => Err(refused(explained(describe(&error)))),
            Err(_) => Err(refused(format!("no answer within {timeout:?}"))),
        }
    }

    /// Has the server end what its process `backend` does for the session of this name, as far as it can be reached: a
    /// statement that is only left alone goes on, with its locks, until it is done. By a function, since the protocol's
    /// own request names the server's process to nobody but the server: pgbouncer 1.18 loses it, or dies of it.
    pub(super) async fn cancel(url: &ConnectionUrl, application_name: &str, backend: i32) {
        let cancelling = async {
            let session = Self::connect(url, application_name, CANCEL_TIMEOUT).await.ok()?;
            // A process that is somebody else's by now has another name, or another state.
            let sql = "SELECT pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity
                       WHERE pid = $1 AND application_name = $2 AND state = 'active' AND pid <> pg_backend_pid()";
            session.client.query_typed(sql, &[(&backend, Type::INT4), (&application_name, Type::TEXT)]).await.ok()
        };
        let _ = tokio::time::timeout(CANCEL_TIMEOUT, cancelling).await;
    }

    /// Waits until the connection is lost.
    pub(super) async fn lost(&mut self) {
        let _ = (&mut self.driver).await;
    }

    /// Whether the connection is lost.
    pub(super) fn is_lost(&self) -> bool {
        self.driver.is_finished() || self.client.is_closed()
    }

    /// The client, for statements.
    pub fn client(&self) -> &Client {
        &self.client
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The words of a failure, with what they mean where that is about TLS.
fn explained(words: String) -> String {
    /// What the client says where the server answers that it knows no TLS.
    const NO_TLS: &str = "server does not support TLS";
    if words.contains(NO_TLS) {
        return "the server takes no connections with TLS, which sslmode asks for".to_owned();
    }
    match explain(&words) {
        Some(wrong) => format!("{wrong} ({words})"),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_never_shows_its_password() {
        let text = "postgres://flinkuser:se%40cret@db.example:5433/flinkdb?sslmode=require&password=hidden";
        let url: ConnectionUrl = text.parse().unwrap();
        assert_eq!(url.to_string(), "postgres://flinkuser@db.example:5433/flinkdb");
        assert_eq!(format!("{url:?}"), "ConnectionUrl(postgres://flinkuser@db.example:5433/flinkdb)");
        for wrong in
            ["mysql://u:secret@h/d", "postgres://u:secret@h:99999999/d", "postgres://u:secret@h/d?sslmode=sure"]
        {
            let error = wrong.parse::<ConnectionUrl>().unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn tls_modes_mean_what_they_mean_for_psql() {
        for (query, mode, verify) in [
            ("", SslMode::Prefer, Verify::Nothing),
            ("?sslmode=disable", SslMode::Disable, Verify::Nothing),
            ("?sslmode=require", SslMode::Require, Verify::Nothing),
            ("?sslmode=require&sslrootcert=/ca.pem", SslMode::Require, Verify::Certificate),
            ("?sslmode=verify-ca", SslMode::Require, Verify::Certificate),
            ("?connect_timeout=3&sslmode=verify-full", SslMode::Require, Verify::CertificateAndName),
        ] {
            let url: ConnectionUrl = format!("postgres://u@h/d{query}").parse().unwrap();
            assert_eq!((url.config.get_ssl_mode(), url.verify), (mode, verify), "{query}");
        }
    }
}
