//! A view that takes rows, and columns of types that are somebody's own, are refused though Postgres would take them:
//! <https://github.com/confluentinc/kafka-connect-jdbc/issues/717>, <https://github.com/debezium/debezium/pull/7757>.

use crate::pelton::example;
use crate::readings::{check_all_arrived, readings};
use crate::stage::require_stage;

#[test]
fn a_view_over_columns_of_own_types_is_filled() {
    let servers = require_stage!();
    servers.topics(1);
    servers.sql(
        "CREATE EXTENSION IF NOT EXISTS citext;
        CREATE DOMAIN sensor AS int CHECK (VALUE > 0);
        CREATE TABLE readings (
            id citext PRIMARY KEY, sensor sensor NOT NULL, said text, at timestamptz, came timestamptz DEFAULT now());
        CREATE VIEW raw_sensors_data AS
            SELECT id AS message_id, sensor AS sensor_id, said AS message, at AS timestamp FROM readings",
    );
    servers.kafka.produce("sensors", &readings(0..500));
    let mut host = servers.host();
    host.start();
    host.submit(example("sensor_pipeline"), &[]);
    servers.wait_until_done("sensor_pipeline");
    check_all_arrived(&servers, 500);
}

#[test]
fn a_view_that_takes_no_rows_is_refused_with_the_reason() {
    let servers = require_stage!();
    servers.topics(1);
    servers.sql(
        "CREATE VIEW raw_sensors_data AS SELECT DISTINCT 'a'::varchar AS message_id, 1 AS sensor_id, 'x'::text AS message,
            now() AS timestamp",
    );
    let mut host = servers.host();
    host.start();
    let said = host.cli(&["submit", example("sensor_pipeline").to_str().unwrap()]);
    assert_ne!(said.code, 0);
    assert!(said.stderr.contains("`raw_sensors_data` takes no rows: cannot insert into"), "{}", said.stderr);
}
