//! A row that the database refuses ends the job, <https://github.com/confluentinc/kafka-connect-jdbc/issues/998>; or
//! what the database lacks empties the topic into the dead letters,
//! <https://github.com/confluentinc/kafka-connect-jdbc/issues/1312>.

use crate::pelton::example;
use crate::readings::readings;
use crate::stage::require_stage;
use crate::waiting::wait_until_told;

#[test]
fn what_is_raised_is_the_rows_fault_whatever_its_code() {
    let servers = require_stage!();
    servers.set(1);
    servers.sql(
        "CREATE FUNCTION picky() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.message_id = 'reading 3' THEN RAISE EXCEPTION 'not three' USING ERRCODE = '45000'; END IF;
            IF NEW.message_id = 'reading 5' THEN RAISE EXCEPTION 'not five' USING ERRCODE = '53100'; END IF;
            RETURN NEW; END $$;
        CREATE TRIGGER picky BEFORE INSERT ON raw_sensors_data FOR EACH ROW EXECUTE FUNCTION picky()",
    );
    servers.kafka.produce("sensors", &readings(0..8));
    let mut host = servers.host();
    host.start();
    host.submit(example("sensor_pipeline"), &[]);
    servers.wait_until_done("sensor_pipeline");
    let reasons: Vec<_> =
        servers.reasons("sensor_pipeline").into_iter().map(|(offset, _, why)| (offset, why)).collect();
    let said = |text: &str| format!("sink `raw_sensors_data`: {text}");
    assert_eq!(reasons, [(3, said("not three (45000)")), (5, said("not five (53100)"))]);
    assert_eq!(servers.count("raw_sensors_data"), 6);
}

#[test]
fn what_the_schema_lacks_waits_and_is_said() {
    let servers = require_stage!();
    servers.set(1);
    servers.sql(
        "CREATE SEQUENCE numbers MAXVALUE 3; ALTER TABLE raw_sensors_data ADD number int DEFAULT nextval('numbers');
        CREATE TABLE settings (factor int);
        CREATE FUNCTION looks() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE known int; BEGIN
            SELECT factor INTO STRICT known FROM settings; RETURN NEW; END $$;
        CREATE TRIGGER looks BEFORE INSERT ON raw_sensors_data FOR EACH ROW EXECUTE FUNCTION looks()",
    );
    servers.kafka.produce("sensors", &readings(0..8));
    let mut host = servers.host();
    host.start();
    host.submit(example("sensor_pipeline"), &[]);
    let waits = |reason: &str| {
        wait_until_told(&host, "sensor_pipeline", reason);
        assert_eq!(servers.count("raw_sensors_data"), 0);
        assert!(servers.reasons("sensor_pipeline").is_empty());
    };
    waits("reached maximum value of sequence \\\"numbers\\\" (3) (2200H)");
    servers.sql("ALTER SEQUENCE numbers NO MAXVALUE");
    waits("query returned no rows (P0002); so says it of every row, thus of no row's own");
    servers.sql("INSERT INTO settings VALUES (1)");
    servers.wait_until_done("sensor_pipeline");
    assert_eq!(servers.count("raw_sensors_data"), 8);
    assert!(servers.reasons("sensor_pipeline").is_empty());
}
