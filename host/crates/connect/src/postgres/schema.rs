//! Whether a table or statement fits what a job declares, said in words that tell what to do, and making a missing
//! table.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::error::{Failure, Unusable, describe};
use super::plan::Plan;
use super::relation::{Column, Kind, Relation, has_key, relation};
use super::sql::{convert, idents};
use super::transaction::{Backend, Transaction, look};
use super::types::types;
use pelton_model::spec::{ColumnSpec, Conflict, Statement, Table, Target};
use pelton_model::sql::{ident, table_name};

/// How long a check waits for a lock.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// Something in which a table or statement is not as a job declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// What is missing or wrong.
    pub text: String,
    /// Whether [`create`] would repair it.
    pub creatable: bool,
}

impl Mismatch {
    /// The text with the table that it is about, or the sink whose statement, where it doesn't begin with that itself.
    pub(super) fn named(self, target: &Target, sink: &str) -> String {
        let begins_with_it = ["table `", "`"].iter().any(|name| self.text.starts_with(name));
        match target {
            Target::Table(_) if begins_with_it => self.text,
            Target::Table(table) => format!("table `{}`: {}", table.name, self.text),
            Target::Topic(_) | Target::Statement(_) => format!("sink `{sink}`: {}", self.text),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn problem(text: String) -> Mismatch {
    Mismatch { text, creatable: false }
}

/// What keeps the target from working; nothing for a topic. Changes nothing. The error is that of a failed look-up.
pub async fn check(client: &Client, target: &Target) -> Result<Vec<Mismatch>, Unusable> {
    match target {
        Target::Topic(_) => Ok(Vec::new()),
        Target::Table(table) => check_table(client, table).await.map_err(|failure| Unusable(failure.into_reason())),
        Target::Statement(statement) => Ok(check_statement(client, statement).await),
    }
}

/// The SQL that makes the table as the job declares it, if it isn't there.
pub fn create_sql(table: &Table) -> String {
    let name = table_name(&table.name).unwrap_or_else(|| ident(&table.name));
    let mut lines: Vec<_> = table
        .columns
        .iter()
        .map(|column| {
            let not_null = if column.nullable { "" } else { " NOT NULL" };
            format!("{} {}{not_null}", ident(&column.name), types(column.column_type).0.name())
        })
        .collect();
    if !table.key.is_empty() {
        // A primary key would forbid the nulls that the job declares.
        let nullable = table.columns.iter().any(|column| column.nullable && table.key.contains(&column.name));
        let constraint = if nullable { "UNIQUE" } else { "PRIMARY KEY" };
        lines.push(format!("{constraint} ({})", idents(table.key.iter().map(String::as_str))));
    }
    format!("CREATE TABLE IF NOT EXISTS {name} (\n    {}\n)", lines.join(",\n    "))
}

/// Makes the table if it isn't there. The error is Postgres's.
pub async fn create(client: &Client, table: &Table) -> Result<(), Unusable> {
    client
        .batch_execute(&create_sql(table))
        .await
        .map_err(|error| Unusable(format!("failed to create table `{}`: {}", table.name, describe(&error))))
}

async fn check_statement(client: &Client, statement: &Statement) -> Vec<Mismatch> {
    let converted = convert(&statement.sql);
    if !matches!(converted.verb.as_str(), "insert" | "update" | "delete") {
        let verb = converted.verb.to_uppercase();
        let is = if verb.is_empty() { "empty".to_owned() } else { format!("`{verb}`") };
        return vec![problem(format!("the statement must be one INSERT, UPDATE or DELETE, it is {is}"))];
    }
    let declared = statement.placeholders.len();
    if converted.placeholders != declared {
        let has = converted.placeholders;
        return vec![problem(format!("the statement has {has} placeholders, the job declares {declared}"))];
    }
    let plan = Plan::statement(statement);
    match read(client, &plan.sql(None), &plan.types()).await {
        Ok(()) => Vec::new(),
        Err(failure) => vec![problem(format!("the statement can't be prepared: {}", failure.into_reason()))],
    }
}

/// Has the server read a statement.
async fn read(client: &Client, sql: &str, types: &[Type]) -> Result<(), Failure> {
    Transaction::begin(client, &Backend::default(), &LOCK_TIMEOUT.into(), sql, types).await?.end("ROLLBACK").await
}

async fn check_table(client: &Client, table: &Table) -> Result<Vec<Mismatch>, Failure> {
    let mut problems = check_declaration(table);
    let Some(name) = table_name(&table.name) else {
        problems.push(problem(format!("`{}` is neither `table` nor `schema.table`", table.name)));
        return Ok(problems);
    };
    let Some(found) = look(client, LOCK_TIMEOUT, relation(client, &name)).await? else {
        problems.push(Mismatch { text: format!("table `{}` is missing", table.name), creatable: true });
        return Ok(problems);
    };
    if found.kind == Kind::Other {
        problems.push(problem(format!("`{}` is neither a table nor a view", table.name)));
        return Ok(problems);
    }
    for column in &table.columns {
        match found.columns.iter().find(|there| there.name == column.name) {
            Some(there) => problems.extend(check_column(table, column, there, &found.role)),
            None => problems.push(problem(format!("column `{}` is missing", column.name))),
        }
    }
    for there in found.columns.iter().filter(|there| !there.fills_itself && !there.nullable) {
        if !table.columns.iter().any(|column| column.name == there.name) {
            let name = &there.name;
            problems
                .push(problem(format!("column `{name}` is NOT NULL without a default, and the job doesn't fill it")));
        }
    }
    if found.kind == Kind::Table && !table.key.is_empty() {
        let sql = format!("SELECT {}", has_key(&name, &table.key));
        if !look(client, LOCK_TIMEOUT, client.query_typed_one(&sql, &[])).await?.try_get::<_, bool>(0)? {
            problems.push(problem(format!("there is no unique constraint on exactly ({})", list(&table.key))));
        }
    }
    if found.kind == Kind::Foreign && table.on_conflict == Conflict::Update {
        problems
            .push(problem("a foreign table can't update on a conflict: the job would have to ignore it".to_owned()));
    }
    if problems.is_empty() {
        problems.extend(try_out(client, table, &found).await?);
    }
    Ok(problems)
}

/// Inserts no rows, and takes that back: what a view makes of an INSERT, and whether the other server of a foreign
/// table answers, only Postgres can say.
async fn try_out(client: &Client, table: &Table, found: &Relation) -> Result<Option<Mismatch>, Failure> {
    let plan = Plan::table(table);
    let transaction = match Transaction::begin(
        client,
        &Backend::default(),
        &LOCK_TIMEOUT.into(),
        &plan.sql(Some(found)),
        &plan.types(),
    )
    .await
    {
        Ok(transaction) => transaction,
        Err(Failure::Down(reason)) if found.kind != Kind::Table => {
            return Ok(Some(problem(format!("`{}` takes no rows: {reason}", table.name))));
        }
        Err(failure) => return Err(failure),
    };
    if found.kind == Kind::Table {
        transaction.end("ROLLBACK").await?;
        return Ok(None);
    }
    let tried = client.execute_raw(transaction.statement(), plan.parameters(&[])).await;
    transaction.end("ROLLBACK").await?;
    Ok(tried.err().map(|error| problem(format!("`{}` takes no rows: {}", table.name, describe(&error)))))
}

/// What is wrong with the declaration by itself.
fn check_declaration(table: &Table) -> Vec<Mismatch> {
    let mut problems = Vec::new();
    if table.columns.is_empty() {
        problems.push(problem("the job declares no columns".to_owned()));
    }
    let mut names = HashSet::new();
    for column in &table.columns {
        if !names.insert(&column.name) {
            problems.push(problem(format!("the job declares column `{}` twice", column.name)));
        }
    }
    for key in table.key.iter().filter(|key| !names.contains(key)) {
        problems.push(problem(format!("key column `{key}` is not among the columns that the job declares")));
    }
    if table.key.is_empty() && table.on_conflict != Conflict::Fail {
        problems.push(problem("the job says what happens on a conflict, but declares no key".to_owned()));
    }
    problems
}

fn check_column(table: &Table, column: &ColumnSpec, there: &Column, role: &str) -> Vec<Mismatch> {
    let name = &column.name;
    let mut problems = Vec::new();
    if there.way(column.column_type).is_none() {
        let (declared, _) = types(column.column_type);
        let declared = if declared == Type::BOOL { "boolean" } else { declared.name() };
        problems.push(problem(format!("column `{name}` is `{}`, the job declares `{declared}`", there.type_shown)));
    }
    if there.generated {
        problems.push(problem(format!("column `{name}` is generated, so the job can't fill it")));
    } else if column.nullable && !there.nullable {
        problems.push(problem(format!("column `{name}` is NOT NULL, the job may send nulls")));
    }
    let is_key = table.key.contains(name);
    let updates = table.on_conflict == Conflict::Update;
    let resolves = table.on_conflict != Conflict::Fail;
    for (privilege, held, needed) in [
        ("INSERT", there.insert, true),
        ("SELECT", there.select, resolves && is_key || updates),
        ("UPDATE", there.update, updates && !is_key),
    ] {
        if needed && !held {
            problems.push(problem(format!("the {privilege} privilege on column `{name}` is not granted to `{role}`")));
        }
    }
    problems
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelton_model::spec::ColumnType;

    #[test]
    fn a_table_is_made_as_declared() {
        let column = |name: &str, column_type, nullable| ColumnSpec { name: name.to_owned(), column_type, nullable };
        let mut table = Table {
            name: "iot.raw".to_owned(),
            columns: vec![
                column("message_id", ColumnType::Varchar, false),
                column("on\"line", ColumnType::Boolean, true),
                column("timestamp", ColumnType::Timestamptz, false),
            ],
            key: vec!["message_id".to_owned()],
            on_conflict: Conflict::Ignore,
        };
        let expected = r#"CREATE TABLE IF NOT EXISTS "iot"."raw" (
    "message_id" varchar NOT NULL,
    "on""line" bool,
    "timestamp" timestamptz NOT NULL,
    PRIMARY KEY ("message_id")
)"#;
        assert_eq!(create_sql(&table), expected);
        table.columns[0].nullable = true;
        assert!(create_sql(&table).contains("UNIQUE (\"message_id\")"));
    }
}
