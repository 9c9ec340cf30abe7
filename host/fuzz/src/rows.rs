//! Rows as they go to Postgres, in its own hands: whatever a job's columns hold, a row is refused here with a reason, or a
//! real Postgres takes its bytes through COPY and as the parameters of a statement, and has what was sent. What is left to
//! its own rules is the syntax of JSON.

use std::cell::RefCell;
use std::error::Error;
use std::pin::pin;

use arbitrary::{Arbitrary, Result, Unstructured};
use bytes::{Bytes, BytesMut};
use futures_util::SinkExt as _;
use pelton_connect::postgres::{EncodedRows, Encoder};
use pelton_local::postgres::{LocalPostgres, Options};
use pelton_model::record::{Column, ColumnData, Packed, Rows};
use pelton_model::spec::{ColumnSpec, ColumnType, Conflict, Table, Target};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls, Statement};

/// All types, with their names.
const TYPES: [(ColumnType, &str); 16] = [
    (ColumnType::Boolean, "boolean"),
    (ColumnType::Int2, "int2"),
    (ColumnType::Int4, "int4"),
    (ColumnType::Int8, "int8"),
    (ColumnType::Float4, "float4"),
    (ColumnType::Float8, "float8"),
    (ColumnType::Numeric, "numeric"),
    (ColumnType::Text, "text"),
    (ColumnType::Varchar, "varchar"),
    (ColumnType::Bytea, "bytea"),
    (ColumnType::Timestamptz, "timestamptz"),
    (ColumnType::Timestamp, "timestamp"),
    (ColumnType::Date, "date"),
    (ColumnType::Uuid, "uuid"),
    (ColumnType::Json, "json"),
    (ColumnType::Jsonb, "jsonb"),
];
/// `jsonb` comes back in its own order and spaces.
const JSONB: usize = 15;
/// What Postgres decides: the syntax of JSON, escapes in it that stand for nothing, numbers in it and texts that are too
/// large.
const LEFT_TO_POSTGRES: [SqlState; 4] = [
    SqlState::INVALID_TEXT_REPRESENTATION,
    SqlState::UNTRANSLATABLE_CHARACTER,
    SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
    SqlState::STATEMENT_TOO_COMPLEX,
];

struct Server {
    runtime: tokio::runtime::Runtime,
    client: Client,
    copy: Statement,
    insert: Statement,
    select: Statement,
    encoder: Encoder,
    _postgres: LocalPostgres,
}

thread_local! {
    static SERVER: RefCell<Server> = RefCell::new(Server::start());
}

/// A value as it stands in Postgres's binary format.
#[derive(Debug, PartialEq, Eq)]
struct Raw<'a>(&'a [u8]);

impl ToSql for Raw<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> std::result::Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> std::result::Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl Server {
    fn start() -> Self {
        let postgres = LocalPostgres::start(&Options { durable: false, ..Options::default() }).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let columns = TYPES.map(|(_, name)| format!("c_{name} {name}")).join(", ");
        let placeholders = (1..=TYPES.len()).map(|i| format!("${i}")).collect::<Vec<_>>().join(", ");
        let (client, copy, insert, select) = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&postgres.url(), NoTls).await.unwrap();
            tokio::spawn(connection);
            let table = format!("CREATE TEMP TABLE fuzz (id int GENERATED ALWAYS AS IDENTITY, {columns})");
            client.batch_execute(&table).await.unwrap();
            let names = TYPES.map(|(_, name)| format!("c_{name}")).join(", ");
            let copy = client.prepare(&format!("COPY fuzz ({names}) FROM STDIN (FORMAT binary)")).await.unwrap();
            let insert = format!("INSERT INTO fuzz ({names}) VALUES ({placeholders})");
            let insert = client.prepare(&insert).await.unwrap();
            let select = client.prepare(&format!("SELECT {names} FROM fuzz ORDER BY id")).await.unwrap();
            (client, copy, insert, select)
        });
        let columns =
            TYPES.map(|(column_type, name)| ColumnSpec { name: name.to_owned(), column_type, nullable: true });
        let encoder = Encoder::new(&Target::Table(Table {
            name: "fuzz".to_owned(),
            columns: columns.to_vec(),
            key: Vec::new(),
            on_conflict: Conflict::Fail,
        }));
        Self { runtime, client, copy, insert, select, encoder, _postgres: postgres }
    }

    /// What Postgres makes of the rows through COPY, and of each as parameters; nothing of it is kept.
    async fn take(&self, rows: &EncodedRows) {
        self.client.batch_execute("BEGIN").await.unwrap();
        match self.copied(rows).await {
            Ok(()) => self.are_there(rows).await,
            Err(error) => left_to_postgres(&error),
        }
        self.client.batch_execute("ROLLBACK; BEGIN").await.unwrap();
        let mut all = true;
        for row in 0..rows.len() {
            let cells: Vec<_> = rows.parameters(row).into_iter().map(|cell| cell.map(Raw)).collect();
            let parameters: Vec<_> = cells.iter().map(|cell| cell as &(dyn ToSql + Sync)).collect();
            if let Err(error) = self.client.execute(&self.insert, &parameters).await {
                left_to_postgres(&error);
                all = false;
                break;
            }
        }
        if all {
            self.are_there(rows).await;
        }
        self.client.batch_execute("ROLLBACK").await.unwrap();
    }

    async fn copied(&self, rows: &EncodedRows) -> std::result::Result<(), tokio_postgres::Error> {
        let mut sink = pin!(self.client.copy_in::<_, Bytes>(&self.copy).await?);
        sink.feed(rows.copy_file()).await?;
        let copied = sink.finish().await?;
        assert_eq!(copied, rows.len() as u64);
        Ok(())
    }

    async fn are_there(&self, rows: &EncodedRows) {
        let found = self.client.query(&self.select, &[]).await.unwrap();
        assert_eq!(found.len(), rows.len());
        for (i, row) in found.iter().enumerate() {
            for (column, sent) in rows.parameters(i).into_iter().enumerate() {
                let there = row.get::<_, Option<Raw<'_>>>(column).map(|raw| raw.0);
                if column == JSONB {
                    assert_eq!(there.is_some(), sent.is_some());
                } else {
                    let told = TYPES[column].1;
                    let [there, sent] =
                        [there, sent].map(|value| if told == "numeric" { infinite(value) } else { value });
                    assert_eq!(there, sent, "row {i}, {told}");
                }
            }
        }
    }
}

