//! Rows in memory.

use std::collections::BTreeMap;

use pelton_model::record::{ColumnData, Rows, is_valid, text::text};
use pelton_model::spec::{self, Conflict};

/// The values of a row as text, in the order of the columns or placeholders; nothing for a null.
pub type Row = Vec<Option<String>>;

/// A table, or what a statement was executed with.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Which columns are the key, by index; none for a statement.
    key: Vec<usize>,
    rows: Vec<Row>,
    /// Where each key is.
    keys: BTreeMap<Row, usize>,
}

impl Table {
    /// A table as a job declares it.
    pub(super) fn new(declared: &spec::Table) -> Self {
        let is_key = |column: &spec::ColumnSpec| declared.key.contains(&column.name);
        let key = declared.columns.iter().enumerate().filter(|(_, column)| is_key(column)).map(|(i, _)| i);
        Self { key: key.collect(), ..Self::default() }
    }

    /// The rows, in the order in which they came.
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Writes a row.
    ///
    /// # Errors
    /// There is one of its key already.
    pub(super) fn write(&mut self, row: Row, on_conflict: Conflict) -> Result<(), String> {
        if self.key.is_empty() {
            self.rows.push(row);
            return Ok(());
        }
        let key: Row = self.key.iter().map(|&i| row.get(i).cloned().flatten()).collect();
        match (self.keys.get(&key), on_conflict) {
            (None, _) => {
                self.keys.insert(key, self.rows.len());
                self.rows.push(row);
            }
            (Some(_), Conflict::Fail) => {
                return Err("duplicate key value violates unique constraint (23505)".to_owned());
            }
            (Some(_), Conflict::Ignore) => {}
            (Some(&at), Conflict::Update) => {
                if let Some(there) = self.rows.get_mut(at) {
                    *there = row;
                }
            }
        }
        Ok(())
    }
}

/// Row `n` of what a job made.
pub(super) fn row(rows: &Rows, n: usize) -> Row {
    let cell = |column: &pelton_model::record::Column| {
        if !is_valid(&column.validity, n) {
            return None;
        }
        match &column.data {
            ColumnData::Booleans(v) => v.get(n).map(ToString::to_string),
            ColumnData::Int16s(v) => v.get(n).map(ToString::to_string),
            ColumnData::Int32s(v) => v.get(n).map(ToString::to_string),
            ColumnData::Int64s(v) => v.get(n).map(ToString::to_string),
            ColumnData::Float32s(v) => v.get(n).map(ToString::to_string),
            ColumnData::Float64s(v) => v.get(n).map(ToString::to_string),
            ColumnData::Packed(v) => v.get(n).map(text),
        }
    };
    rows.columns.iter().map(cell).collect()
}
