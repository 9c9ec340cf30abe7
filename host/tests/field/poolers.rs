//! Prepared statements of several programs meet on the connections of a pooler in transaction mode: `prepared statement
//! "s3" already exists`, or rows in another's table. <https://github.com/rust-postgres/rust-postgres/issues/1054>,
//! <https://github.com/transact-rs/sqlx/issues/67>.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio_postgres::NoTls;

use crate::kafka::Record;
use crate::pelton::{Host, example};
use crate::pgbouncer::Pooler;
use crate::readings::reading;
use crate::stage::{RUN, Servers, guest, require_stage};
use crate::{eventually::eventually, skip};

const READINGS: usize = 6_000;

macro_rules! require_pooler {
    () => {
        if let Err(reason) = Pooler::available() {
            return skip::skip(skip::test_name!(), &reason);
        }
    };
}

/// The component with another source and another table, whose names are as long.
pub(crate) fn changed(component: &std::path::Path, topic: &str, table: &str) -> Vec<u8> {
    let replace = |bytes: Vec<u8>, from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let mut bytes = bytes;
        for at in 0..bytes.len().saturating_sub(from.len()) {
            if bytes[at..].starts_with(from.as_bytes()) {
                bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
            }
        }
        bytes
    };
    let bytes = replace(fs::read(component).unwrap(), "raw_sensors_data", table);
    replace(bytes, "sensors", topic)
}

/// Clients that keep the pooler's connections busy while this is held.
struct Others {
    stop: &'static AtomicBool,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Others {
    fn start(url: &str) -> Self {
        let stop: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
        let sleeping = |url: String| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
                tokio::spawn(connection);
                while !stop.load(Ordering::Relaxed) {
                    client.batch_execute("SELECT pg_sleep(0.05)").await.unwrap();
                    // What stays behind on whatever connection it is: the next one finds a name taken, and looks for
                    // its tables elsewhere.
                    let _ = client.batch_execute("PREPARE s3 AS SELECT 1").await;
                    client.batch_execute("SET search_path = elsewhere, public").await.unwrap();
                    // And a row that is acknowledged may be lost.
                    client.batch_execute("SET synchronous_commit = off").await.unwrap();
                }
            });
        };
        let threads = (0..2)
            .map(|_| {
                thread::spawn({
                    let url = url.to_owned();
                    move || sleeping(url)
                })
            })
            .collect();
        Self { stop, threads }
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

fn host(servers: &Servers, url: &str) -> Host {
    let mut host = servers.host().flag("--postgres", url);
    host.start();
    host
}

#[test]
fn in_transaction_mode_each_row_is_in_its_own_table() {
    require_pooler!();
    let servers = require_stage!();
    let postgres = servers.postgres.url();
    let pooler = Pooler::start(&postgres, "transaction", 2);
    let url = pooler.url(&postgres);
    servers.set(2);
    // Tables of the same columns, one filled by COPY and INSERT, two by statements of the jobs' own.
    let jobs = [
        ("sensor_pipeline", "sensors", "raw_sensors_data"),
        ("sensor_statement", "sensorb", "raw_readings_bbb"),
        ("sensor_statement", "sensorc", "raw_readings_ccc"),
    ];
    servers.sql("DROP SCHEMA IF EXISTS elsewhere CASCADE; CREATE SCHEMA elsewhere");
    for (_, topic, table) in jobs {
        servers.sql(&format!(
            "CREATE TABLE IF NOT EXISTS {table} (LIKE raw_sensors_data INCLUDING ALL);
            ALTER TABLE {table} DROP CONSTRAINT IF EXISTS durable;
            ALTER TABLE {table} ADD CONSTRAINT durable CHECK (current_setting('synchronous_commit') = 'on');
            CREATE TABLE elsewhere.{table} (LIKE raw_sensors_data INCLUDING ALL)"
        ));
        if topic != "sensors" {
            servers.kafka.create_topic(topic, 2, &[]);
        }
        // Each comes twice, so that there are conflicts.
        let records: Vec<Record> = (0..READINGS).map(|n| reading(&format!("{topic} {}", n / 2), 20.0)).collect();
        servers.kafka.produce(topic, &records);
    }
    let others = Others::start(&url);
    let hosts = [host(&servers, &url), host(&servers, &url)];
    let folder = tempfile::tempdir().unwrap();
    for (n, (job, topic, table)) in jobs.iter().enumerate() {
        let file = folder.path().join(format!("{topic}.wasm"));
        let component = if *job == "sensor_pipeline" { example(job) } else { guest(job) };
        fs::write(&file, changed(&component, topic, table)).unwrap();
        hosts[n % 2].submit(&file, &["--name", topic]);
    }
    for (_, topic, table) in jobs {
        eventually(RUN, &format!("{table} is full"), || (servers.count(table) as usize >= READINGS / 2).then_some(()));
        let wrong = servers.query(&format!("SELECT message_id FROM {table} WHERE message_id NOT LIKE '{topic} %'"));
        assert!(wrong.is_empty(), "{} rows of others in {table}", wrong.len());
        assert_eq!(servers.count(table) as usize, READINGS / 2, "{table}");
        assert_eq!(servers.count(&format!("elsewhere.{table}")), 0, "{table}");
    }
    drop(others);
    servers.sql("DROP SCHEMA elsewhere CASCADE");
}

