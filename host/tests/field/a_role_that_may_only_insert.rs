//! A sink asks for rights that it has no need of, or fails while it runs for one that it lacks:
//! <https://github.com/PostgREST/postgrest/issues/1934>, <https://github.com/cockroachdb/cockroach/issues/6826>.

use crate::kafka::Record;
use crate::pelton::{Host, example};
use crate::readings::readings;
use crate::roles::role;
use crate::stage::{Servers, guest, require_stage};
use crate::waiting::{ids, ids_of, wait_until_read, wait_until_told};

fn host(servers: &Servers, rights: &str) -> Host {
    let url = role(servers, "clerk", rights);
    let mut host = servers.host().flag("--postgres", url);
    host.start();
    host
}

#[test]
fn inserts_need_nothing_but_insert() {
    let servers = require_stage!();
    servers.kafka.create_topic("conformance", 1, &[]);
    servers.kafka.create_topic("conformance_out", 1, &[]);
    servers.sql(
        "CREATE TABLE notes (id bigint PRIMARY KEY, note text, at timestamptz DEFAULT now());
        CREATE TABLE conformance_rows (boolean bool, int2 int2, int4 int4, int8 int8, float4 float4, float8 float8,
            numeric numeric, text text, varchar varchar, bytea bytea, timestamptz timestamptz, timestamp timestamp,
            date date, uuid uuid, json json, jsonb jsonb);
        REVOKE TEMPORARY ON DATABASE flinkdb FROM PUBLIC",
    );
    let host = host(&servers, "GRANT INSERT ON conformance_rows TO clerk; GRANT INSERT (id, note) ON notes TO clerk");
    host.submit(guest("conformance"), &[]);
    let commands: Vec<_> = (0..300).map(|n| Record::new(["row", "nulls", "statement"][n % 3])).collect();
    servers.kafka.produce("conformance", &commands);
    wait_until_read(&servers, "conformance", "conformance");
    servers.sql("GRANT TEMPORARY ON DATABASE flinkdb TO PUBLIC");
    let numbers: Vec<i64> = servers.query("SELECT id FROM notes ORDER BY id").iter().map(|row| row.get(0)).collect();
    assert_eq!(numbers, (0..300).filter(|n| n % 3 == 2).collect::<Vec<i64>>());
    let rows = servers.query("SELECT count(*), count(int4), count(DISTINCT int8) FROM conformance_rows");
    assert_eq!((rows[0].get(0), rows[0].get(1), rows[0].get(2)), (200i64, 100i64, 1i64));
    assert!(servers.kafka.read_all("conformance.dlq").is_empty());
}

#[test]
fn a_right_that_is_missing_is_said_at_the_submit() {
    let servers = require_stage!();
    servers.set(1);
    servers.kafka.create_topic("all_types", 1, &[]);
    servers.sql(
        "CREATE TABLE all_types (id bigint PRIMARY KEY, boolean bool, int2 int2, int4 int4, float4 float4,
            float8 float8, numeric numeric, text text, varchar varchar, bytea bytea, timestamptz timestamptz,
            timestamp timestamp, date date, uuid uuid, json json, jsonb jsonb)",
    );
    let host = host(&servers, "");
    let refused = |job: std::path::PathBuf, reasons: &[&str]| {
        let said = host.cli(&["submit", job.to_str().unwrap(), "--from", "earliest"]);
        assert_ne!(said.code, 0);
        assert!(!said.stderr.contains("` is missing"), "{}", said.stderr);
        for reason in reasons {
            assert!(said.stderr.contains(&format!("{reason} is not granted to `clerk`")), "{}", said.stderr);
        }
    };
    let pipeline = || example("sensor_pipeline");
    let id = "the SELECT privilege on column `message_id`";
    refused(pipeline(), &["the INSERT privilege on column `message_id`", id]);
    servers.sql("GRANT INSERT (message_id, sensor_id, message) ON raw_sensors_data TO clerk");
    refused(pipeline(), &["the INSERT privilege on column `timestamp`", id]);
    servers.sql("GRANT INSERT ON raw_sensors_data TO clerk");
    refused(pipeline(), &[id]);
    servers.sql("GRANT INSERT, SELECT ON all_types TO clerk");
    refused(guest("all_types"), &["the UPDATE privilege on column `text`"]);

    servers.sql("GRANT SELECT (message_id) ON raw_sensors_data TO clerk");
    servers.kafka.produce("sensors", &readings(0..300));
    servers.kafka.produce("sensors", &readings(0..300));
    host.submit(pipeline(), &[]);
    servers.wait_until_done("sensor_pipeline");
    assert_eq!(ids(&servers, "raw_sensors_data"), ids_of(0..300));
}

#[test]
fn a_right_that_is_revoked_is_waited_for() {
    let servers = require_stage!();
    servers.set(1);
    let host = host(&servers, "GRANT SELECT, INSERT ON raw_sensors_data TO clerk");
    servers.kafka.produce("sensors", &readings(0..100));
    host.submit(example("sensor_pipeline"), &[]);
    servers.wait_until_done("sensor_pipeline");
    servers.sql("REVOKE INSERT ON raw_sensors_data FROM clerk");
    servers.kafka.produce("sensors", &readings(100..200));
    wait_until_told(&host, "sensor_pipeline", "permission denied for table raw_sensors_data (42501)");
    assert_eq!(servers.count("raw_sensors_data"), 100);
    servers.sql("GRANT INSERT ON raw_sensors_data TO clerk");
    servers.wait_until_done("sensor_pipeline");
    assert_eq!(ids(&servers, "raw_sensors_data"), ids_of(0..200));
    assert!(servers.reasons("sensor_pipeline").is_empty());
}
