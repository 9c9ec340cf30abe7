//! What the tests of the sink share: a database of their own, a sink in it, and what it reports.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use pelton::connect::DeadLetters;
use pelton::connect::postgres::{ConnectionUrl, Encoder, PostgresConfig, PostgresSink, RowChunk, SinkObserver};
use pelton::record::{Batch, Column, ColumnData, Packed, Rows};
use pelton::spec::{ColumnSpec, ColumnType, Conflict, Sink, Statement, Table, Target};
use pelton_delivery::budget::Budget;
use pelton_delivery::delivery::Delivery;
use pelton_delivery::ledger::Ledger;
use pelton_local::postgres::{LocalPostgres, Options};
use pelton_model::stage::Stage;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use crate::eventually::eventually;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Dead letters: the offset of the record and the reason.
#[derive(Debug, Default)]
pub(crate) struct Letters(Mutex<Vec<(i64, String)>>);

impl Letters {
    pub(crate) fn all(&self) -> Vec<(i64, String)> {
        let mut all = self.0.lock().unwrap().clone();
        all.sort();
        all
    }
}

impl DeadLetters for Letters {
    fn send(&self, delivery: &Arc<Delivery>, index: u32, stage: Stage, reason: &str) {
        assert_eq!(stage, Stage::Sink);
        // The delivery must still be waiting for an acknowledgement, or its offsets might move before the letter is
        // kept.
        let offset = delivery.batch().offsets[index as usize];
        assert!(
            delivery.ledger().committable().is_none_or(|next| next <= offset),
            "acknowledged before its dead letter"
        );
        self.0.lock().unwrap().push((offset, reason.to_owned()));
    }
}

/// What the sink told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) ups: AtomicUsize,
    pub(crate) downs: Mutex<Vec<String>>,
    /// The last of what was told of rows that are refused one after the other, and whether it is held.
    pub(crate) refuses: Mutex<Option<(String, bool)>>,
    pub(crate) rows: AtomicUsize,
    pub(crate) transactions: AtomicUsize,
}

impl SinkObserver for Told {
    fn down(&self, reason: &str) {
        self.downs.lock().unwrap().push(reason.to_owned());
    }
    fn refuses(&self, reason: &str, is_held: bool) {
        *self.refuses.lock().unwrap() = Some((reason.to_owned(), is_held));
    }
    fn takes(&self) {
        *self.refuses.lock().unwrap() = None;
    }
    fn up(&self) {
        self.ups.fetch_add(1, Ordering::SeqCst);
    }
    fn wrote(&self, rows: u64, bytes: u64) {
        assert!(bytes > 0);
        self.rows.fetch_add(rows as usize, Ordering::SeqCst);
        self.transactions.fetch_add(1, Ordering::SeqCst);
    }
}

/// The server that tests share which don't stop it. It ends with the test process.
fn shared_server() -> &'static LocalPostgres {
    static SERVER: OnceLock<LocalPostgres> = OnceLock::new();
    SERVER.get_or_init(private_server)
}

/// A server for one test alone.
pub(crate) fn private_server() -> LocalPostgres {
    LocalPostgres::start(&Options { durable: false, ..Options::default() }).unwrap()
}

pub(crate) struct Rig {
    pub(crate) runtime: Runtime,
    pub(crate) config: PostgresConfig,
    pub(crate) letters: Arc<Letters>,
    pub(crate) told: Arc<Told>,
    pub(crate) ledger: Arc<Ledger>,
    budget: Arc<Budget>,
    next_offset: i64,
    url: String,
    admin: Option<Client>,
}

impl Rig {
    /// A database of its own on the shared server.
    pub(crate) fn new() -> Self {
        static DATABASES: AtomicUsize = AtomicUsize::new(0);
        let database = format!("sink_{}", DATABASES.fetch_add(1, Ordering::SeqCst));
        let mut rig = Self::on(&shared_server().url());
        rig.sql(&format!("CREATE DATABASE {database}"));
        let (base, _) = rig.url.rsplit_once('/').unwrap();
        let url = format!("{base}/{database}");
        rig.connect(&url);
        rig
    }

    /// The database of this URL.
    pub(crate) fn on(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let mut rig = Self {
            runtime,
            config: PostgresConfig::new(url.parse().unwrap()),
            letters: Arc::default(),
            told: Arc::default(),
            ledger: Arc::default(),
            budget: Arc::new(Budget::new(64 << 20)),
            next_offset: 0,
            url: String::new(),
            admin: None,
        };
        rig.connect(url);
        rig
    }

    /// (Re)connects the test itself, and points sinks to come there.
    pub(crate) fn connect(&mut self, url: &str) {
        self.try_connect(url).unwrap();
    }

    /// The same, with what was set for new sessions meanwhile.
    pub(crate) fn connect_again(&mut self) {
        self.connect(&self.url.clone());
    }

