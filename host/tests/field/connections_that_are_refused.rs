//! A sink that loses its connection, and is not let in again, stops for good:
//! <https://github.com/confluentinc/kafka-connect-jdbc/issues/961>,
//! <https://github.com/confluentinc/kafka-connect-jdbc/issues/905>, <https://github.com/npgsql/npgsql/issues/5720>.

use std::fs;
use std::time::Duration;

use pelton_local::postgres::Programs;
use tokio_postgres::NoTls;

use crate::eventually::eventually;
use crate::pelton::{Host, example};
use crate::readings::readings;
use crate::roles::{end_sessions, role};
use crate::stage::{RUN, Servers, Stage, require_stage};
use crate::waiting::{ids, ids_of, wait_until_told};

const JOB: &str = "sensor_pipeline";

/// Servers of which Postgres is this test's, a host of a role of its own, and the role's URL.
fn host(servers: &Stage) -> (Host, String) {
    servers.set(1);
    let url = role(servers, "writer", "GRANT SELECT, INSERT ON raw_sensors_data TO writer");
    let mut host = servers.host().flag("--postgres", &url);
    host.start();
    (host, url)
}

/// Submits, and has the first hundred readings written.
fn write_a_hundred(servers: &Servers, host: &Host) {
    host.submit(example(JOB), &[]);
    servers.kafka.produce("sensors", &readings(0..100));
    servers.wait_until_done(JOB);
}

/// Ends the session of the host until that says why it has no other, with another hundred readings to write.
fn wait_in_vain(servers: &Servers, host: &Host, reason: &str) {
    eventually(RUN, reason, || {
        end_sessions(servers, "writer");
        host.show(JOB)["conditions"].to_string().contains(reason).then_some(())
    });
    servers.kafka.produce("sensors", &readings(100..200));
    wait_until_told(host, JOB, reason);
    assert_eq!(servers.count("raw_sensors_data"), 100);
}

#[track_caller]
fn check_all(servers: &Servers) {
    servers.wait_until_done(JOB);
    assert_eq!(ids(servers, "raw_sensors_data"), ids_of(0..200));
    assert!(servers.reasons(JOB).is_empty());
}

#[test]
fn connection_slots_that_are_used_up_are_said_and_waited_for() {
    let mut servers = require_stage!().with_postgres(Programs::Any);
    servers.sql("ALTER SYSTEM SET max_connections = 12");
    servers.postgres.stop_keep_data().unwrap();
    servers.postgres.start_again().unwrap();
    let (host, url) = host(&servers);
    // Others take all that are left to a role that is no superuser.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut others = Vec::new();
    while let Ok((client, connection)) = runtime.block_on(tokio_postgres::connect(&url, NoTls)) {
        runtime.spawn(connection);
        others.push(client);
        assert!(others.len() < 12, "there is no end to them");
    }
    let said = host.cli(&["submit", example(JOB).to_str().unwrap(), "--from", "earliest"]);
    assert_ne!(said.code, 0);
    assert!(said.stderr.contains("(53300)"), "{}", said.stderr);
    drop(others);
    let left = "SELECT 1 FROM pg_stat_activity WHERE usename = 'writer' AND application_name = ''";
    eventually(RUN, "the others are gone", || servers.query(left).is_empty().then_some(()));

    write_a_hundred(&servers, &host);
    servers.sql("ALTER ROLE writer CONNECTION LIMIT 0");
    wait_in_vain(&servers, &host, "too many connections for role \\\"writer\\\" (53300)");
    servers.sql("ALTER ROLE writer CONNECTION LIMIT -1");
    check_all(&servers);
}

#[test]
fn a_rule_that_rejects_the_host_is_said_and_waited_for() {
    let servers = require_stage!().with_postgres(Programs::Any);
    let (host, _) = host(&servers);
    write_a_hundred(&servers, &host);
    let file = servers.postgres.folder().join("data/pg_hba.conf");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("host all writer 127.0.0.1/32 reject\n{before}")).unwrap();
    servers.query("SELECT pg_reload_conf()");
    wait_in_vain(&servers, &host, "(28000)");
    fs::write(&file, before).unwrap();
    servers.query("SELECT pg_reload_conf()");
    check_all(&servers);
}

#[test]
fn a_password_that_changes_is_said_and_a_host_with_the_new_one_goes_on() {
    let servers = require_stage!();
    let (mut host, url) = host(&servers);
    write_a_hundred(&servers, &host);
    servers.sql("ALTER ROLE writer PASSWORD 'changed'");
    wait_in_vain(&servers, &host, "password authentication failed for user \\\"writer\\\" (28P01)");
    assert_eq!(host.sigterm(Duration::from_secs(60)), 0);
    host = host.flag("--postgres", url.replace("writer:writer", "writer:changed"));
    host.start();
    check_all(&servers);
    assert!(!host.log().contains("writer:"), "no password is told");
}
