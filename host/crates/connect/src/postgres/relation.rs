//! What a sink's table is in the database: its kind, its columns, and how a job's values get into each.
//!
//! Columns come from the catalog itself: `information_schema` leaves out those that the role has no right on, which
//! would then be told to be missing. Everything is looked up as the writer will find it: through the role's
//! `search_path` unless the name has a schema.

use pelton_model::spec::ColumnType;
use tokio_postgres::types::{Oid, Type};
use tokio_postgres::{Client, Error};

use super::sql::literal;
use super::types::types;

/// Types whose binary form is the text.
const TEXTS: [Type; 3] = [Type::TEXT, Type::VARCHAR, Type::BPCHAR];

/// Something that rows can be inserted into, or not.
#[derive(Debug)]
pub(super) struct Relation {
    pub(super) kind: Kind,
    /// Whether policies decide which rows this role may insert, or rules where they go: COPY knows neither.
    pub(super) is_ruled: bool,
    /// As whom it is looked at.
    pub(super) role: String,
    pub(super) columns: Vec<Column>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Partitioned ones included.
    Table,
    Foreign,
    View,
    Other,
}

/// A column that is there.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// Its type as SQL.
    pub(super) type_name: String,
    /// The same with length and precision, for people.
    pub(super) type_shown: String,
    oid: Oid,
    /// The type under its domains.
    base: Oid,
    form: Form,
    pub(super) nullable: bool,
    /// Whether it has a value where none is given.
    pub(super) fills_itself: bool,
    /// Whether it takes no value that is given.
    pub(super) generated: bool,
    /// Privileges of this role.
    pub(super) insert: bool,
    pub(super) select: bool,
    pub(super) update: bool,
}

/// What a type that is not the contract's is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// An enum, or `citext`: its binary form is its text.
    Text,
    Array,
    Other,
}

/// How a value gets into a column.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As it is.
    Same,
    /// By a cast from text. COPY takes the text for what it is all the same.
    Cast,
    /// By a cast from text only.
    CastOnly,
}

impl Column {
    /// How values that a job declares to be of this type get in; `None` where they don't.
    pub(super) fn way(&self, declared: ColumnType) -> Option<Way> {
        let is_text = matches!(declared, ColumnType::Text | ColumnType::Varchar);
        match self.form {
            _ if self.base == types(declared).0.oid() => Some(Way::Same),
            _ if is_text && TEXTS.iter().any(|text| text.oid() == self.base) => Some(Way::Same),
            Form::Text if is_text => Some(Way::Cast),
            Form::Array if is_text => Some(Way::CastOnly),
            _ => None,
        }
    }

    /// The types that COPY may find in its place.
    pub(super) fn oids(&self) -> Vec<Oid> {
        let texts = TEXTS.map(|text| text.oid());
        if texts.contains(&self.oid) { texts.to_vec() } else { vec![self.oid] }
    }
}

/// What there is under a name that is quoted as SQL wants it.
pub(super) async fn relation(client: &Client, name: &str) -> Result<Option<Relation>, Error> {
    let found = client
        .query_typed_opt(
            "SELECT oid, relkind::text, row_security_active(oid) OR relhasrules, current_user::text
             FROM pg_catalog.pg_class WHERE oid = to_regclass($1)",
            &[(&name, Type::TEXT)],
        )
        .await?;
    let Some(found) = found else { return Ok(None) };
    let oid = found.try_get(0)?;
    let kind = match found.try_get(1)? {
        "r" | "p" => Kind::Table,
        "f" => Kind::Foreign,
        "v" => Kind::View,
        _ => Kind::Other,
    };
    let columns = columns(client, oid).await?;
    Ok(Some(Relation { kind, is_ruled: found.try_get(2)?, role: found.try_get(3)?, columns }))
}

async fn columns(client: &Client, table: Oid) -> Result<Vec<Column>, Error> {
    let rows = client
        .query_typed(
            "SELECT a.attname::text, format_type(a.atttypid, NULL), format_type(a.atttypid, a.atttypmod),
                 a.atttypid, base.oid, base.typtype = 'e' OR base.typname = 'citext', base.typcategory = 'A',
                 NOT (a.attnotnull OR own.typtype = 'd' AND own.typnotnull),
                 a.atthasdef OR a.attidentity <> '' OR own.typdefault IS NOT NULL,
                 a.attgenerated <> '' OR a.attidentity = 'a',
                 has_column_privilege(a.attrelid, a.attnum, 'INSERT'),
                 has_column_privilege(a.attrelid, a.attnum, 'SELECT'),
                 has_column_privilege(a.attrelid, a.attnum, 'UPDATE')
             FROM pg_catalog.pg_attribute a
             JOIN pg_catalog.pg_type own ON own.oid = a.atttypid
             CROSS JOIN LATERAL (
                 WITH RECURSIVE under AS (
                     SELECT a.atttypid AS oid
                     UNION ALL
                     SELECT d.typbasetype FROM under JOIN pg_catalog.pg_type d ON d.oid = under.oid AND d.typtype = 'd'
                 )
                 SELECT t.oid, t.typtype, t.typname, t.typcategory
                 FROM under JOIN pg_catalog.pg_type t ON t.oid = under.oid AND t.typtype <> 'd'
             ) base
             WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
            &[(&table, Type::OID)],
        )
        .await?;
    let found = rows.iter().map(|row| {
        Ok(Column {
            name: row.try_get(0)?,
            type_name: row.try_get(1)?,
            type_shown: row.try_get(2)?,
            oid: row.try_get(3)?,
            base: row.try_get(4)?,
            form: match (row.try_get(5)?, row.try_get(6)?) {
                (true, _) => Form::Text,
                (_, true) => Form::Array,
                _ => Form::Other,
            },
            nullable: row.try_get(7)?,
            fills_itself: row.try_get(8)?,
            generated: row.try_get(9)?,
            insert: row.try_get(10)?,
            select: row.try_get(11)?,
            update: row.try_get(12)?,
        })
    });
    found.collect()
}

/// Whether a table, its name quoted, has a unique index that can decide a conflict on exactly these columns, as SQL: a
/// plain, valid, immediate one.
pub(super) fn has_key(table: &str, key: &[String]) -> String {
    let key: Vec<_> = key.iter().map(|column| literal(column)).collect();
    format!(
        "EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = {}::regclass AND i.indisunique AND i.indisvalid
             AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
             AND (SELECT array_agg(a.attname::text ORDER BY a.attname::text COLLATE \"C\")
                  FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, position)
                  JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                  WHERE k.position <= i.indnkeyatts)
                 = (SELECT array_agg(name ORDER BY name COLLATE \"C\") FROM unnest(ARRAY[{}]::text[]) name))",
        literal(table),
        key.join(", ")
    )
}
