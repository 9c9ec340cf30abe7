//! One batch into Postgres: by COPY, if that is refused by one INSERT, and if that is refused row by row.
//!
//! Each way is one transaction, so that a batch is there wholly or not at all, less the rows that are reported as
//! refused. A job's own statement starts with all its rows in one transaction, and goes on row by row.
//!
//! Row by row means that rows are executed one by one, sent without waiting for each other's answers, with a savepoint
//! every few dozen. The answers come in order, so the first error names the bad row; what was before it is executed
//! again, and it goes on behind it. Each row is executed at most twice, however many are bad, and always in the order
//! sent, so that of several rows with one key the last one stands.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use pelton_delivery::streak::Streak;
use pelton_model::sql::table_name;
use tokio_postgres::types::Type;

use super::batch::{Batch, Row};
use super::connect::{ConnectionUrl, Session};
use super::copy::{Copy, CopyBackoff};
use super::error::{Failure, Refusal};
use super::plan::Plan;
use super::relation::relation;
use super::timeouts::{Limits, Timeouts};
use super::transaction::{Backend, Transaction, look, looks_for_client};

/// Rows for each savepoint: few enough that a bad row makes few others run again.
const SAVEPOINT_ROWS: usize = 64;
/// Rows that are tried behind one that was refused after too many: a good one among them says that the others are bad by
/// themselves. Each costs two round trips, so more would take seconds.
const MOST_BEHIND: usize = 1_000;

/// A row that Postgres refused.
#[derive(Debug)]
pub(super) struct Refused {
    /// Index into the batch.
    pub(super) row: usize,
    pub(super) refusal: Refusal,
}

/// What became of a batch.
#[derive(Debug)]
pub(super) struct Written {
    /// How many of its rows were tried: all, unless one is held.
    pub(super) rows: usize,
    /// Those of them that are not there.
    pub(super) refused: Vec<Refused>,
    /// The first that was refused after too many, if no good one came behind it.
    pub(super) held: Option<usize>,
    pub(super) streak: Streak,
}

impl Written {
    fn new(streak: Streak) -> Self {
        Self { rows: 0, refused: Vec::new(), held: None, streak }
    }

    /// The next rows, at least one, are there.
    fn good(&mut self, rows: usize) {
        self.rows += rows;
        self.held = None;
        self.streak.good();
    }

    /// The next row, of the record with this partition and offset, is refused.
    fn bad(&mut self, record: (i32, i64), refusal: Refusal) {
        if self.streak.bad(record) && self.held.is_none() {
            self.held = Some(self.rows);
        }
        self.refused.push(Refused { row: self.rows, refusal });
        self.rows += 1;
    }

    /// Whether enough was tried behind a row that is held. What may be no row's fault has all rows tried.
    fn is_enough(&self) -> bool {
        self.held.is_some_and(|held| self.rows - held >= MOST_BEHIND)
            && self.refused.last().is_some_and(|last| last.refusal.is_certain)
    }
}

/// A session, and how a plan is carried out in its database.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) session: Session,
    /// Who serves the transaction that is under way.
    backend: Arc<Backend>,
    limits: Limits,
    sql: String,
    types: Vec<Type>,
    /// Where COPY is possible.
    copy: Option<Copy>,
}

impl Ready {
    /// Connects, looks at the table, and has the server read the statement; says why it can't be used.
    /// Which process of the server is at work for it stands in `backend`.
    pub(super) async fn open(
        url: &ConnectionUrl,
        name: &str,
        timeouts: Timeouts,
        plan: &Plan,
        backend: &Arc<Backend>,
    ) -> Result<Self, String> {
        let session = Session::connect(url, name, timeouts.connect).await.map_err(|error| error.to_string())?;
        let opening = async {
            let looks_for_client = looks_for_client(session.client()).await?;
            // Shorter than what it may take, so that the reason is told, and no process of the server is left waiting.
            let lock = timeouts.connect / 2;
            let patience = Limits { lock, statement: Some(timeouts.connect), looks_for_client };
            let relation = match plan.as_table().and_then(|table| table_name(&table.name)) {
                Some(name) => look(session.client(), patience, relation(session.client(), &name)).await?,
                None => None,
            };
            let (sql, types) = (plan.sql(relation.as_ref()), plan.types());
            Transaction::begin(session.client(), backend, &patience, &sql, &types).await?.end("ROLLBACK").await?;
            let copy = plan.as_table().zip(relation).and_then(|(table, relation)| Copy::new(table, &relation));
            let limits = Limits { lock: timeouts.lock, statement: Some(timeouts.statement), looks_for_client };
            Ok((limits, sql, types, copy))
        };
        let opened = tokio::time::timeout(timeouts.connect, opening).await;
        backend.is_idle();
        match opened {
            Ok(Ok((limits, sql, types, copy))) => {
                Ok(Self { session, backend: Arc::clone(backend), limits, sql, types, copy })
            }
            Ok(Err(failure)) => Err(Failure::into_reason(failure)),
            Err(_) => Err(format!("{url} gave no answer within {:?}", timeouts.connect)),
        }
    }

