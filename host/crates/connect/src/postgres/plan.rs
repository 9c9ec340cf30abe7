//! The SQL of a sink, and how rows become its parameters.
//!
//! A table's INSERT takes any number of rows at once, as one array for each column: `INSERT INTO t (a, b) SELECT
//! unnest($1::int4[]), unnest($2::text[]) ON CONFLICT …`: a whole transaction in one round trip. It is faster than COPY
//! into a staging table and INSERT from there, up to many thousand rows, and slower than COPY straight into the table,
//! which can't resolve conflicts. A job's own statement takes one row.

use std::collections::HashSet;

use bytes::{BufMut, Bytes, BytesMut};
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

use super::batch::Row;
use super::error::{Failure, Refusal};
use super::relation::{Kind, Relation, Way};
use super::sql::{self, idents};
use super::types::types;
use pelton_model::spec::{ColumnSpec, ColumnType, Conflict, Statement, Table, Target};
use pelton_model::sql::{ident, table_name};

/// How rows of one sink get into Postgres.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    into: Destination,
    columns: Vec<ColumnType>,
    /// The columns by which only the last of several rows in one execution counts, by index; empty where all count.
    last_by: Vec<usize>,
}

#[derive(Debug, Clone)]
enum Destination {
    Table(Table),
    /// A job's own SQL, with placeholders as Postgres has them.
    Statement(String),
}

impl Plan {
    /// `None` for a topic.
    pub(super) fn new(target: &Target) -> Option<Self> {
        match target {
            Target::Table(table) => Some(Self::table(table)),
            Target::Statement(statement) => Some(Self::statement(statement)),
            Target::Topic(_) => None,
        }
    }

    pub(super) fn statement(statement: &Statement) -> Self {
        let sql = sql::convert(&statement.sql).sql;
        Self { into: Destination::Statement(sql), columns: statement.placeholders.clone(), last_by: Vec::new() }
    }

    /// For a table whose name and columns make sense; one that doesn't gives SQL that Postgres refuses.
    pub(super) fn table(table: &Table) -> Self {
        let is_key = |column: &ColumnSpec| table.key.contains(&column.name);
        let keys = table.columns.iter().enumerate().filter(|(_, column)| is_key(column)).map(|(i, _)| i);
        let updates = table.on_conflict == Conflict::Update && !table.columns.iter().all(is_key);
        Self {
            last_by: if updates { keys.collect() } else { Vec::new() },
            columns: table.columns.iter().map(|column| column.column_type).collect(),
            into: Destination::Table(table.clone()),
        }
    }

    /// Whether one execution takes many rows.
    pub(super) fn is_bulk(&self) -> bool {
        matches!(self.into, Destination::Table(_))
    }

    /// The table, if it is one.
    pub(super) fn as_table(&self) -> Option<&Table> {
        match &self.into {
            Destination::Table(table) => Some(table),
            Destination::Statement(_) => None,
        }
    }

    /// The SQL for parameters of [`types`](Self::types), where the table is as given.
    pub(super) fn sql(&self, relation: Option<&Relation>) -> String {
        match &self.into {
            Destination::Table(table) => insert(table, relation),
            Destination::Statement(sql) => sql.clone(),
        }
    }

    /// What an error of the SQL means: a null in a column that the job doesn't fill is no row's fault.
    pub(super) fn judge(&self, error: tokio_postgres::Error) -> Failure {
        match (Failure::from(error), &self.into) {
            (Failure::Refused(Refusal { reason, without: Some(name), .. }), Destination::Table(table))
                if table.columns.iter().all(|column| column.name != name) =>
            {
                Failure::Down(format!("{reason}: it has no default, and the job doesn't fill it"))
            }
            (failure, _) => failure,
        }
    }

    /// The types of the parameters.
    pub(super) fn types(&self) -> Vec<Type> {
        let of = |(value, array)| if self.is_bulk() { array } else { value };
        self.columns.iter().map(|&column| of(types(column))).collect()
    }