    pub(crate) fn try_connect(&mut self, url: &str) -> Result<(), tokio_postgres::Error> {
        self.url = url.to_owned();
        self.config.url = url.parse().unwrap();
        self.admin = Some(self.runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
            tokio::spawn(connection);
            Ok::<_, tokio_postgres::Error>(client)
        })?);
        Ok(())
    }

    pub(crate) fn url_as(&self, user: &str, password: &str) -> ConnectionUrl {
        let (_, rest) = self.url.split_once('@').unwrap();
        format!("postgres://{user}:{password}@{rest}").parse().unwrap()
    }

    pub(crate) fn admin(&self) -> &Client {
        self.admin.as_ref().unwrap()
    }

    #[track_caller]
    pub(crate) fn sql(&self, sql: &str) {
        self.runtime.block_on(self.admin().batch_execute(sql)).unwrap();
    }

    /// The rows of a query, each value as text and null as `∅`, joined by `|`.
    #[track_caller]
    pub(crate) fn query(&self, sql: &str) -> Vec<String> {
        let messages = self.runtime.block_on(self.admin().simple_query(sql)).unwrap();
        let rows = messages.iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|i| row.get(i).unwrap_or("∅")).collect::<Vec<_>>().join("|"))
            }
            _ => None,
        });
        rows.collect()
    }

    pub(crate) fn sink(&self, target: &Target) -> PostgresSink {
        let sink = Sink { name: "out".to_owned(), target: target.clone() };
        let (letters, told) = (Arc::clone(&self.letters), Arc::clone(&self.told));
        PostgresSink::spawn(self.runtime.handle(), "test", &sink, &self.config, letters, told).unwrap()
    }

    /// Sends rows as the pipeline does: as made from as many records of one batch.
    pub(crate) fn send(&mut self, sink: &PostgresSink, target: &Target, rows: &Rows) {
        let next = self.next_offset + rows.origin.len() as i64;
        let batch = Batch { offsets: (self.next_offset..next).collect(), ..Batch::default() };
        self.next_offset = next;
        let delivery = Delivery::new(batch, Arc::clone(&self.ledger), Arc::clone(&self.budget)).unwrap();
        let encoded = Encoder::new(target).encode(rows);
        for (index, reason) in &encoded.refused {
            self.letters.send(&delivery, *index, Stage::Sink, reason);
        }
        delivery.expect(1);
        sink.send(RowChunk::new(&delivery, encoded.rows));
        delivery.acknowledge(1);
    }

    /// Waits until all that was sent is acknowledged.
    #[track_caller]
    pub(crate) fn settle(&self) {
        eventually(PATIENCE, "all rows are acknowledged", || {
            (self.ledger.committable() == Some(self.next_offset)).then_some(())
        });
    }

    #[track_caller]
    pub(crate) fn wait_down(&self, reason: &str) {
        eventually(PATIENCE, reason, || {
            self.told.downs.lock().unwrap().iter().any(|down| down.contains(reason)).then_some(())
        });
    }

    #[track_caller]
    pub(crate) fn wait_up(&self, times: usize) {
        eventually(PATIENCE, "it is up", || (self.told.ups.load(Ordering::SeqCst) >= times).then_some(()));
    }

    pub(crate) fn transactions(&self) -> usize {
        self.told.transactions.load(Ordering::SeqCst)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the sink told {:?}; dead letters: {:?}", self.told, self.letters.all());
        }
    }
}

pub(crate) fn column(name: &str, column_type: ColumnType, nullable: bool) -> ColumnSpec {
    ColumnSpec { name: name.to_owned(), column_type, nullable }
}

pub(crate) fn table(name: &str, columns: Vec<ColumnSpec>, key: &[&str], on_conflict: Conflict) -> Target {
    let key = key.iter().map(|&key| key.to_owned()).collect();
    Target::Table(Table { name: name.to_owned(), columns, key, on_conflict })
}

pub(crate) fn statement(sql: &str, placeholders: &[ColumnType]) -> Target {
    Target::Statement(Statement { sql: sql.to_owned(), placeholders: placeholders.to_vec() })
}

/// `items (id int4 PRIMARY KEY, note text NOT NULL)`, which most tests write to.
pub(crate) fn items(on_conflict: Conflict) -> Target {
    let columns = vec![column("id", ColumnType::Int4, false), column("note", ColumnType::Text, false)];
    table("items", columns, &["id"], on_conflict)
}

pub(crate) const ITEMS: &str = "CREATE TABLE items (id int PRIMARY KEY, note text NOT NULL CHECK (note <> 'bad'))";

pub(crate) fn item_rows(items: impl IntoIterator<Item = (i32, impl AsRef<str>)>) -> Rows {
    let (ids, notes): (Vec<_>, Vec<_>) = items.into_iter().unzip();
    rows(vec![ColumnData::Int32s(ids), packed(&notes)])
}

/// One row per value, made from one record each; nothing is null.
pub(crate) fn rows(columns: Vec<ColumnData>) -> Rows {
    let origin = (0..columns[0].len() as u32).collect();
    let columns = columns.into_iter().map(|data| Column { validity: Vec::new(), data });
    Rows { origin, columns: columns.collect() }
}

pub(crate) fn packed(items: &[impl AsRef<str>]) -> ColumnData {
    let mut packed = Packed::default();
    for item in items {
        packed.push(item.as_ref().as_bytes());
    }
    ColumnData::Packed(packed)
}