    /// Writes the batch, whose rows these are, behind so many that were refused, and commits; says which it left out
    /// because Postgres refuses them. After any error but that every row is refused the session must be dropped. Whether the rows are written is then not
    /// certain if the connection was lost, or given up, while the commit was under way; in every other case they are
    /// not.
    pub(super) async fn write(
        &self,
        plan: &Plan,
        batch: &Batch,
        rows: &[Row<'_>],
        streak: Streak,
        backoff: &mut CopyBackoff,
    ) -> Result<Written, Failure> {
        let mut written = Written::new(streak);
        if let Some(copy) = &self.copy
            && backoff.is_worth_it()
        {
            let transaction = self.begin(&copy.sql, &[]).await?;
            match copy.write(transaction, batch.copy_rows()).await {
                Ok(()) => {
                    backoff.succeeded();
                    written.good(rows.len());
                    return Ok(written);
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
            Ok(()) => {
                written.good(rows.len());
                return Ok(written);
            }
            Err((bad, Failure::Refused(_))) => bad,
            Err((_, failure)) => return Err(failure),
        };
        match self.one_by_one(plan, rows, bad, &mut written).await {
            Ok(()) => Ok(written),
            // At the commit, when nobody can say which row it is about.
            Err(Failure::Refused(refusal)) => Err(Failure::Down(refusal.reason)),
            Err(failure) => Err(failure),
        }
    }

    /// A failure comes with the row that caused it, where that is known.
    async fn together(&self, plan: &Plan, rows: &[Row<'_>]) -> Result<(), (Option<usize>, Failure)> {
        let transaction = self.begin(&self.sql, &self.types).await.map_err(|failure| (None, failure))?;
        // What is not answered yet is not committed: who gives it up can be sure that it is not there.
        let done = if plan.is_bulk() {
            self.run(&transaction, plan, &[rows]).await.map_err(|(_, failure)| (None, failure))
        } else {
            let each: Vec<_> = rows.chunks(1).collect();
            self.run(&transaction, plan, &each).await.map_err(|(row, failure)| (Some(row), failure))
        };
        let ended = transaction.end(if done.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
        done?;
        ended.map_err(|failure| (None, failure))
    }

    async fn begin(&self, sql: &str, types: &[Type]) -> Result<Transaction<'_>, Failure> {
        Transaction::begin(self.session.client(), &self.backend, &self.limits, sql, types).await
    }

    async fn one_by_one(
        &self,
        plan: &Plan,
        rows: &[Row<'_>],
        bad: Option<usize>,
        written: &mut Written,
    ) -> Result<(), Failure> {
        let transaction = self.begin(&self.sql, &self.types).await?;
        // Deferred constraints would speak up only at the commit, when nobody could say which row it is about.
        self.command("SET CONSTRAINTS ALL IMMEDIATE").await?;
        // Where to stop on the way, the nearest last: before and behind a row that is known to be bad.
        let mut stops: Vec<usize> = bad.into_iter().flat_map(|bad| [bad + 1, bad]).collect();
        while written.rows < rows.len() && !written.is_enough() {
            let next = written.rows;
            let stop = stops.pop().unwrap_or(next + SAVEPOINT_ROWS).min(rows.len());
            if stop <= next {
                continue;
            }
            self.command("SAVEPOINT pelton").await?;
            let each: Vec<_> = rows.get(next..stop).unwrap_or_default().chunks(1).collect();
            match self.run(&transaction, plan, &each).await {
                Ok(()) => {
                    self.command("RELEASE SAVEPOINT pelton").await?;
                    written.good(stop - next);
                }
                Err((at, Failure::Refused(refusal))) => {
                    self.command("ROLLBACK TO SAVEPOINT pelton; RELEASE SAVEPOINT pelton").await?;
                    if let (0, Some(row)) = (at, rows.get(next)) {
                        written.bad(row.record(), refusal);
                    } else {
                        stops = vec![next + at + 1, next + at];
                    }
                }
                Err((_, failure)) => return Err(failure),
            }
        }
        let refused = &written.refused;
        if rows.len() > 1
            && refused.len() == rows.len()
            && refused.iter().all(|one| !one.refusal.is_certain)
            && let Some(Refused { refusal: Refusal { reason, .. }, .. }) = refused.first()
        {
            let reason = format!("{reason}; so says it of every row, thus of no row's own");
            transaction.end("ROLLBACK").await?;
            return Err(Failure::Everything(reason));
        }
        transaction.end("COMMIT").await
    }

    async fn command(&self, sql: &str) -> Result<(), Failure> {
        Ok(self.session.client().batch_execute(sql).await?)
    }

    /// Executes the plan for these rows, in order, once for each group. The failure is that of the first that fails.
    async fn run(
        &self,
        transaction: &Transaction<'_>,
        plan: &Plan,
        groups: &[&[Row<'_>]],
    ) -> Result<(), (usize, Failure)> {
        // A request is sent when its future is first polled, and these are first polled in order.
        let mut answers: FuturesOrdered<_> = groups
            .iter()
            .map(|rows| transaction.client().execute_raw(transaction.statement(), plan.parameters(rows)))
            .collect();
        let mut group = 0;
        while let Some(answer) = answers.next().await {
            answer.map_err(|error| (group, plan.judge(error)))?;
            group += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_tried_behind_one_that_is_held() {
        let refusal = |is_certain| Refusal { reason: "no".to_owned(), without: None, is_certain };
        let tried = |written: &mut Written, is_certain, most: usize| {
            let mut tried = 0;
            while tried < most && !written.is_enough() {
                written.bad((0, tried as i64), refusal(is_certain));
                tried += 1;
            }
            tried
        };
        let mut written = Written::new(Streak::new(20));
        written.good(3);
        assert_eq!(tried(&mut written, true, 5_000), 20 + MOST_BEHIND);
        assert_eq!((written.held, written.rows), (Some(23), 23 + MOST_BEHIND));
        written.good(1);
        assert!(written.held.is_none() && !written.is_enough(), "the others are bad by themselves");
        assert_eq!(tried(&mut Written::new(Streak::new(20)), false, 5_000), 5_000, "as it may be no row's fault");
        assert_eq!(tried(&mut Written::new(Streak::new(0)), true, 5_000), 5_000, "as it is never held");
    }
}
