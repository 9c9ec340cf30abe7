//! How Postgres is reached, and how rows are cut into transactions.

use std::time::Duration;

use pelton_delivery::streak::MOST_BAD;
use pelton_model::settings::{self, Secret};
use pelton_model::spec::Target;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::connect::{BadUrl, ConnectionUrl};
use super::cut::Cut;
use super::timeouts::Timeouts;
use crate::error::Error;

/// What people call it.
pub(super) const NAME: &str = "Postgres";
/// How much longer the server lets a statement run than this host waits for it.
const BEYOND_WRITE: Duration = Duration::from_secs(5);

/// How Postgres is reached and how rows are cut into transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresConfig {
    /// Where and as whom.
    pub url: ConnectionUrl,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long writing one batch may take.
    pub write_timeout: Duration,
    /// How long it may wait for a lock; half of that where it is not set.
    pub lock_timeout: Option<Duration>,
    /// How long the server lets a statement run; where it is not set, a moment longer than anybody waits for it.
    pub statement_timeout: Option<Duration>,
    /// Rows of one transaction, for a table.
    pub max_rows: usize,
    /// Bytes of one transaction's rows. One row may be larger.
    pub max_bytes: usize,
    /// How long the first row waits for the transaction to fill, for a table.
    pub linger: Duration,
    /// Rows of one transaction, for a statement.
    pub statement_rows: usize,
    /// How long the first row waits for the transaction to fill, for a statement.
    pub statement_linger: Duration,
    /// How many rows may be refused in a row before the sink is held; 0: it never is.
    pub hold_after: u32,
}

impl PostgresConfig {
    /// The defaults, for a server.
    pub fn new(url: ConnectionUrl) -> Self {
        Self {
            url,
            connect_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(60),
            lock_timeout: None,
            statement_timeout: None,
            max_rows: 5_000,
            max_bytes: 4 << 20,
            linger: Duration::from_millis(20),
            statement_rows: 200,
            statement_linger: Duration::from_secs(1),
            hold_after: MOST_BAD,
        }
    }

    /// What the host's settings say.
    ///
    /// # Errors
    /// They make no sense; the error quotes none of them.
    pub fn of(settings: &settings::Postgres) -> Result<Self, Error> {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let url = match &settings.url {
            Some(Secret(url)) => url.clone(),
            None => format!(
                "postgres://{}:{}@{}/{}",
                encoded(&settings.user),
                encoded(&settings.password.0),
                settings.host,
                encoded(&settings.database)
            ),
        };
        let no_sense = |error: String| Error::settings(NAME, format!("the Postgres settings make no sense: {error}"));
        let mut url: ConnectionUrl = url.parse().map_err(|error: BadUrl| no_sense(error.to_string()))?;
        if settings.url.is_some() && settings.password_file.is_some() && !url.give_password(&settings.password.0) {
            return Err(no_sense("both postgres.url and postgres.password_file hold a password; keep one".to_owned()));
        }
        url.check_tls().map_err(no_sense)?;
        let mut sink = PostgresConfig::new(url);
        let set = |from: Option<usize>, to: &mut usize| *to = from.unwrap_or(*to);
        set(settings.max_rows, &mut sink.max_rows);
        set(settings.max_bytes, &mut sink.max_bytes);
        set(settings.statement_rows, &mut sink.statement_rows);
        sink.write_timeout = settings.write_timeout.unwrap_or(sink.write_timeout);
        sink.lock_timeout = settings.lock_timeout;
        sink.statement_timeout = settings.statement_timeout;
        sink.linger = settings.linger.unwrap_or(sink.linger);
        sink.statement_linger = settings.statement_linger.unwrap_or(sink.statement_linger);
        Ok(sink)
    }

    /// How long a transaction waits for a lock.
    pub fn lock_timeout(&self) -> Duration {
        self.lock_timeout.unwrap_or(self.write_timeout / 2)
    }

    /// How long the server lets a statement run.
    pub fn statement_timeout(&self) -> Duration {
        self.statement_timeout.unwrap_or(self.write_timeout + BEYOND_WRITE)
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        let (lock, statement) = (self.lock_timeout(), self.statement_timeout());
        Timeouts { connect: self.connect_timeout, write: self.write_timeout, lock, statement }
    }

    pub(super) fn cut(&self, target: &Target) -> Cut {
        let (max_rows, linger) = match target {
            Target::Statement(_) => (self.statement_rows, self.statement_linger),
            _ => (self.max_rows, self.linger),
        };
        Cut { max_rows, max_bytes: self.max_bytes, linger }
    }
}
