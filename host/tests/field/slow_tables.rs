//! A statement that takes too long is awaited for ever, or tried again as it was:
//! <https://github.com/goldsky-io/streamling/pull/69>, <https://github.com/confluentinc/kafka-connect-jdbc/issues/613>.

use crate::pelton::example;
use crate::readings::{check_all_arrived, readings};
use crate::stage::require_stage;

const SLOW: &str = "
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(0.015); RETURN NEW; END $$;
    CREATE TRIGGER slow BEFORE INSERT ON raw_sensors_data FOR EACH ROW EXECUTE FUNCTION slow()";

#[test]
fn a_trigger_that_takes_15_ms_a_row_gets_through() {
    let servers = require_stage!();
    servers.set(1);
    servers.sql(SLOW);
    servers.kafka.produce("sensors", &readings(0..600));
    // All at once they would take nine seconds.
    let mut host = servers.host().env("PELTON_POSTGRES__WRITE_TIMEOUT", "2s");
    host.start();
    host.submit(example("sensor_pipeline"), &[]);
    servers.wait_until_done("sensor_pipeline");
    check_all_arrived(&servers, 600);
    assert!(host.log().contains("took too long, fewer are tried"), "the reason is said");
    assert_eq!(host.show("sensor_pipeline")["state"], "running");
}

#[test]
fn a_servers_statement_timeout_is_kept() {
    let servers = require_stage!();
    servers.set(1);
    servers.sql(SLOW);
    servers.sql("ALTER ROLE flinkuser SET statement_timeout = '1s'");
    servers.kafka.produce("sensors", &readings(0..300));
    let mut host = servers.host();
    host.start();
    host.submit(example("sensor_pipeline"), &[]);
    servers.wait_until_done("sensor_pipeline");
    servers.sql("ALTER ROLE flinkuser RESET statement_timeout");
    check_all_arrived(&servers, 300);
    assert!(host.log().contains("canceling statement due to statement timeout (57014)"), "the reason is said");
}
