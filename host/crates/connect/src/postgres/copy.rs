//! Binary COPY straight into the table: the fast way in, for batches without a conflict.
//!
//! COPY has no ON CONFLICT and takes all rows or none, so it is tried first and its refusal is never final: the INSERT
//! decides, in the same session or, where that was lost, in the next. A refused COPY leaves dead tuples behind and has
//! cost its time, so after one the next batches go without, twice as many after each further one.
//!
//! COPY takes bytes for whatever type the column has: a table altered from `int8` to `float8` would silently fill with
//! nonsense. So each COPY ends with a look at the columns' types, under the lock that it holds until the commit, and is
//! rolled back unless they are as declared. (An INSERT has typed parameters: it converts or says that it can't.)

use std::pin::pin;

use bytes::Bytes;
use futures_util::{SinkExt, future};
use tokio_postgres::{Client, Error, Statement};

use super::sql::{ident, idents, literal, table_name};
use super::types::types;
use pelton_model::spec::{ColumnType, Table};

/// Signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: &[u8] = b"\xff\xff";

/// The SQL of a COPY into one table.
#[derive(Debug, Clone)]
pub(super) struct Copy {
    sql: String,
    /// Says whether this role can COPY into it: not into a view, nor past row-level security.
    possible: String,
    /// Fails, or commits.
    commit: String,
}

impl Copy {
    pub(super) fn new(table: &Table) -> Self {
        let name = table_name(&table.name).unwrap_or_else(|| ident(&table.name));
        let columns = idents(table.columns.iter().map(|column| column.name.as_str()));
        let as_declared: Vec<_> = table
            .columns
            .iter()
            .map(|column| {
                let oids = match column.column_type {
                    // text, varchar and bpchar have the same binary form.
                    ColumnType::Text | ColumnType::Varchar => "25, 1043, 1042".to_owned(),
                    other => types(other).0.oid().to_string(),
                };
                format!("attname = {} AND atttypid IN ({oids})", literal(&column.name))
            })
            .collect();
        Self {
            sql: format!("COPY {name} ({columns}) FROM STDIN (FORMAT binary)"),
            possible: format!(
                "SELECT relkind IN ('r', 'p', 'f') AND NOT row_security_active(oid) FROM pg_catalog.pg_class
                 WHERE oid = to_regclass({})",
                literal(&name)
            ),
            commit: format!(
                "SELECT 1 / (count(*) = {})::int FROM pg_catalog.pg_attribute WHERE attrelid = {}::regclass
                 AND ({}); COMMIT",
                as_declared.len(),
                literal(&name),
                as_declared.join(" OR ")
            ),
        }
    }

    /// `None` where COPY is not possible.
    pub(super) async fn prepare(&self, client: &Client) -> Result<Option<Statement>, Error> {
        match client.query_opt(&self.possible, &[]).await? {
            Some(row) if row.get(0) => client.prepare(&self.sql).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Copies the rows in and commits. After an error roll back. If it is not about the rows, drop the session instead:
    /// the client library may have lost step with the server when a COPY did not even start.
    pub(super) async fn write(
        &self,
        client: &Client,
        prepared: &Statement,
        rows: impl Iterator<Item = Bytes>,
    ) -> Result<(), Error> {
        // Sent without waiting for each other's answer.
        let begin = future::try_join(client.batch_execute("BEGIN"), client.copy_in::<_, Bytes>(prepared));
        let mut sink = pin!(begin.await?.1);
        sink.feed(Bytes::from_static(HEADER)).await?;
        for rows in rows {
            sink.feed(rows).await?;
        }
        sink.feed(Bytes::from_static(TRAILER)).await?;
        sink.finish().await?;
        client.batch_execute(&self.commit).await
    }
}

/// Whether COPY is worth a try.
#[derive(Debug, Default)]
pub(super) struct CopyBackoff {
    /// Batches to go without.
    wait: u32,
    /// How many those were after the last refusal.
    waited: u32,
}

impl CopyBackoff {
    const FIRST_WAIT: u32 = 4;
    const LONGEST_WAIT: u32 = 1024;

    /// Asked once for each batch.
    pub(super) fn is_worth_it(&mut self) -> bool {
        let now = self.wait == 0;
        self.wait = self.wait.saturating_sub(1);
        now
    }

    pub(super) fn succeeded(&mut self) {
        self.waited /= 2;
    }

    pub(super) fn failed(&mut self) {
        self.waited = (self.waited * 2).clamp(Self::FIRST_WAIT, Self::LONGEST_WAIT);
        self.wait = self.waited;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_in_every_batch_are_met_ever_more_rarely() {
        let mut backoff = CopyBackoff::default();
        let mut tries = Vec::new();
        for batch in 0..4000 {
            if backoff.is_worth_it() {
                tries.push(batch);
                backoff.failed();
            }
        }
        assert_eq!(tries, [0, 5, 14, 31, 64, 129, 258, 515, 1028, 2053, 3078]);
    }

    #[test]
    fn trust_comes_back() {
        let mut backoff = CopyBackoff::default();
        for _ in 0..5 {
            backoff.failed();
        }
        let batches = (0..).take_while(|_| !backoff.is_worth_it()).count();
        assert_eq!(batches, 64);
        for _ in 0..5 {
            assert!(backoff.is_worth_it() || backoff.wait == 0);
            backoff.succeeded();
        }
        backoff.failed();
        assert_eq!(backoff.wait, CopyBackoff::FIRST_WAIT);
    }
}
