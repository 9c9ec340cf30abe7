//! A table that is not there: whether it could be made, and which one was perhaps meant.

use pelton_model::near::did_you_mean;
use pelton_model::spec::Table;
use pelton_model::sql::relation;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::error::Unusable;
use super::schema::LOCK_TIMEOUT;
use super::transaction::look as transaction;
use crate::connector::Fix;

/// What a role may do in a schema, the one that new tables go to where none is named; no row where it is not there.
const SCHEMA: &str = "SELECT n.nspname::text, has_schema_privilege(n.oid, 'CREATE'), current_user::text
    FROM pg_catalog.pg_namespace n WHERE n.nspname = coalesce($1, current_schema())";

/// What rows may be inserted into, by the names under which jobs find it.
const TABLES: &str = "SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname::text
        ELSE n.nspname::text || '.' || c.relname::text END
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'f') AND NOT c.relispartition
        AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    ORDER BY 1 LIMIT 10000";

/// What is told of a table that is missing, after these words, and what helps. Changes nothing.
pub(super) async fn look(client: &Client, table: &Table, missing: &str) -> Result<(String, Fix), Unusable> {
    let found = transaction(client, LOCK_TIMEOUT, read(client, table)).await;
    let (obstacle, names) = found.map_err(|failure| Unusable(failure.into_reason()))?;
    let meant = did_you_mean(&table.name, names.iter().map(String::as_str), '`');
    Ok(match obstacle {
        None => (format!("{missing}{meant}"), Fix::Create),
        Some(obstacle) => (format!("{missing} and can't be created: {obstacle}{meant}"), Fix::ByHand),
    })
}

/// What is in the way of making it, and the names of other tables.
async fn read(client: &Client, table: &Table) -> Result<(Option<String>, Vec<String>), Error> {
    let parts = relation(&table.name).unwrap_or_default();
    let schema = parts.first().filter(|_| parts.len() > 1).cloned();
    let obstacle = match client.query_typed_opt(SCHEMA, &[(&schema, Type::TEXT)]).await? {
        None => Some(schema.map_or_else(
            || "the role's search_path has no schema that it may use".to_owned(),
            |schema| format!("there is no schema `{schema}`"),
        )),
        Some(row) if row.try_get(1)? => None,
        Some(row) => {
            let (schema, role): (String, String) = (row.try_get(0)?, row.try_get(2)?);
            Some(format!("the CREATE privilege on schema `{schema}` is not granted to `{role}`"))
        }
    };
    let rows = client.query_typed(TABLES, &[]).await?;
    let names = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    Ok((obstacle, names))
}