/// A numeric without what Postgres gives an infinite one as its scale, which is part of the mark itself.
fn infinite(value: Option<&[u8]>) -> Option<&[u8]> {
    value.map(|value| if matches!(value, [0, 0, 0, 0, 0xd0 | 0xf0, 0, ..]) { &value[..6] } else { value })
}

fn left_to_postgres(error: &tokio_postgres::Error) {
    let code = error.code().unwrap_or_else(|| panic!("{error:?}"));
    assert!(LEFT_TO_POSTGRES.contains(code), "{error:?}");
}

/// A number, a date or a time as text and as bytes that look like one.
fn packed(u: &mut Unstructured<'_>, column_type: ColumnType) -> Result<Vec<u8>> {
    const NUMERICS: [&str; 8] = ["0", "-1.50", "1e3", "NaN", "-Infinity", "00012.300", "1e-20", "9999999999999999"];
    const JSON: [&str; 6] = ["null", "{\"a\": [1, 2.5e3]}", "\"\\ud83d\\ude00\"", "\"\\u0000\"", "[[[]]]", "1e400"];
    let free = u.ratio(1, 2)?;
    Ok(match column_type {
        ColumnType::Numeric if free => {
            let bytes = Vec::<u8>::arbitrary(u)?;
            bytes.iter().map(|byte| b"0123456789+-.eE NaIinfty"[usize::from(byte % 24)]).collect()
        }
        ColumnType::Numeric => (*u.choose(&NUMERICS)?).into(),
        ColumnType::Json | ColumnType::Jsonb if !free => (*u.choose(&JSON)?).into(),
        ColumnType::Uuid if !free => <[u8; 16]>::arbitrary(u)?.to_vec(),
        ColumnType::Text | ColumnType::Varchar if !free => String::arbitrary(u)?.into_bytes(),
        _ => Vec::<u8>::arbitrary(u)?,
    })
}

fn column(u: &mut Unstructured<'_>, column_type: ColumnType, rows: usize) -> Result<Column> {
    fn all<'a, T: Arbitrary<'a>>(u: &mut Unstructured<'a>, rows: usize) -> Result<Vec<T>> {
        (0..rows).map(|_| T::arbitrary(u)).collect()
    }
    use ColumnType as T;
    let data = match column_type {
        T::Boolean => ColumnData::Booleans(all(u, rows)?),
        T::Int2 => ColumnData::Int16s(all(u, rows)?),
        T::Int4 | T::Date => ColumnData::Int32s(all(u, rows)?),
        T::Int8 | T::Timestamptz | T::Timestamp => ColumnData::Int64s(all(u, rows)?),
        T::Float4 => ColumnData::Float32s(all(u, rows)?),
        T::Float8 => ColumnData::Float64s(all(u, rows)?),
        _ => {
            let mut items = Packed::default();
            for _ in 0..rows {
                items.push(&packed(u, column_type)?);
            }
            ColumnData::Packed(items)
        }
    };
    let validity = if u.ratio(1, 4)? { Vec::new() } else { all(u, rows.div_ceil(8))? };
    Ok(Column { validity, data })
}

/// Takes rows.
pub fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let rows = (|| -> Result<Rows> {
        let count = u.int_in_range(1..=6)?;
        let columns =
            TYPES.iter().map(|(column_type, _)| column(&mut u, *column_type, count)).collect::<Result<_>>()?;
        Ok(Rows { columns, origin: (0..count as u32).collect() })
    })();
    let Ok(rows) = rows else { return };
    SERVER.with_borrow(|server| {
        let encoded = server.encoder.encode(&rows);
        assert_eq!(encoded.rows.len() + encoded.refused.len(), rows.origin.len());
        for (row, reason) in &encoded.refused {
            assert_eq!(server.encoder.refusal(&rows, *row as usize).as_ref(), Some(reason));
            assert!(reason.len() < 1_000, "{reason}");
        }
        if !encoded.rows.is_empty() {
            server.runtime.block_on(server.take(&encoded.rows));
        }
    });
}
