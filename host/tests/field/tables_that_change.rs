//! A table changes while statements on it are prepared: `cached plan must not change result type`.
//! <https://github.com/pgjdbc/r2dbc-postgresql/issues/382>, <https://github.com/lib/pq/issues/1151>.

use crate::eventually::eventually;
use crate::pelton::example;
use crate::readings::readings;
use crate::roles::{end_sessions, role};
use crate::stage::{RUN, require_stage};
use crate::waiting::{ids, ids_of, wait_until_told};

const JOB: &str = "sensor_pipeline";

#[test]
fn whatever_happens_to_the_table_each_row_is_there_once() {
    let servers = require_stage!();
    servers.set(1);
    let rights = "GRANT SELECT, INSERT ON raw_sensors_data TO writer";
    let mut host = servers.host().flag("--postgres", role(&servers, "writer", rights));
    host.start();
    host.submit(example(JOB), &[]);
    let write = |part: usize| servers.kafka.produce("sensors", &readings(part * 100..(part + 1) * 100));
    write(0);
    servers.wait_until_done(JOB);

    servers.sql("ALTER TABLE raw_sensors_data RENAME message TO said");
    write(1);
    wait_until_told(&host, JOB, "column \\\"message\\\" of relation \\\"raw_sensors_data\\\" does not exist (42703)");
    assert_eq!(servers.count("raw_sensors_data"), 100);
    servers.sql("ALTER TABLE raw_sensors_data RENAME said TO message");
    servers.wait_until_done(JOB);

    // Wider, and with a column more: that takes what comes as it is.
    servers.sql("ALTER TABLE raw_sensors_data ALTER sensor_id TYPE bigint, ALTER message TYPE varchar, ADD more int");
    write(2);
    servers.wait_until_done(JOB);
    assert_eq!(ids(&servers, "raw_sensors_data"), ids_of(0..300));
    assert_eq!(servers.query("SELECT 1 FROM raw_sensors_data WHERE sensor_id = 7").len(), 300);

    servers.sql("DROP TABLE raw_sensors_data");
    write(3);
    wait_until_told(&host, JOB, "relation \\\"raw_sensors_data\\\" does not exist (42P01)");
    // Another one, which is not logged, with columns that fill themselves and a constraint that is checked late.
    servers.sql(&format!(
        "CREATE TABLE sensors (id int PRIMARY KEY); INSERT INTO sensors VALUES (7);
        CREATE UNLOGGED TABLE raw_sensors_data (number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
            twice int GENERATED ALWAYS AS (sensor_id * 2) STORED, message_id text PRIMARY KEY, sensor_id int NOT NULL
            REFERENCES public.sensors DEFERRABLE INITIALLY DEFERRED, message text, timestamp timestamptz); {rights}"
    ));
    servers.wait_until_done(JOB);
    write(4);
    servers.wait_until_done(JOB);
    assert_eq!(ids(&servers, "raw_sensors_data"), ids_of(300..500));
    assert_eq!(servers.query("SELECT 1 FROM raw_sensors_data WHERE twice = 14 AND number > 0").len(), 200);

    // Whoever connects anew finds its tables as the role is set up by then.
    servers.sql(
        "DROP SCHEMA IF EXISTS elsewhere CASCADE; CREATE SCHEMA elsewhere;
        CREATE TABLE elsewhere.raw_sensors_data (LIKE raw_sensors_data INCLUDING ALL);
        GRANT USAGE ON SCHEMA elsewhere TO writer; GRANT SELECT, INSERT ON elsewhere.raw_sensors_data TO writer;
        ALTER ROLE writer SET search_path = elsewhere, public",
    );
    end_sessions(&servers, "writer");
    let there = "SELECT 1 FROM pg_stat_activity WHERE usename = 'writer' AND application_name LIKE 'pelton/%'";
    eventually(RUN, "it is back", || (!servers.query(there).is_empty()).then_some(()));
    write(5);
    servers.wait_until_done(JOB);
    assert_eq!(ids(&servers, "raw_sensors_data"), ids_of(300..500));
    assert_eq!(ids(&servers, "elsewhere.raw_sensors_data"), ids_of(500..600));
    assert!(servers.reasons(JOB).is_empty());
    drop(host);
    servers.sql("DROP SCHEMA elsewhere CASCADE");
}

#[test]
fn a_rule_and_an_identity_that_come_while_it_runs_are_obeyed() {
    let servers = require_stage!();
    servers.set(1);
    let mut host = servers.host();
    host.start();
    host.submit(example(JOB), &[]);
    let write = |part: usize| servers.kafka.produce("sensors", &readings(part * 100..(part + 1) * 100));
    write(0);
    servers.wait_until_done(JOB);

    servers.sql(
        "CREATE TABLE readings_elsewhere (LIKE raw_sensors_data);
        CREATE RULE away AS ON INSERT TO raw_sensors_data DO INSTEAD INSERT INTO readings_elsewhere VALUES (new.*)",
    );
    write(1);
    // COPY would go past it, into the table.
    wait_until_told(&host, JOB, "cannot be used with table that has INSERT or UPDATE rules");
    assert_eq!(servers.count("raw_sensors_data"), 100);
    servers.sql("DROP RULE away ON raw_sensors_data; DROP TABLE readings_elsewhere");
    servers.wait_until_done(JOB);
    assert_eq!(ids(&servers, "raw_sensors_data"), ids_of(0..200));

    servers.sql("VACUUM raw_sensors_data");
    servers.sql("ALTER TABLE raw_sensors_data ALTER sensor_id ADD GENERATED ALWAYS AS IDENTITY");
    write(2);
    wait_until_told(&host, JOB, "(428C9)");
    assert_eq!(servers.count("raw_sensors_data"), 200);
    servers.sql("ALTER TABLE raw_sensors_data ALTER sensor_id DROP IDENTITY");
    servers.wait_until_done(JOB);
    assert_eq!(ids(&servers, "raw_sensors_data"), ids_of(0..300));
    assert!(servers.reasons(JOB).is_empty());
}

#[test]
fn the_lag_grows_while_a_table_is_away() {
    const MORE: usize = 20_000;
    let servers = require_stage!();
    servers.set(1);
    // More comes than is read ahead: the partition is paused.
    let mut host = servers.host().config("[delivery]\nin_flight_mib = 1\n");
    host.start();
    host.submit(example(JOB), &[]);
    servers.sql("ALTER TABLE raw_sensors_data RENAME TO readings_elsewhere");
    for count in [MORE, 2 * MORE] {
        servers.kafka.produce("sensors", &readings(count - MORE..count));
        let lag = || host.metric("pelton_lag_records", &[("job", JOB)]);
        eventually(RUN, "the lag is what has come", || (lag() == Some(count as f64)).then_some(()));
    }
    servers.sql("ALTER TABLE readings_elsewhere RENAME TO raw_sensors_data");
    servers.wait_until_done(JOB);
    assert_eq!(servers.count("raw_sensors_data"), 2 * MORE as i64);
    assert!(servers.reasons(JOB).is_empty());
}
