//! A partitioned table isn't found, or a row without a partition ends the sink:
//! <https://github.com/confluentinc/kafka-connect-jdbc/issues/309>,
//! <https://github.com/confluentinc/kafka-connect-jdbc/issues/449>.

use crate::pelton::example;
use crate::readings::readings;
use crate::stage::require_stage;
use crate::waiting::{ids, ids_of};

const JOB: &str = "sensor_pipeline";

#[test]
fn rows_without_a_partition_are_dead_letters_until_there_is_one() {
    let servers = require_stage!();
    servers.topics(1);
    servers.sql(
        "CREATE TABLE raw_sensors_data (message_id varchar(255) PRIMARY KEY, sensor_id int NOT NULL,
            message text NOT NULL, timestamp timestamptz NOT NULL) PARTITION BY RANGE (message_id);
        CREATE TABLE low PARTITION OF raw_sensors_data FOR VALUES FROM ('reading 0') TO ('reading 5')",
    );
    let is_low = |n: &usize| format!("reading {n}").as_str() < "reading 5";
    // Of those without one fewer than a hundred come in a row, after which they would wait.
    servers.kafka.produce("sensors", &readings(0..560));
    let mut host = servers.host();
    host.start();
    host.submit(example(JOB), &[]);
    servers.wait_until_done(JOB);
    assert_eq!(ids(&servers, "low"), ids_of((0..560).filter(is_low)));
    let why = "sink `raw_sensors_data`: no partition of relation \"raw_sensors_data\" found for row (23514)";
    let expected: Vec<_> =
        (0..560).filter(|n| !is_low(n)).map(|n| (n as i64, "sink".to_owned(), why.to_owned())).collect();
    assert_eq!(servers.reasons(JOB), expected);

    // One is attached while it runs: what comes now is taken, and what was refused before can be sent once more.
    servers.sql(
        "CREATE TABLE high (LIKE raw_sensors_data INCLUDING ALL);
        ALTER TABLE raw_sensors_data ATTACH PARTITION high FOR VALUES FROM ('reading 5') TO (MAXVALUE)",
    );
    servers.kafka.produce("sensors", &readings(560..2_000));
    servers.wait_until_done(JOB);
    let said = host.cli(&["dlq", "redrive", JOB, "--all"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let told = format!("redriven {}, dead letters again 0", expected.len());
    assert!(said.stdout.contains(&told), "{}", said.stdout);
    assert_eq!(ids(&servers, "low"), ids_of((0..2_000).filter(is_low)));
    assert_eq!(ids(&servers, "high"), ids_of((0..2_000).filter(|n| !is_low(n))));
    assert_eq!(host.show(JOB)["state"], "running");
}
