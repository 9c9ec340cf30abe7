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

/// How Postgres is reached and how rows are cut into transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresConfig {
    /// Where and as whom.
    pub url: ConnectionUrl,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long writing one batch may take; half of it to wait for a lock.
    pub write_timeout: Duration,
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
        let url: ConnectionUrl = url
            .parse()
            .map_err(|error: BadUrl| Error::settings(NAME, format!("the Postgres settings make no sense: {error}")))?;
        let mut sink = PostgresConfig::new(url);
        let set = |from: Option<usize>, to: &mut usize| *to = from.unwrap_or(*to);
        set(settings.max_rows, &mut sink.max_rows);
        set(settings.max_bytes, &mut sink.max_bytes);
        set(settings.statement_rows, &mut sink.statement_rows);
        sink.write_timeout = settings.write_timeout.unwrap_or(sink.write_timeout);
        sink.linger = settings.linger.unwrap_or(sink.linger);
        sink.statement_linger = settings.statement_linger.unwrap_or(sink.statement_linger);
        Ok(sink)
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        Timeouts { connect: self.connect_timeout, write: self.write_timeout }
    }

    pub(super) fn cut(&self, target: &Target) -> Cut {
        let (max_rows, linger) = match target {
            Target::Statement(_) => (self.statement_rows, self.statement_linger),
            _ => (self.max_rows, self.linger),
        };
        Cut { max_rows, max_bytes: self.max_bytes, linger }
    }
}
