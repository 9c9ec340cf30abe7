//! Binary COPY straight into the table: the fast way in, for batches without a conflict.
//!
//! COPY has no ON CONFLICT and takes all rows or none, so it is tried first and its refusal is never final: the INSERT
//! decides, in the same session or, where that was lost, in the next. A refused COPY leaves dead tuples behind and has
//! cost its time, so after one the next batches go without, twice as many after each further one.
//!
//! COPY takes bytes for whatever type the column has: a table altered from `int8` to `float8` would silently fill with
//! nonsense. So each COPY ends with a look at the columns' types, under the lock that it holds until the commit, and is
//! rolled back unless they are as they were found to fit. Nor does it know of the key that decides a conflict, of rules
//! that send rows elsewhere, or of identities that are always generated: where one came or went, it is the INSERT's to
//! obey it or to say what is wrong. (An INSERT has typed parameters: it converts or says that it can't.)

use std::pin::pin;

use bytes::Bytes;
use futures_util::SinkExt;

use super::encode::{HEADER, TRAILER};
use super::error::Failure;
use super::relation::{Kind, Relation, Way, has_key};
use super::sql::{idents, literal};
use super::transaction::Transaction;
use pelton_model::spec::{Conflict, Table};
use pelton_model::sql::{ident, table_name};

/// The SQL of a COPY into one table.
#[derive(Debug, Clone)]
pub(super) struct Copy {
    pub(super) sql: String,
    /// Fails, or commits.
    commit: String,
}

impl Copy {
    /// `None` where COPY is not possible: into a view, past row-level security or rules, or where a value must be cast.
    pub(super) fn new(table: &Table, relation: &Relation) -> Option<Self> {
        if !matches!(relation.kind, Kind::Table | Kind::Foreign) || relation.is_ruled {
            return None;
        }
        let name = table_name(&table.name).unwrap_or_else(|| ident(&table.name));
        let mut as_found = Vec::new();
        for column in &table.columns {
            let there = relation.columns.iter().find(|there| there.name == column.name)?;
            if there.way(column.column_type)? == Way::CastOnly {
                return None;
            }
            let oids: Vec<_> = there.oids().iter().map(u32::to_string).collect();
            as_found.push(format!(
                "attname = {} AND atttypid IN ({}) AND attidentity <> 'a' AND attgenerated = ''",
                literal(&column.name),
                oids.join(", ")
            ));
        }
        let key_decides = table.on_conflict != Conflict::Fail && relation.kind == Kind::Table;
        let has_key = if key_decides { has_key(&name, &table.key) } else { "true".to_owned() };
        Some(Self {
            sql: format!(
                "COPY {name} ({}) FROM STDIN (FORMAT binary)",
                idents(table.columns.iter().map(|column| column.name.as_str()))
            ),
            commit: format!(
                "SELECT 1 / (count(*) = {} AND {has_key} AND NOT (
                     SELECT relhasrules FROM pg_catalog.pg_class WHERE oid = {table}::regclass))::int
                 FROM pg_catalog.pg_attribute WHERE attrelid = {table}::regclass AND ({}); COMMIT",
                as_found.len(),
                as_found.join(" OR "),
                table = literal(&name),
            ),
        })
    }

    /// Copies the rows in and commits, in a transaction that has its `sql` for a statement. After an error roll back.
    /// If it is not about the rows, drop the session instead: the client library may have lost step with the server
    /// when a COPY did not even start.
    pub(super) async fn write(
        &self,
        transaction: Transaction<'_>,
        rows: impl Iterator<Item = Bytes>,
    ) -> Result<(), Failure> {
        let mut sink = pin!(transaction.client().copy_in::<_, Bytes>(transaction.statement()).await?);
        sink.feed(Bytes::from_static(HEADER)).await?;
        for rows in rows {
            sink.feed(rows).await?;
        }
        sink.feed(Bytes::from_static(TRAILER)).await?;
        sink.finish().await?;
        transaction.end(&self.commit).await
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