#[test]
fn what_is_given_up_behind_a_pooler_is_never_written() {
    require_pooler!();
    let servers = require_stage!();
    let postgres = servers.postgres.url();
    let pooler = Pooler::start(&postgres, "transaction", 3);
    servers.set(1);
    // No key, so that whatever is written twice is there twice; a trigger that takes longer than a batch may.
    servers.sql(
        "ALTER TABLE raw_sensors_data DROP CONSTRAINT raw_sensors_data_pkey;
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3); RETURN NEW; END $$;
        CREATE TRIGGER slow BEFORE INSERT ON raw_sensors_data FOR EACH ROW EXECUTE FUNCTION slow()",
    );
    servers.kafka.produce("sensors", &[reading("one", 20.0)]);
    let mut host = servers.host().flag("--postgres", pooler.url(&postgres));
    host = host.env("PELTON_POSTGRES__WRITE_TIMEOUT", "500ms");
    host.start();
    host.submit(guest("sensor_statement"), &[]);
    eventually(RUN, "it was given up", || {
        (host.log().matches("no answer within 500ms").count() >= 1
            && host.show("sensor_statement")["conditions"].to_string().contains("took too long"))
        .then_some(())
    });
    servers.sql("DROP TRIGGER slow ON raw_sensors_data");
    servers.wait_until_done("sensor_statement");
    assert_eq!(servers.count("raw_sensors_data"), 1);
}

#[test]
fn in_session_mode_it_works() {
    require_pooler!();
    let servers = require_stage!();
    let postgres = servers.postgres.url();
    let pooler = Pooler::start(&postgres, "session", 10);
    servers.set(2);
    servers.kafka.produce("sensors", &(0..100).map(|n| reading(&format!("{n}"), 20.0)).collect::<Vec<_>>());
    let host = host(&servers, &pooler.url(&postgres));
    host.submit(example("sensor_pipeline"), &[]);
    servers.wait_until_done("sensor_pipeline");
    assert_eq!(servers.count("raw_sensors_data"), 100);
}

#[test]
fn in_statement_mode_a_submit_is_refused_with_the_reason() {
    require_pooler!();
    let servers = require_stage!();
    let postgres = servers.postgres.url();
    let pooler = Pooler::start(&postgres, "statement", 10);
    servers.set(2);
    let host = host(&servers, &pooler.url(&postgres));
    let said = host.cli(&["submit", example("sensor_pipeline").to_str().unwrap()]);
    assert_ne!(said.code, 0);
    assert!(said.stderr.contains("a pooler between must be in transaction or session mode"), "{}", said.stderr);
}
