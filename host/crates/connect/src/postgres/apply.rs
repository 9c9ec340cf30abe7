//! One batch into Postgres: by COPY, if that is refused by one INSERT, and if that is refused row by row.
//!
//! Each way is one transaction, so that a batch is there wholly or not at all, less the rows that are reported as
//! refused. A job's own statement starts with all its rows in one transaction, and goes on row by row.
//!
//! Row by row means that rows are executed one by one, sent without waiting for each other's answers, with a savepoint
//! every few dozen. The answers come in order, so the first error names the bad row; what was before it is executed
//! again, and it goes on behind it. Each row is executed at most twice, however many are bad, and always in the order
//! sent, so that of several rows with one key the last one stands.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use tokio_postgres::Statement;

use super::batch::{Batch, Row};
use super::connect::{ConnectionUrl, Session};
use super::copy::CopyBackoff;
use super::error::{Failure, describe};
use super::plan::Plan;

/// Rows for each savepoint: few enough that a bad row makes few others run again.
const SAVEPOINT_ROWS: usize = 64;

/// A row that Postgres refused.
#[derive(Debug)]
pub(super) struct Refused {
    /// Index into the batch.
    pub(super) row: usize,
    pub(super) reason: String,
}

/// A session in which a plan is prepared.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) session: Session,
    statement: Statement,
    /// Where COPY is possible.
    copy: Option<Statement>,
}

impl Ready {
    pub(super) async fn open(url: &ConnectionUrl, name: &str, timeout: Duration, plan: &Plan) -> Result<Self, String> {
        let session = Session::connect(url, name, timeout).await.map_err(|error| error.to_string())?;
        let preparing = async {
            let client = session.client();
            let copy = match &plan.copy {
                Some(copy) => copy.prepare(client).await?,
                None => None,
            };
            Ok::<_, tokio_postgres::Error>((client.prepare_typed(&plan.sql, &plan.types()).await?, copy))
        };
        match tokio::time::timeout(timeout, preparing).await {
            Ok(Ok((statement, copy))) => Ok(Self { session, statement, copy }),
            Ok(Err(error)) => Err(describe(&error)),
            Err(_) => Err(format!("{url} gave no answer within {timeout:?}")),
        }
    }

    /// Writes the batch, whose rows these are, and commits; says which it left out because Postgres refuses them. On an
    /// error, which says why Postgres can't be used, the session must be dropped. Whether the rows are written is then
    /// not certain if the connection was lost, or given up, while the commit was under way; in every other case they
    /// are not.
    pub(super) async fn write(
        &self,
        plan: &Plan,
        batch: &Batch,
        rows: &[Row<'_>],
        backoff: &mut CopyBackoff,
    ) -> Result<Vec<Refused>, String> {
        if let (Some(copy), Some(prepared)) = (&plan.copy, &self.copy)
            && backoff.is_worth_it()
        {
            match copy.write(self.session.client(), prepared, batch.copy_rows()).await.map_err(Failure::from) {
                Ok(()) => {
                    backoff.succeeded();
                    return Ok(Vec::new());
                }
                Err(Failure::Refused(reason)) => {
                    backoff.failed();
                    self.command("ROLLBACK").await.map_err(|_| reason)?;
                }
                Err(Failure::Down(reason)) => {
                    backoff.failed();
                    return Err(reason);
                }
            }
        }
        let bad = match self.together(plan, rows).await {
            Ok(()) => return Ok(Vec::new()),
            Err((_, Failure::Down(reason))) => return Err(reason),
            Err((bad, Failure::Refused(_))) => bad,
        };
        match self.one_by_one(plan, rows, bad).await {
            Ok(refused) => Ok(refused),
            Err(Failure::Down(reason) | Failure::Refused(reason)) => Err(reason),
        }
    }

    /// A failure comes with the row that caused it, where that is known.
    async fn together(&self, plan: &Plan, rows: &[Row<'_>]) -> Result<(), (Option<usize>, Failure)> {
        if plan.is_bulk() {
            // Outside of a transaction block this is one of its own, and the answer comes after its commit.
            let parameters = plan.parameters(rows);
            let result = self.session.client().execute_raw(&self.statement, parameters).await;
            return result.map(drop).map_err(|error| (None, error.into()));
        }
        self.command("BEGIN").await.map_err(|failure| (None, failure))?;
        if let Err((row, failure)) = self.run(plan, rows).await {
            if matches!(failure, Failure::Refused(_)) {
                self.command("ROLLBACK").await.map_err(|failure| (None, failure))?;
            }
            return Err((Some(row), failure));
        }
        self.command("COMMIT").await.map_err(|failure| (None, failure))
    }

    async fn one_by_one(&self, plan: &Plan, rows: &[Row<'_>], bad: Option<usize>) -> Result<Vec<Refused>, Failure> {
        // Deferred constraints would speak up only at the commit, when nobody could say which row it is about.
        self.command("BEGIN; SET CONSTRAINTS ALL IMMEDIATE").await?;
        let mut refused = Vec::new();
        let mut next = 0;
        // Where to stop on the way, the nearest last: before and behind a row that is known to be bad.
        let mut stops: Vec<usize> = bad.into_iter().flat_map(|bad| [bad + 1, bad]).collect();
        while next < rows.len() {
            let stop = stops.pop().unwrap_or(next + SAVEPOINT_ROWS).min(rows.len());
            if stop <= next {
                continue;
            }
            self.command("SAVEPOINT pelton").await?;
            match self.run(plan, rows.get(next..stop).unwrap_or_default()).await {
                Ok(()) => {
                    self.command("RELEASE SAVEPOINT pelton").await?;
                    next = stop;
                }
                Err((at, Failure::Refused(reason))) => {
                    self.command("ROLLBACK TO SAVEPOINT pelton; RELEASE SAVEPOINT pelton").await?;
                    if at == 0 {
                        refused.push(Refused { row: next, reason });
                        next += 1;
                    } else {
                        stops = vec![next + at + 1, next + at];
                    }
                }
                Err((_, down)) => return Err(down),
            }
        }
        self.command("COMMIT").await?;
        Ok(refused)
    }

    /// Executes the plan once for each row, in order. The failure is that of the first row that fails.
    async fn run(&self, plan: &Plan, rows: &[Row<'_>]) -> Result<(), (usize, Failure)> {
        // A request is sent when its future is first polled, and these are first polled in order.
        let mut answers: FuturesOrdered<_> = rows
            .iter()
            .map(|row| {
                let parameters = plan.parameters(std::slice::from_ref(row));
                self.session.client().execute_raw(&self.statement, parameters)
            })
            .collect();
        let mut row = 0;
        while let Some(answer) = answers.next().await {
            answer.map_err(|error| (row, error.into()))?;
            row += 1;
        }
        Ok(())
    }

    async fn command(&self, sql: &str) -> Result<(), Failure> {
        Ok(self.session.client().batch_execute(sql).await?)
    }
}
