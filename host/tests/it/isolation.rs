//! What the article weighs: two jobs with a sink each, or one job with both. A sink that fails holds the job that has
//! it, and no other.

use serde_json::json;

use crate::eventually::eventually;
use crate::readings::{alerted, check_all_arrived, readings};
use crate::stage::{RUN, example, require_stage};

#[test]
fn a_failing_sink_of_one_job_leaves_others_untouched() {
    let mut stage = require_stage!();
    stage.set(2);
    let mut host = stage.host().env("PELTON_DELIVERY__IN_FLIGHT_MIB", "1");
    host.start();
    host.submit(example("sensor_alerts"), &[]);
    host.submit(example("sensor_pipeline"), &[]);
    stage.kafka.produce("sensors", &readings(0..1000));
    stage.wait_until_done("sensor_alerts");
    stage.wait_until_done("sensor_pipeline");
    assert_eq!(alerted(&stage).len(), 500, "each job has written its own");

    stage.postgres.stop_keep_data().unwrap();
    stage.kafka.produce("sensors", &readings(1000..21_000));
    // The job with one sink does all its work.
    stage.wait_until_done("sensor_alerts");
    assert_eq!(
        (&host.show("sensor_alerts")["state"], &host.show("sensor_alerts")["lag"]),
        (&json!("running"), &json!(0))
    );
    // The job with both is held by the one that fails, also in what it writes to the other, and says which it is.
    let view = eventually(RUN, "the other job waits", || {
        let view = host.show("sensor_pipeline");
        (view["state"] == "degraded").then_some(view)
    });
    let told = view["conditions"][0]["part"].as_str().unwrap();
    assert!(told.starts_with("sink raw_sensors_data of instance"), "{view}");
    assert!(view["counts"]["records_in"].as_u64() < Some(21_000), "it reads no more than may be in flight: {view}");

    stage.postgres.start_again().unwrap();
    stage.wait_until_done("sensor_pipeline");
    check_all_arrived(&stage, 21_000);
    assert_eq!(host.show("sensor_pipeline")["state"], "running");
}
