//! COPY takes no rows for a table with row-level security, or takes them past its policies:
//! <https://github.com/CrunchyData/pg_parquet/issues/45>.

use crate::pelton::{Host, example};
use crate::readings::readings;
use crate::roles::role;
use crate::stage::{Servers, require_stage};
use crate::waiting::{ids, ids_of, wait_until_told};

const JOB: &str = "sensor_pipeline";
const RIGHTS: &str = "GRANT SELECT, INSERT ON raw_sensors_data TO tenant";
const POLICIES: &str = "
    CREATE POLICY all_seen ON raw_sensors_data FOR SELECT USING (true);
    CREATE POLICY not_three ON raw_sensors_data FOR INSERT TO tenant WITH CHECK (right(message_id, 1) <> '3')";

/// A host as a role of its own, with the job.
fn host(servers: &Servers, rights: &str) -> Host {
    let url = role(servers, "tenant", rights);
    let mut host = servers.host().flag("--postgres", url);
    host.start();
    host.submit(example(JOB), &[]);
    host
}

fn is_bad(n: usize) -> bool {
    n % 10 == 3
}

#[track_caller]
fn check(servers: &Servers, count: usize) {
    assert_eq!(ids(servers, "raw_sensors_data"), ids_of((0..count).filter(|&n| !is_bad(n))));
    let why =
        "sink `raw_sensors_data`: new row violates row-level security policy for table \"raw_sensors_data\" (42501)";
    let expected: Vec<_> =
        (0..count).filter(|&n| is_bad(n)).map(|n| (n as i64, "sink".to_owned(), why.to_owned())).collect();
    assert_eq!(servers.reasons(JOB), expected);
}

#[test]
fn rows_that_a_policy_refuses_are_dead_letters_with_the_reason() {
    let owner = "ALTER TABLE raw_sensors_data OWNER TO tenant; ALTER TABLE raw_sensors_data FORCE ROW LEVEL SECURITY";
    for rights in [RIGHTS, owner] {
        let servers = require_stage!();
        servers.set(1);
        servers.sql("ALTER TABLE raw_sensors_data ENABLE ROW LEVEL SECURITY");
        servers.kafka.produce("sensors", &readings(0..500));
        let host = host(&servers, &format!("{rights}; {POLICIES}"));
        servers.wait_until_done(JOB);
        check(&servers, 500);
        assert!(!host.log().contains("COPY FROM not supported"), "another way is taken from the start");
        assert_eq!(host.show(JOB)["state"], "running");
    }
}

#[test]
fn row_level_security_that_comes_while_it_runs_is_heeded() {
    let servers = require_stage!();
    servers.set(1);
    let host = host(&servers, RIGHTS);
    let first: Vec<_> = readings(0..3);
    servers.kafka.produce("sensors", &first);
    servers.wait_until_done(JOB);
    servers.sql(&format!("ALTER TABLE raw_sensors_data ENABLE ROW LEVEL SECURITY; {POLICIES}"));
    servers.kafka.produce("sensors", &readings(3..300));
    servers.wait_until_done(JOB);
    check(&servers, 300);
    assert_eq!(host.show(JOB)["state"], "running");
}

#[test]
fn without_a_policy_that_lets_rows_in_they_wait() {
    let servers = require_stage!();
    servers.set(1);
    servers.sql("ALTER TABLE raw_sensors_data ENABLE ROW LEVEL SECURITY");
    servers.kafka.produce("sensors", &readings(0..300));
    let host = host(&servers, RIGHTS);
    wait_until_told(&host, JOB, "(42501); so says it of every row, thus of no row's own");
    assert_eq!((servers.count("raw_sensors_data"), servers.reasons(JOB)), (0, vec![]));
    servers.sql(POLICIES);
    servers.wait_until_done(JOB);
    check(&servers, 300);
}
