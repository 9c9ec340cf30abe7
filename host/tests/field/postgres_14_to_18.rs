//! What is tried on one version of Postgres only fails on another that is in use:
//! <https://github.com/xataio/pgstream/issues/536>, <https://github.com/factcast/factcast/issues/2307>.

use std::collections::BTreeMap;
use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pelton_local::postgres::Programs;
use serde_json::json;

use crate::eventually::eventually;
use crate::failover::run;
use crate::kafka::Record;
use crate::pelton::{Host, example};
use crate::poolers::changed;
use crate::readings::readings;
use crate::stage::{RUN, Servers, guest, require_stage};
use crate::waiting::{ids, ids_of, wait_until_read, wait_until_running, wait_until_told};

const PIPELINE: &str = "sensor_pipeline";
const STATEMENT: &str = "sensor_statement";
const UPSERT: &str = "all_types";

/// Readings of each part of the story.
const PART: usize = 1_000;

/// So many readings take longer than the write timeout, by 15 ms each.
const SLOW: usize = 400;

/// A function that raises on one reading, and constraints that others break.
const TABLES: &str = "
    ALTER TABLE raw_sensors_data ADD CONSTRAINT fussy CHECK (message_id <> 'reading 11');
    CREATE TABLE raw_sensors_stmt (LIKE raw_sensors_data INCLUDING ALL);
    CREATE FUNCTION picky() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.message_id = 'reading 7' THEN RAISE EXCEPTION 'not seven' USING ERRCODE = '57014'; END IF;
        RETURN NEW; END $$;
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(0.015); RETURN NEW; END $$;
    CREATE TRIGGER picky BEFORE INSERT ON raw_sensors_data FOR EACH ROW EXECUTE FUNCTION picky();
    CREATE TRIGGER picky BEFORE INSERT ON raw_sensors_stmt FOR EACH ROW EXECUTE FUNCTION picky()";

/// What is updated, in order: each of 300 keys three times, and one that its column does not hold.
fn updates(from: usize) -> Vec<Record> {
    let value = |n: usize| json!({"id": n % 300, "int4": n, "text": format!("text {n}"), "numeric": "1.25"});
    let mut records: Vec<_> = (from..from + 900).map(|n| Record::new(value(n).to_string())).collect();
    records.insert(5, Record::new(json!({"id": 1000, "int4": -1, "numeric": "12345.67"}).to_string()));
    records
}

fn stories(major: u32) {
    let mut servers = require_stage!().with_postgres(Programs::Version(major));
    let version: String = servers.query("SHOW server_version")[0].get(0);
    assert!(version.starts_with(&format!("{major}.")), "{version}");
    servers.set(1);
    servers.sql(TABLES);
    servers.kafka.create_topic(UPSERT, 1, &[]);
    let mut host: Host = servers.host().env("PELTON_POSTGRES__WRITE_TIMEOUT", "2s");
    host.start();
    let folder = tempfile::tempdir().unwrap();
    let statement = folder.path().join("statement.wasm");
    fs::write(&statement, changed(&guest(STATEMENT), "sensors", "raw_sensors_stmt")).unwrap();
    host.submit(guest(UPSERT), &["--create"]);
    servers.sql("ALTER TABLE all_types ALTER numeric TYPE numeric(6, 2)");
    host.submit(example(PIPELINE), &[]);
    host.submit(statement, &[]);

    // Rows by COPY, by INSERT, by upsert and by statement, and bad ones among them.
    servers.kafka.produce("sensors", &readings(0..PART));
    servers.kafka.produce(UPSERT, &updates(0));
    let all_read = |servers: &Servers| {
        for (job, topic) in [(PIPELINE, "sensors"), (STATEMENT, "sensors"), (UPSERT, UPSERT)] {
            wait_until_read(servers, job, topic);
        }
    };
    all_read(&servers);

    // It stops as it does when the machine goes down, and comes back.
    kill(Pid::from_raw(servers.postgres.pid().unwrap() as i32), Signal::SIGQUIT).unwrap();
    for job in [PIPELINE, STATEMENT, UPSERT] {
        wait_until_told(&host, job, "");
    }
    servers.kafka.produce("sensors", &readings(PART..2 * PART));
    servers.kafka.produce(UPSERT, &updates(900));
    let url = servers.postgres.url();
    eventually(RUN, "the server is back", || {
        servers.postgres.start_again().ok()?;
        run(&url, "SELECT 1").ok()
    });
    all_read(&servers);

    // More at once than the write timeout leaves time for.
    servers.sql("CREATE TRIGGER slow BEFORE INSERT ON raw_sensors_data FOR EACH ROW EXECUTE FUNCTION slow()");
    servers.kafka.produce("sensors", &readings(2 * PART..2 * PART + SLOW));
    all_read(&servers);
    assert!(host.log().contains("took too long, fewer are tried"), "the reason is said");

    let good = ids_of((0..2 * PART + SLOW).filter(|n| ![7, 11].contains(n)));
    for table in ["raw_sensors_data", "raw_sensors_stmt"] {
        assert!(ids(&servers, table) == good, "{table} of {version}: {}", ids(&servers, table).len());
    }
    let values = servers.query("SELECT id, int4, text, numeric::text FROM all_types");
    let values: BTreeMap<i64, (i32, String, String)> =
        values.iter().map(|row| (row.get(0), (row.get(1), row.get(2), row.get(3)))).collect();
    let last = |key: i32| (1500 + key, format!("text {}", 1500 + key), "1.25".to_owned());
    assert_eq!(values, (0..300).map(|key| (i64::from(key), last(key))).collect());

    for (job, sink, table) in
        [(PIPELINE, "raw_sensors_data", "raw_sensors_data"), (STATEMENT, "readings", "raw_sensors_stmt")]
    {
        let reasons: Vec<_> = servers.reasons(job).into_iter().map(|(offset, _, why)| (offset, why)).collect();
        let check = format!(
            "sink `{sink}`: new row for relation \"{table}\" violates check constraint \"fussy\" \
             (23514, constraint `fussy`)"
        );
        assert_eq!(reasons, [(7, format!("sink `{sink}`: not seven (57014)")), (11, check)], "{job} on {version}");
    }
    let letters = servers.kafka.read_all("all_types.dlq");
    let reasons: Vec<_> = letters
        .iter()
        .map(|letter| (letter.header_text("pelton.offset").unwrap(), letter.header_text("pelton.error").unwrap()))
        .collect();
    let overflow = "sink `all_types`: numeric field overflow (22003)";
    assert_eq!(reasons, [("5", overflow), ("906", overflow)], "on {version}");
    for job in [PIPELINE, STATEMENT, UPSERT] {
        wait_until_running(&host, job);
    }
}

#[ignore = "slow: a server is fetched, stopped and started, and takes its time"]
#[test]
fn on_postgres_14_every_row_is_where_it_belongs() {
    stories(14);
}

#[ignore = "slow: a server is fetched, stopped and started, and takes its time"]
#[test]
fn on_postgres_15_every_row_is_where_it_belongs() {
    stories(15);
}

#[ignore = "slow: a server is fetched, stopped and started, and takes its time"]
#[test]
fn on_postgres_16_every_row_is_where_it_belongs() {
    stories(16);
}

#[ignore = "slow: a server is fetched, stopped and started, and takes its time"]
#[test]
fn on_postgres_17_every_row_is_where_it_belongs() {
    stories(17);
}

#[ignore = "slow: a server is fetched, stopped and started, and takes its time"]
#[test]
fn on_postgres_18_every_row_is_where_it_belongs() {
    stories(18);
}
