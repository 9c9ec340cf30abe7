//! Jobs as files: `pelton apply`, `pelton export` and `pelton run --apply`.

use std::fs;

use crate::eventually::eventually;
use crate::pelton::{Host, Said};
use crate::readings::reading;
use crate::reload::variant;
use crate::stage::{RUN, example, require_stage};

const PLANT: &str = r#"
name = "plant-2"
component = "./sensor_pipeline.wasm"
from = "earliest"
create = true

[parameters]
threshold = 31

[sources]
sensors = "plant-2.sensors"

[sinks]
alerts = "plant-2.alerts"
raw_sensors_data = "plant_2"
"#;

fn apply(host: &Host, folder: &std::path::Path, flags: &[&str]) -> Said {
    host.cli(&[&["apply", folder.to_str().unwrap()], flags].concat())
}

#[track_caller]
fn prints(said: &Said, code: i32, stdout: &str) {
    assert_eq!((said.code, said.stdout.as_str()), (code, stdout), "{}", said.stderr);
}

#[test]
fn jobs_are_what_files_say() {
    let stage = require_stage!();
    stage.topics(1);
    stage.kafka.create_topic("plant-2.sensors", 1, &[]);
    stage.sql("DROP TABLE IF EXISTS plant_2");
    let mut host = stage.host();
    fs::copy(example("sensor_alerts"), host.usr_jobs().join("sensor_alerts.wasm")).unwrap();
    host.start();
    let folder = tempfile::tempdir().unwrap();
    let (folder, plant) = (folder.path(), folder.path().join("plant-2.toml"));
    fs::copy(example("sensor_pipeline"), folder.join("sensor_pipeline.wasm")).unwrap();
    fs::write(&plant, PLANT).unwrap();
    let filter = "name = \"filter\"\ncomponent = \"sensor_alerts\"\n";
    fs::write(folder.join("filter.toml"), filter).unwrap();

    // Without an answer nothing is changed.
    let asked = apply(&host, folder, &[]);
    assert_eq!(asked.code, 1);
    assert!(asked.stderr.contains("nothing is changed; with --yes it is done without asking"), "{}", asked.stderr);
    for told in
        ["filter:\n  submit it: ", "plant-2:\n  submit it: ", "parameter threshold: 31", "+ source plant-2.sensors"]
    {
        assert!(asked.stdout.contains(told), "{}", asked.stdout);
    }
    assert_eq!(apply(&host, folder, &["--check"]).code, 3);
    assert_eq!(host.show_all(), serde_json::json!([]));

    let said = apply(&host, folder, &["--yes"]);
    assert!(said.code == 0 && said.stdout.ends_with("changed 2 of 2 jobs, cancelled 0\n"), "{said:?}");
    stage.kafka.produce("plant-2.sensors", &[reading("a", 31.5), reading("b", 30.5)]);
    eventually(RUN, "it runs as its file says", || {
        (stage.count("plant_2") == 2 && stage.kafka.read_all("plant-2.alerts").len() == 1).then_some(())
    });

    // Again: nothing.
    let same = "filter: nothing to change\nplant-2: nothing to change\n";
    prints(&apply(&host, folder, &["--yes"]), 0, same);
    prints(&apply(&host, folder, &["--check"]), 0, same);
    // What is exported is what was applied.
    let out = folder.join("out");
    let exported = host.cli(&["export", "--out", out.to_str().unwrap()]);
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    prints(&apply(&host, &out, &["--check"]), 0, same);
    let one = host.cli(&["export", "filter"]);
    prints(&one, 0, "name = \"filter\"\ncomponent = \"sensor_alerts.wasm\"\n");

    // One value, and another component: once, and without losing what comes meanwhile.
    let before = host.show("plant-2");
    let [history, filter] = [&before, &host.show("filter")].map(|view| view["history"].as_array().unwrap().len());
    fs::write(&plant, PLANT.replace("31", "20").replace("plant-2.alerts", "alerts")).unwrap();
    fs::write(folder.join("sensor_pipeline.wasm"), variant(&example("sensor_pipeline"), 2)).unwrap();
    let said = apply(&host, folder, &["--yes"]);
    assert!(said.stdout.ends_with("changed 1 of 2 jobs, cancelled 0\n"), "{said:?}");
    for told in [
        "filter: nothing to change\n",
        "  component: ",
        "  - sink alerts (topic plant-2.alerts)\n  + sink alerts (topic alerts)\n  parameter threshold: 31 → 20\n",
    ] {
        assert!(said.stdout.contains(told), "{}", said.stdout);
    }
    let after = host.show("plant-2");
    assert_eq!((&after["version"], &after["parameters"]["threshold"]), (&2.into(), &"20".into()));
    assert_eq!(after["history"].as_array().unwrap().len(), history + 1, "in one step");
    assert_eq!(host.show("filter")["history"].as_array().unwrap().len(), filter);
    stage.kafka.produce("plant-2.sensors", &[reading("c", 20.5)]);
    eventually(RUN, "it alerts elsewhere", || (stage.kafka.read_all("alerts").len() == 1).then_some(()));

    // What can't be is told with its file, and the job goes on.
    fs::write(&plant, PLANT.replace("threshold = 31", "threshold = \"hot\"")).unwrap();
    let refused = apply(&host, folder, &["--yes"]);
    assert!(refused.code == 1 && refused.stderr.contains("plant-2 is not applied"), "{refused:?}");
    fs::write(&plant, PLANT.replace("from =", "group = \"another\"\nfrom =")).unwrap();
    let refused = apply(&host, folder, &["--yes"]);
    assert!(refused.stderr.contains("it reads with the consumer group \"pelton-plant-2\""), "{refused:?}");
    fs::write(&plant, PLANT.replace("[sinks]", "[sink]")).unwrap();
    let refused = apply(&host, folder, &["--yes"]);
    assert!(
        refused.stderr.contains("plant-2.toml describes no job: ") && refused.stderr.contains("unknown field `sink`")
    );
    assert_eq!(host.show("plant-2")["version"], 2);

    fs::remove_file(&plant).unwrap();
    prints(&apply(&host, folder, &["--check"]), 0, "filter: nothing to change\n");
    let said = apply(&host, folder, &["--prune", "--yes"]);
    prints(&said, 0, "filter: nothing to change\nplant-2: cancel it\nchanged 0 of 1 jobs, cancelled 1\n");
    assert_eq!(host.show_all().as_array().unwrap().len(), 1);
}

