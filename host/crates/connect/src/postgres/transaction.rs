//! A transaction, wholly on one connection of the server.
//!
//! A pooler in transaction mode gives each transaction the server's connection that is free just then, and everything
//! that stays with a connection (prepared statements, settings) is met there by whoever comes next, under names that
//! are the same in every program. So nothing stays: a statement is prepared within the transaction that it is used in,
//! and is closed in it; settings are those of the transaction, and those of the role where others have left some.
//! Before the first row it is proved that what was said to begin with still holds, which it doesn't where a pooler
//! gives every statement a connection.

use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use futures_util::future;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, SimpleQueryMessage, Statement};

use super::error::{Failure, describe};
use super::timeouts::Limits;

/// A setting of our own that only this transaction has.
const PROOF: &str = "pelton.transaction";
/// How long the server keeps a transaction whose host has gone silent.
const IDLE: Duration = Duration::from_secs(60);
/// How often the server looks, while it works, whether the host is still there; and when it asks a host whose machine
/// may be gone, how often, and how many answers may be missing.
const LOOK_FOR_CLIENT: Duration = Duration::from_secs(5);
const KEEPALIVE: [u32; 3] = [15, 5, 3];
/// Names of statements that other programs may have left on a connection before it is given up.
const NAMES: usize = 100;

/// What every transaction begins with: as the role is set up, whatever others have left on the connection. `READ
/// COMMITTED`, so that what is looked up under a lock is what is there now.
fn begin(limits: &Limits) -> String {
    let [idle, interval, count] = KEEPALIVE;
    let mut begin = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = DEFAULT;
         SET LOCAL synchronous_commit = DEFAULT; SET LOCAL role = DEFAULT; SET LOCAL search_path = DEFAULT;
         SET LOCAL lock_timeout = {}; SET LOCAL idle_in_transaction_session_timeout = {};
         SET LOCAL tcp_keepalives_idle = {idle}; SET LOCAL tcp_keepalives_interval = {interval};
         SET LOCAL tcp_keepalives_count = {count}",
        // 0 would be for ever.
        limits.lock.as_millis().max(1),
        IDLE.as_millis()
    );
    if limits.looks_for_client {
        begin.push_str(&look_for_client());
    }
    if let Some(statement) = limits.statement {
        begin.push_str(&statement_timeout(statement));
    }
    begin
}

fn look_for_client() -> String {
    format!("; SET LOCAL client_connection_check_interval = {}", LOOK_FOR_CLIENT.as_millis())
}

/// The role's own limit stays where it is shorter.
fn statement_timeout(limit: Duration) -> String {
    let limit = format!("{}ms", limit.as_millis().max(1));
    let set = "pg_catalog.current_setting('statement_timeout')";
    format!(
        "; SELECT pg_catalog.set_config('statement_timeout', CASE WHEN {set} = '0' OR \
         {set}::pg_catalog.interval > '{limit}'::pg_catalog.interval THEN '{limit}' ELSE {set} END, true)"
    )
}

/// Whether the server can look, while it works, whether this host is still there: from 14 on, where its system can
/// tell.
pub(super) async fn looks_for_client(client: &Client) -> Result<bool, Failure> {
    let tried = client.batch_execute(&format!("BEGIN{}", look_for_client())).await;
    if let Err(error) = &tried
        && error.as_db_error().is_none()
    {
        return Err(Failure::Down(describe(error)));
    }
    client.batch_execute("ROLLBACK").await?;
    Ok(tried.is_ok())
}

/// The server's process for a transaction; 0 where none is known, or none is under way.
#[derive(Debug, Default)]
pub(super) struct Backend(AtomicI32);

impl Backend {
    pub(super) fn id(&self) -> Option<i32> {
        Some(self.0.load(Ordering::Acquire)).filter(|&id| id != 0)
    }

    /// Says that no transaction is under way.
    pub(super) fn is_idle(&self) {
        self.0.store(0, Ordering::Release);
    }
}

/// Looks something up, in a transaction of its own.
pub(super) async fn look<T>(
    client: &Client,
    limits: impl Into<Limits>,
    look: impl Future<Output = Result<T, Error>>,
) -> Result<T, Failure> {
    client.batch_execute(&begin(&limits.into())).await.map_err(|error| not_begun(&error))?;
    let found = look.await;
    client.batch_execute("ROLLBACK").await?;
    Ok(found?)
}

fn not_begun(error: &Error) -> Failure {
    let hint = match error.as_db_error() {
        Some(_) => "; a pooler between must be in transaction or session mode",
        None => "",
    };
    Failure::Down(format!("failed to begin a transaction: {}{hint}", describe(error)))
}

/// A transaction under way, with a statement. Dropped, it stays open: drop the session, too.
#[derive(Debug)]
pub(super) struct Transaction<'a> {
    client: &'a Client,
    statement: Statement,
}

impl<'a> Transaction<'a> {
    /// Begins, with a statement for parameters of these types. Where the server refuses that, nothing is begun. Which
    /// process of the server it is stands in `backend` as soon as that is known.
    pub(super) async fn begin(
        client: &'a Client,
        backend: &Backend,
        limits: &Limits,
        sql: &str,
        types: &[Type],
    ) -> Result<Self, Failure> {
        backend.is_idle();
        for _ in 0..NAMES {
            let mark = format!("{:032x}", rand::random::<u128>());
            let begin = format!("{}; SET LOCAL {PROOF} = '{mark}'; SELECT pg_backend_pid()", begin(limits));
            let begin = async {
                let answers = client.simple_query(&begin).await?;
                // The last of the rows.
                let id = answers.iter().rev().find_map(|answer| match answer {
                    SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
                    _ => None,
                });
                backend.0.store(id.unwrap_or(0), Ordering::Release);
                Ok::<_, Error>(())
            };
            let proof = format!("SELECT current_setting('{PROOF}', true)");
            // Sent without waiting for each other's answer.
            let (begun, statement, proof) =
                future::join3(begin, client.prepare_typed(sql, types), client.query_typed_one(&proof, &[])).await;
            begun.map_err(|error| not_begun(&error))?;
            let statement = match statement {
                Ok(statement) => statement,
                Err(error) => {
                    // Where the connection is lost this says no more than the first error.
                    let _ = client.batch_execute("ROLLBACK").await;
                    // Left by a program that prepared it outside of a transaction. The next one has another name.
                    if error.code() == Some(&SqlState::DUPLICATE_PSTATEMENT) {
                        continue;
                    }
                    return Err(error.into());
                }
            };
            if proof?.try_get::<_, Option<&str>>(0)? != Some(&mark) {
                return Err(Failure::Down(
                    "a transaction did not stay on its connection: a pooler between must be in transaction or session \
                     mode"
                        .to_owned(),
                ));
            }
            return Ok(Self { client, statement });
        }
        Err(Failure::Down("other programs have left prepared statements on the connection of a pooler".to_owned()))
    }

    pub(super) fn client(&self) -> &'a Client {
        self.client
    }

    pub(super) fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Closes the statement, then runs this, which ends the transaction. After an error of a row or a time-out the
    /// session can begin another.
    pub(super) async fn end(self, sql: &str) -> Result<(), Failure> {
        // Its closing is sent on the spot, so it is within the transaction.
        drop(self.statement);
        Ok(self.client.batch_execute(sql).await?)
    }
}
