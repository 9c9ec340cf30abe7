//! A role or a database is set up for another isolation, or only reads, and the sink meets errors that it doesn't know:
//! <https://github.com/slingdata-io/sling-cli/issues/566>, <https://github.com/jhu-bids/TermHub/issues/404>.

use crate::eventually::eventually;
use crate::pelton::{Host, example};
use crate::readings::{check_all_arrived, readings};
use crate::roles::role;
use crate::stage::{RUN, Servers, guest, require_stage};
use crate::waiting::{ids, ids_of, wait_until_told};

const JOB: &str = "sensor_pipeline";

fn host(servers: &Servers, setting: &str) -> Host {
    let rights = "GRANT SELECT, INSERT ON raw_sensors_data TO writer; ALTER ROLE writer SET ";
    let url = role(servers, "writer", &format!("{rights}{setting}"));
    let mut host = servers.host().flag("--postgres", url);
    host.start();
    host
}

#[test]
fn whatever_the_isolation_instances_write_the_same_keys() {
    for level in ["repeatable read", "serializable"] {
        let servers = require_stage!();
        servers.set(2);
        // Each row takes its time, so that both instances are within a transaction all the while.
        servers.sql(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END $$;
            CREATE TRIGGER slow BEFORE INSERT ON raw_sensors_data FOR EACH ROW EXECUTE FUNCTION slow()",
        );
        for partition in 0..2 {
            let records = readings(0..800).into_iter().map(|record| record.partition(partition));
            servers.kafka.produce("sensors", &records.collect::<Vec<_>>());
        }
        let host = host(&servers, &format!("default_transaction_isolation = '{level}'"));
        // COPY would find the keys before any other statement does.
        host.submit(guest("sensor_statement"), &["--parallelism", "2"]);
        servers.wait_until_done("sensor_statement");
        assert_eq!(ids(&servers, "raw_sensors_data"), ids_of(0..800));
        assert!(servers.dead_letters("sensor_statement").is_empty());
        assert!(!host.log().contains("(40001)"), "no snapshot is held on to");
    }
}

/// What COPY looks up under its lock is what is there by then, not what was there when its transaction began: without
/// its key the table would take each reading twice.
#[test]
fn a_key_that_goes_while_a_copy_waits_for_its_lock_is_missed() {
    let servers = require_stage!();
    servers.set(1);
    let host = host(&servers, "default_transaction_isolation = 'repeatable read'");
    host.submit(example(JOB), &[]);
    servers.kafka.produce("sensors", &readings(0..100));
    servers.wait_until_done(JOB);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let other = runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(&servers.postgres.url(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    });
    runtime.block_on(other.batch_execute("BEGIN; LOCK TABLE raw_sensors_data IN ACCESS EXCLUSIVE MODE")).unwrap();
    servers.kafka.produce("sensors", &readings(0..200));
    let waiting = "SELECT 1 FROM pg_stat_activity
        WHERE usename = 'writer' AND wait_event_type = 'Lock' AND query LIKE 'COPY %'";
    eventually(RUN, "a COPY waits for the lock", || (!servers.query(waiting).is_empty()).then_some(()));
    let dropped = "ALTER TABLE raw_sensors_data DROP CONSTRAINT raw_sensors_data_pkey; COMMIT";
    runtime.block_on(other.batch_execute(dropped)).unwrap();
    wait_until_told(&host, JOB, "no unique or exclusion constraint matching the ON CONFLICT specification (42P10)");
    assert_eq!(ids(&servers, "raw_sensors_data"), ids_of(0..100));
    servers.sql("ALTER TABLE raw_sensors_data ADD PRIMARY KEY (message_id)");
    servers.wait_until_done(JOB);
    assert_eq!(ids(&servers, "raw_sensors_data"), ids_of(0..200));
    assert!(servers.dead_letters(JOB).is_empty());
}

#[test]
fn a_role_or_a_database_that_only_reads_is_waited_for() {
    let servers = require_stage!();
    servers.set(1);
    let host = host(&servers, "default_transaction_read_only = on");
    servers.kafka.produce("sensors", &readings(0..200));
    host.submit(example(JOB), &[]);
    wait_until_told(&host, JOB, "in a read-only transaction (25006)");
    servers.sql(
        "ALTER ROLE writer RESET default_transaction_read_only;
        ALTER ROLE writer IN DATABASE flinkdb SET default_transaction_read_only = on",
    );
    wait_until_told(&host, JOB, "in a read-only transaction (25006)");
    assert_eq!((servers.count("raw_sensors_data"), servers.reasons(JOB)), (0, vec![]));
    servers.sql("ALTER ROLE writer IN DATABASE flinkdb RESET default_transaction_read_only");
    servers.wait_until_done(JOB);
    check_all_arrived(&servers, 200);
    assert!(servers.reasons(JOB).is_empty());
}
