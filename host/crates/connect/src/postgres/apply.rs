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

use futures_util::stream::FuturesOrdered;
use futures_util::{StreamExt, future};
use tokio_postgres::types::{ToSql, Type};

use super::batch::{Batch, Row};
use super::connect::{ConnectionUrl, Session};
use super::copy::{Copy, CopyBackoff};
use super::error::{Failure, Refusal};
use super::plan::{Parameter, Plan};
use super::relation::relation;
use super::sql::table_name;
use super::timeouts::Timeouts;
use super::transaction::{Transaction, begin};

/// Rows for each savepoint: few enough that a bad row makes few others run again.
const SAVEPOINT_ROWS: usize = 64;

/// A row that Postgres refused.
#[derive(Debug)]
pub(super) struct Refused {
    /// Index into the batch.
    pub(super) row: usize,
    pub(super) refusal: Refusal,
}

/// A session, and how a plan is carried out in its database.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) session: Session,
    lock_timeout: Duration,
    sql: String,
    types: Vec<Type>,
    /// Where COPY is possible.
    copy: Option<Copy>,
}

impl Ready {
    /// Connects, looks at the table, and has the server read the statement; says why it can't be used.
    pub(super) async fn open(url: &ConnectionUrl, name: &str, timeouts: Timeouts, plan: &Plan) -> Result<Self, String> {
        let session = Session::connect(url, name, timeouts.connect).await.map_err(|error| error.to_string())?;
        let opening = async {
            let relation = match plan.as_table().and_then(|table| table_name(&table.name)) {
                Some(name) => relation(session.client(), &name).await?,
                None => None,
            };
            let (sql, types) = (plan.sql(relation.as_ref()), plan.types());
            let lock_timeout = timeouts.write / 2;
            Transaction::begin(session.client(), lock_timeout, &sql, &types).await?.end("ROLLBACK").await?;
            let copy = plan.as_table().zip(relation).and_then(|(table, relation)| Copy::new(table, &relation));
            Ok((lock_timeout, sql, types, copy))
        };
        match tokio::time::timeout(timeouts.connect, opening).await {
            Ok(Ok((lock_timeout, sql, types, copy))) => Ok(Self { session, lock_timeout, sql, types, copy }),
            Ok(Err(failure)) => Err(Failure::into_reason(failure)),
            Err(_) => Err(format!("{url} gave no answer within {:?}", timeouts.connect)),
        }
    }

    /// Writes the batch, whose rows these are, and commits; says which it left out because Postgres refuses them. After
    /// any error the session must be dropped. Whether the rows are written is then not certain if the connection was
    /// lost, or given up, while the commit was under way; in every other case they are not.
    pub(super) async fn write(
        &self,
        plan: &Plan,
        batch: &Batch,
        rows: &[Row<'_>],
        backoff: &mut CopyBackoff,
    ) -> Result<Vec<Refused>, Failure> {
        if let Some(copy) = &self.copy
            && backoff.is_worth_it()
        {
            let transaction = self.begin(&copy.sql, &[]).await?;
            match copy.write(transaction, batch.copy_rows()).await {
                Ok(()) => {
                    backoff.succeeded();
                    return Ok(Vec::new());
                }
                Err(Failure::Refused(_)) => {
                    backoff.failed();
                    self.command("ROLLBACK").await?;
                }
                Err(failure) => {
                    backoff.failed();
                    return Err(failure);
                }
            }
        }
        let bad = match self.together(plan, rows).await {
            Ok(()) => return Ok(Vec::new()),
            Err((bad, Failure::Refused(_))) => bad,
            Err((_, failure)) => return Err(failure),
        };
        match self.one_by_one(plan, rows, bad).await {
            // At the commit, when nobody can say which row it is about.
            Err(Failure::Refused(refusal)) => Err(Failure::Down(refusal.reason)),
            result => result,
        }
    }

    /// A failure comes with the row that caused it, where that is known.
    async fn together(&self, plan: &Plan, rows: &[Row<'_>]) -> Result<(), (Option<usize>, Failure)> {
        if plan.is_bulk() {
            return self.at_once(&plan.parameters(rows)).await.map_err(|failure| (None, failure));
        }
        let transaction = self.begin(&self.sql, &self.types).await.map_err(|failure| (None, failure))?;
        let done = run(&transaction, plan, rows).await;
        let ended = transaction.end(if done.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
        done.map_err(|(row, failure)| (Some(row), failure))?;
        ended.map_err(|failure| (None, failure))
    }

    /// One statement, with all that it needs, in one round trip.
    async fn at_once(&self, parameters: &[Parameter]) -> Result<(), Failure> {
        let client = self.session.client();
        let typed =
            parameters.iter().zip(&self.types).map(|(value, kind)| (value as &(dyn ToSql + Sync), kind.clone()));
        let typed: Vec<_> = typed.collect();
        let begin = begin(self.lock_timeout);
        // Sent without waiting for each other's answer. After a statement that fails COMMIT rolls back.
        let (begun, executed, committed) = future::join3(
            client.batch_execute(&begin),
            client.execute_typed(&self.sql, &typed),
            client.batch_execute("COMMIT"),
        )
        .await;
        begun?;
        executed?;
        Ok(committed?)
    }

    async fn begin(&self, sql: &str, types: &[Type]) -> Result<Transaction<'_>, Failure> {
        Transaction::begin(self.session.client(), self.lock_timeout, sql, types).await
    }

    async fn one_by_one(&self, plan: &Plan, rows: &[Row<'_>], bad: Option<usize>) -> Result<Vec<Refused>, Failure> {
        let transaction = self.begin(&self.sql, &self.types).await?;
        // Deferred constraints would speak up only at the commit, when nobody could say which row it is about.
        self.command("SET CONSTRAINTS ALL IMMEDIATE").await?;
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
            match run(&transaction, plan, rows.get(next..stop).unwrap_or_default()).await {
                Ok(()) => {
                    self.command("RELEASE SAVEPOINT pelton").await?;
                    next = stop;
                }
                Err((at, Failure::Refused(refusal))) => {
                    self.command("ROLLBACK TO SAVEPOINT pelton; RELEASE SAVEPOINT pelton").await?;
                    if at == 0 {
                        refused.push(Refused { row: next, refusal });
                        next += 1;
                    } else {
                        stops = vec![next + at + 1, next + at];
                    }
                }
                Err((_, failure)) => return Err(failure),
            }
        }
        if rows.len() > 1
            && refused.len() == rows.len()
            && let Some(one) = refused.iter().find(|one| !one.refusal.is_certain)
        {
            let reason = &one.refusal.reason;
            return Err(Failure::Down(format!("{reason}; so says it of every row of a batch, thus of no row's own")));
        }
        transaction.end("COMMIT").await?;
        Ok(refused)
    }

    async fn command(&self, sql: &str) -> Result<(), Failure> {
        Ok(self.session.client().batch_execute(sql).await?)
    }
}

/// Executes the plan once for each row, in order. The failure is that of the first row that fails.
async fn run(transaction: &Transaction<'_>, plan: &Plan, rows: &[Row<'_>]) -> Result<(), (usize, Failure)> {
    // A request is sent when its future is first polled, and these are first polled in order.
    let mut answers: FuturesOrdered<_> = rows
        .iter()
        .map(|row| {
            let parameters = plan.parameters(std::slice::from_ref(row));
            transaction.client().execute_raw(transaction.statement(), parameters)
        })
        .collect();
    let mut row = 0;
    while let Some(answer) = answers.next().await {
        answer.map_err(|error| (row, error.into()))?;
        row += 1;
    }
    Ok(())
}