    /// The parameters for one execution. Without [`is_bulk`](Self::is_bulk) only the first row counts: give one.
    pub(super) fn parameters(&self, rows: &[Row<'_>]) -> Vec<Parameter> {
        if self.is_bulk() {
            let last = self.last_of_each_key(rows);
            self.arrays(last.as_deref().unwrap_or(rows))
        } else {
            let cells = rows.first().into_iter().flat_map(|row| row.cells());
            cells.map(|cell| Parameter(cell.value().map(Bytes::copy_from_slice))).collect()
        }
    }

    fn arrays(&self, rows: &[Row<'_>]) -> Vec<Parameter> {
        let mut arrays: Vec<_> = self
            .columns
            .iter()
            .map(|&column| {
                let mut array = BytesMut::new();
                array.put_i32(1); // dimensions
                array.put_i32(1); // may contain nulls
                array.put_u32(types(column).0.oid());
                array.put_i32(rows.len() as i32);
                array.put_i32(1); // the first index
                array
            })
            .collect();
        for row in rows {
            for (array, cell) in arrays.iter_mut().zip(row.cells()) {
                array.extend_from_slice(cell.bytes);
            }
        }
        arrays.into_iter().map(|array| Parameter(Some(array.freeze()))).collect()
    }

    /// The rows without those whose key comes again: ON CONFLICT DO UPDATE takes no row twice. Keys with a null differ
    /// from every other. Keys that are equal though their bytes differ (`1.0` and `1.00`) Postgres finds itself.
    fn last_of_each_key<'a>(&self, rows: &[Row<'a>]) -> Option<Vec<Row<'a>>> {
        if self.last_by.is_empty() || rows.len() < 2 {
            return None;
        }
        let mut seen = HashSet::with_capacity(rows.len());
        let mut last: Vec<_> = rows
            .iter()
            .rev()
            .filter(|row| {
                let key: Vec<_> =
                    row.cells().enumerate().filter(|(i, _)| self.last_by.contains(i)).map(|(_, cell)| cell).collect();
                key.iter().any(|cell| cell.null) || seen.insert(key)
            })
            .copied()
            .collect();
        last.reverse();
        Some(last)
    }
}

fn insert(table: &Table, relation: Option<&Relation>) -> String {
    let name = table_name(&table.name).unwrap_or_else(|| ident(&table.name));
    let columns = idents(table.columns.iter().map(|column| column.name.as_str()));
    let found = |name: &str| relation?.columns.iter().find(|there| there.name == name);
    let values: Vec<_> = (1..)
        .zip(&table.columns)
        .map(|(i, column)| {
            let values = format!("unnest(${i}::{}[])", types(column.column_type).0.name());
            match found(&column.name).map(|there| (there, there.way(column.column_type))) {
                Some((there, Some(Way::Cast | Way::CastOnly))) => format!("{values}::{}", there.type_name),
                _ => values,
            }
        })
        .collect();
    let mut sql = format!("INSERT INTO {name} ({columns}) SELECT {}", values.join(", "));
    let assignments: Vec<_> = table
        .columns
        .iter()
        .filter(|column| !table.key.contains(&column.name))
        .map(|column| format!("{0} = excluded.{0}", ident(&column.name)))
        .collect();
    let is_foreign = relation.is_some_and(|relation| relation.kind == Kind::Foreign);
    if table.on_conflict == Conflict::Ignore && is_foreign {
        // The other server knows which key.
        sql.push_str(" ON CONFLICT DO NOTHING");
    } else if table.on_conflict != Conflict::Fail {
        let key = idents(table.key.iter().map(String::as_str));
        let updates = table.on_conflict == Conflict::Update && !assignments.is_empty();
        let action = if updates { format!("UPDATE SET {}", assignments.join(", ")) } else { "NOTHING".to_owned() };
        sql.push_str(&format!(" ON CONFLICT ({key}) DO {action}"));
    }
    sql
}

/// A parameter in binary form; `None` is null.
#[derive(Debug)]
pub(super) struct Parameter(Option<Bytes>);

impl ToSql for Parameter {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match &self.0 {
            Some(bytes) => {
                out.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Binary
    }

    to_sql_checked!();
}
