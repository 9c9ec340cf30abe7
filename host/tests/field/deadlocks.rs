//! Tasks that write the same keys at once end in each other's locks, and the database ends one of them with a deadlock:
//! <https://github.com/confluentinc/kafka-connect-jdbc/issues/385>.

use crate::pelton::example;
use crate::readings::{check_all_arrived, readings};
use crate::stage::require_stage;

#[test]
fn instances_that_write_the_same_keys_go_on_past_deadlocks() {
    let servers = require_stage!();
    servers.set(2);
    // Each row takes its time, so that both instances are within a transaction all the while.
    servers.sql(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END $$;
        CREATE TRIGGER slow BEFORE INSERT ON raw_sensors_data FOR EACH ROW EXECUTE FUNCTION slow();
        ALTER ROLE flinkuser SET deadlock_timeout = '100ms'",
    );
    let forwards = readings(0..1_000);
    let backwards: Vec<_> = forwards.iter().rev().cloned().map(|record| record.partition(1)).collect();
    servers.kafka.produce("sensors", &forwards.into_iter().map(|record| record.partition(0)).collect::<Vec<_>>());
    servers.kafka.produce("sensors", &backwards);
    let mut host = servers.host();
    host.start();
    host.submit(example("sensor_pipeline"), &["--parallelism", "2"]);
    servers.wait_until_done("sensor_pipeline");
    servers.sql("ALTER ROLE flinkuser RESET deadlock_timeout");
    assert!(host.log().contains("deadlock detected (40P01)"), "there was none");
    // Each reading came twice, so each alert did.
    assert_eq!(check_all_arrived(&servers, 1_000), 250);
    assert!(servers.dead_letters("sensor_pipeline").is_empty());
}
