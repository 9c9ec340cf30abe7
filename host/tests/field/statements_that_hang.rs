//! A statement waits for something that never comes: the sink hangs without a word, and the server goes on with it long
//! after the client is gone: <https://github.com/brianc/node-postgres/issues/1954>,
//! <https://github.com/pgbouncer/pgbouncer/issues/63>, <https://github.com/PostgREST/postgrest/issues/3517>.

use tokio_postgres::NoTls;

use crate::eventually::eventually;
use crate::pelton::{Host, example};
use crate::readings::readings;
use crate::stage::{RUN, SETTINGS, Servers, require_stage};
use crate::waiting::{ids, ids_of, wait_until_told};

const JOB: &str = "sensor_pipeline";
const SLEEPS: &str = "
    CREATE FUNCTION sleeps() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$;
    CREATE TRIGGER sleeps BEFORE INSERT ON raw_sensors_data FOR EACH ROW EXECUTE FUNCTION sleeps()";

/// A host that waits for a statement for longer than any of this takes.
fn patient_host(servers: &Servers) -> Host {
    servers.host().config(&format!("{SETTINGS}\n[postgres]\nwrite_timeout = \"30m\"\n"))
}

/// What the server does for jobs, as it tells others.
fn backends(servers: &Servers) -> Vec<String> {
    let active = "SELECT pid::text || ' ' || query FROM pg_stat_activity
                  WHERE application_name LIKE 'pelton/%' AND state = 'active'";
    servers.query(active).iter().map(|row| row.get(0)).collect()
}

#[track_caller]
fn wait_until_no_backend_is_left(servers: &Servers) {
    eventually(RUN, "the server has ended what nobody waits for", || backends(servers).is_empty().then_some(()));
}

#[test]
fn a_statement_that_never_ends_is_told_and_ends_with_its_job_or_host() {
    let servers = require_stage!();
    servers.set(1);
    servers.sql(SLEEPS);
    servers.kafka.produce("sensors", &readings(0..10));
    let mut host = patient_host(&servers);
    host.start();
    host.submit(example(JOB), &[]);
    wait_until_told(&host, JOB, "a transaction has taken ");
    let told = host.show(JOB)["conditions"].to_string();
    assert!(told.contains("raw_sensors_data") && told.contains("waits for Timeout PgSleep"), "{told}");
    assert!(!told.contains("blocked by"), "{told}");
    let (status, ready) = host.get("/readyz");
    assert!(status == 503 && ready.as_str().unwrap().contains("waits for Timeout PgSleep"), "{ready}");
    assert_eq!(backends(&servers).len(), 1);

    let said = host.cli(&["cancel", JOB]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    wait_until_no_backend_is_left(&servers);
    host.submit(example(JOB), &[]);
    eventually(RUN, "another statement has begun", || (backends(&servers).len() == 1).then_some(()));
    assert_eq!(host.sigterm(RUN), 0);
    wait_until_no_backend_is_left(&servers);

    host.start();
    eventually(RUN, "a statement has begun again", || (backends(&servers).len() == 1).then_some(()));
    host.kill9();
    wait_until_no_backend_is_left(&servers);

    // Its locks are gone with it.
    servers.sql("SET lock_timeout = '10s'; DROP TRIGGER sleeps ON raw_sensors_data");
    host.start();
    servers.wait_until_done(JOB);
    assert_eq!(ids(&servers, "raw_sensors_data"), ids_of(0..10));
    assert!(servers.reasons(JOB).is_empty());
}

#[test]
fn who_holds_the_lock_that_is_waited_for_is_told() {
    let servers = require_stage!();
    servers.set(1);
    let mut host = servers.host();
    host.start();
    host.submit(example(JOB), &[]);
    servers.kafka.produce("sensors", &readings(0..10));
    servers.wait_until_done(JOB);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let url = format!("{}?application_name=night_job", servers.postgres.url());
    let (client, connection) = runtime.block_on(tokio_postgres::connect(&url, NoTls)).unwrap();
    runtime.spawn(connection);
    runtime.block_on(client.batch_execute("BEGIN; LOCK TABLE raw_sensors_data IN ACCESS EXCLUSIVE MODE")).unwrap();
    let pid: i32 = runtime.block_on(client.query_one("SELECT pg_backend_pid()", &[])).unwrap().get(0);
    servers.kafka.produce("sensors", &readings(10..20));
    wait_until_told(&host, JOB, &format!("blocked by process {pid} (role flinkuser, application night_job, "));
    let told = host.show(JOB)["conditions"].to_string();
    assert!(told.contains("waits for Lock relation") && told.contains("raw_sensors_data"), "{told}");
    assert!(told.contains("in transaction") && told.contains("in a transaction for "), "{told}");
    assert_eq!(host.get("/readyz").0, 503);
    runtime.block_on(client.batch_execute("COMMIT")).unwrap();
    servers.wait_until_done(JOB);
    assert_eq!(ids(&servers, "raw_sensors_data"), ids_of(0..20));
    crate::waiting::wait_until_running(&host, JOB);
}

#[test]
fn a_statement_timeout_and_a_lock_timeout_are_settings() {
    let servers = require_stage!();
    servers.set(1);
    servers.sql(SLEEPS);
    servers.kafka.produce("sensors", &readings(0..1));
    let settings = "[postgres]\nwrite_timeout = \"30m\"\nlock_timeout = \"700ms\"\nstatement_timeout = \"800ms\"\n";
    let mut host = servers.host().config(&format!("{SETTINGS}\n{settings}"));
    host.start();
    host.submit(example(JOB), &[]);
    wait_until_told(&host, JOB, "canceling statement due to statement timeout (57014)");
    servers.sql("DROP TRIGGER sleeps ON raw_sensors_data");
    servers.wait_until_done(JOB);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (client, connection) = runtime.block_on(tokio_postgres::connect(&servers.postgres.url(), NoTls)).unwrap();
    runtime.spawn(connection);
    runtime.block_on(client.batch_execute("BEGIN; LOCK TABLE raw_sensors_data IN ACCESS EXCLUSIVE MODE")).unwrap();
    servers.kafka.produce("sensors", &readings(1..2));
    wait_until_told(&host, JOB, "canceling statement due to lock timeout (55P03)");
    runtime.block_on(client.batch_execute("COMMIT")).unwrap();
    servers.wait_until_done(JOB);
    assert_eq!(ids(&servers, "raw_sensors_data"), ids_of(0..2));
}
