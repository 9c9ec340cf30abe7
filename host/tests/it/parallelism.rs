//! Jobs whose number of instances the load decides, on whole hosts.

use crate::eventually::eventually;
use crate::lifecycle::done;
use crate::readings::{check_all_arrived, readings};
use crate::stage::{RUN, example, require_stage};

const JOB: &str = "sensor_pipeline";
const COUNT: usize = 40_000;

#[test]
fn a_job_whose_table_is_slow_gets_connections_by_itself_and_one_with_a_number_keeps_it() {
    let stage = require_stage!();
    stage.set(4);
    // A row takes a millisecond, whatever the machine.
    stage.sql(
        "CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.001); RETURN NEW; END $$;
        CREATE TRIGGER sleep BEFORE INSERT ON raw_sensors_data FOR EACH ROW EXECUTE FUNCTION sleep()",
    );
    let records = readings(0..COUNT).into_iter().zip((0..4).cycle());
    let records: Vec<_> = records.map(|(record, partition)| record.partition(partition)).collect();
    stage.kafka.produce("sensors", &records);
    let mut host = stage
        .host()
        // With the time to drain that hosts have.
        .without("--config")
        .env("PELTON_LIMITS__AUTO_INSTANCES", "4")
        .env("PELTON_DELIVERY__IN_FLIGHT_MIB", "1")
        .env("PELTON_POSTGRES__MAX_ROWS", "100");
    host.start();
    host.submit(example(JOB), &["--parallelism", "1"]);
    eventually(RUN, "a third is written", || (stage.count("raw_sensors_data") > COUNT as i64 / 3).then_some(()));
    let view = host.show(JOB);
    assert_eq!((&view["parallelism"], &view["instances"]), (&1.into(), &1.into()), "{view}");
    assert!(view["scaled"].is_null() && view["lag"] != 0, "{view}");

    let view = done(&host, &["scale", JOB, "auto"]);
    assert_eq!(view["parallelism"], "auto");
    let view = eventually(RUN, "it has more instances", || {
        let view = host.show(JOB);
        let used: std::collections::BTreeSet<u64> =
            view["partitions"].as_array()?.iter().filter_map(|p| p["instance"].as_u64()).collect();
        (view["instances"].as_u64()? > 1 && used.len() as u64 == view["instances"].as_u64()?).then_some(view)
    });
    let (instances, reason) = (view["instances"].as_u64().unwrap(), view["scaled"]["reason"].as_str().unwrap());
    assert!(reason.contains(" a second got done, and its "), "{reason}");
    assert!(instances <= 4 && view["scaled"]["most"] == 4, "{view}");
    let shown = host.cli(&["show", JOB]).stdout;
    let line = shown.lines().find(|line| line.contains("parallelism")).unwrap();
    assert!(line.contains(" of at most 4 (since 20") && line.contains(", because "), "{line}");
    let logged = host.cli(&["logs", JOB]).stdout;
    assert!(logged.contains("parallelism auto: 2 (was 1), because "), "{logged}");
    let metrics = host.get("/metrics").1;
    let gauge = format!("pelton_instances{{job=\"{JOB}\"}} ");
    let lines = metrics.as_str().unwrap().lines();
    let told: u64 = lines.filter_map(|line| line.strip_prefix(&gauge)).next().unwrap().parse().unwrap();
    assert!((1..=4).contains(&told));

    stage.sql("DROP TRIGGER sleep ON raw_sensors_data");
    stage.wait_until_done(JOB);
    assert_eq!(check_all_arrived(&stage, COUNT), 0, "no alert came twice");
    let view = done(&host, &["scale", JOB, "2"]);
    assert_eq!((&view["parallelism"], &view["instances"], &view["scaled"]), (&2.into(), &2.into(), &().into()));
    let whys: Vec<_> =
        view["history"].as_array().unwrap().iter().map(|change| change["why"].as_str().unwrap()).collect();
    assert_eq!(whys, ["submit", "scale auto", "scale 2"], "what the load decides is no history");
}
