//! A transaction, wholly on one connection of the server.
//!
//! A pooler in transaction mode gives each transaction the server's connection that is free just then, and everything
//! that stays with a connection (prepared statements, settings) is met there by whoever comes next, under names that are
//! the same in every program. So nothing stays: a statement is prepared within the transaction that it is used in, and
//! is closed in it; settings are those of the transaction. Before the first row it is proved that what was said to begin
//! with still holds, which it doesn't where a pooler gives every statement a connection.

use std::time::Duration;

use futures_util::future;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Statement};

use super::error::{Failure, describe};

/// A setting of our own that only this transaction has.
const PROOF: &str = "pelton.transaction";
/// How long the server keeps a transaction whose host has gone silent.
const IDLE: Duration = Duration::from_secs(60);
/// Names of statements that other programs may have left on a connection before it is given up.
const NAMES: usize = 100;

/// What a transaction begins with: how long it waits for a lock, and for its host.
pub(super) fn begin(lock_timeout: Duration) -> String {
    format!(
        "BEGIN; SET LOCAL lock_timeout = {}; SET LOCAL idle_in_transaction_session_timeout = {}",
        // 0 would be for ever.
        lock_timeout.as_millis().max(1),
        IDLE.as_millis()
    )
}

/// A transaction under way, with a statement. Dropped, it stays open: drop the session, too.
#[derive(Debug)]
pub(super) struct Transaction<'a> {
    client: &'a Client,
    statement: Statement,
}

impl<'a> Transaction<'a> {
    /// Begins, with a statement for parameters of these types. Where the server refuses that, nothing is begun.
    pub(super) async fn begin(
        client: &'a Client,
        lock_timeout: Duration,
        sql: &str,
        types: &[Type],
    ) -> Result<Self, Failure> {
        for _ in 0..NAMES {
            let mark = format!("{:032x}", rand::random::<u128>());
            let begin = format!("{}; SET LOCAL {PROOF} = '{mark}'", begin(lock_timeout));
            let proof = format!("SELECT current_setting('{PROOF}', true)");
            // Sent without waiting for each other's answer.
            let (begun, statement, proof) = future::join3(
                client.batch_execute(&begin),
                client.prepare_typed(sql, types),
                client.query_typed_one(&proof, &[]),
            )
            .await;
            begun.map_err(|error| {
                Failure::Down(format!(
                    "failed to begin a transaction: {}; a pooler between must be in transaction or session mode",
                    describe(&error)
                ))
            })?;
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