#[test]
fn files_are_applied_at_the_start() {
    let stage = require_stage!();
    stage.topics(1);
    stage.kafka.create_topic("plant-2.sensors", 1, &[]);
    stage.sql("DROP TABLE IF EXISTS plant_2; CREATE TABLE plant_2 (message_id integer)");
    let folder = tempfile::tempdir().unwrap();
    let plant = folder.path().join("plant-2.toml");
    fs::copy(example("sensor_pipeline"), folder.path().join("sensor_pipeline.wasm")).unwrap();
    fs::write(&plant, PLANT).unwrap();
    let mut host = stage.host().flag("--apply", folder.path());
    // Its table is another: that is told, and the host is up.
    host.start();
    eventually(RUN, "it is told", || host.log().contains("plant-2.toml is not applied").then_some(()));
    assert!(host.log().contains("column `message_id` is `integer`"), "{}", host.log());
    stage.sql("DROP TABLE plant_2");
    assert_eq!(host.sigterm(RUN), 0);
    host.start();
    let threshold = |host: &Host| {
        let jobs = host.show_all();
        jobs.as_array().unwrap().first().map(|job| job["parameters"]["threshold"].clone())
    };
    eventually(RUN, "it is applied", || (threshold(&host)? == "31").then_some(()));
    assert_eq!(host.sigterm(RUN), 0);
    fs::write(&plant, PLANT.replace("31", "29")).unwrap();
    host.start();
    eventually(RUN, "what differs is changed", || (threshold(&host)? == "29").then_some(()));
    assert_eq!(host.show("plant-2")["history"].as_array().unwrap().len(), 2);
    assert_eq!(host.sigterm(RUN), 0);
    fs::write(&plant, "name =").unwrap();
    let (code, log) = host.start_in_vain();
    assert!(code == 1 && log.contains("plant-2.toml describes no job"), "{log}");
}
