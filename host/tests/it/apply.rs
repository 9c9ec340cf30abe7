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
    // A folder of another place describes no job, and is not one that asks for none.
    let empty = folder.join("empty");
    fs::create_dir(&empty).unwrap();
    let said = apply(&host, &empty, &["--prune", "--yes"]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("empty has no file that describes a job (*.toml)"), "{}", said.stderr);
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

    // What is exported is the component that runs, also where its file has another one by now.
    let file = host.usr_jobs().join("sensor_alerts.wasm");
    fs::write(&file, variant(&example("sensor_alerts"), 2)).unwrap();
    eventually(RUN, "the file is loaded", || (host.show("filter")["version"] == 2).then_some(()));
    assert_eq!(host.cli(&["rollback", "filter"]).code, 0);
    let exported = host.cli(&["export", "filter", "--out", out.to_str().unwrap()]);
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    let text = fs::read_to_string(out.join("filter.toml")).unwrap();
    assert!(text.contains("component = \"sha256:"), "{text}");
    fs::remove_file(out.join("plant-2.toml")).unwrap();
    prints(&apply(&host, &out, &["--check"]), 0, "filter: nothing to change\n");

    // What can't be had is told before anything is changed, with the file and its keys.
    let loops = "name = \"loops\"\ncomponent = \"sensor_alerts\"\n[sinks]\nalerts = \"sensors\"\n";
    let unknown = "name = \"unknown\"\ncomponent = \"sensor_alerts\"\n[parameters]\ntreshold = 1\n";
    for (text, told) in [
        (loops, "submit it with `allow_loop = true` in its file if that is meant"),
        (unknown, "the job has no parameter \"treshold\""),
    ] {
        fs::write(out.join("wrong.toml"), text).unwrap();
        for flag in ["--check", "--yes"] {
            let refused = apply(&host, &out, &[flag]);
            assert_eq!(refused.code, 1, "{}", refused.stdout);
            assert!(refused.stderr.contains(told), "{}", refused.stderr);
            let named = "wrong.toml can't be applied, and nothing is changed";
            assert!(refused.stderr.contains(named), "{}", refused.stderr);
        }
    }
    let missing = "name = \"missing\"\ncomponent = \"sensor_alerts\"\n[sinks]\nalerts = \"nowhere\"\n";
    fs::write(out.join("wrong.toml"), missing).unwrap();
    let refused = apply(&host, &out, &["--yes"]);
    let told = "repeat it with `create = true` in its file to create what is missing";
    assert!(refused.code == 1 && refused.stderr.contains(told), "{}", refused.stderr);
}

#[test]
fn a_value_of_a_megabyte_comes_from_a_file_and_back() {
    let stage = require_stage!();
    stage.topics(1);
    let mut host = stage.host();
    host.start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("threshold");
    let value = format!("30.{}", "0".repeat((1 << 20) - 3));
    fs::write(&file, &value).unwrap();
    let set = format!("threshold=@{}", file.display());
    let job = example("sensor_alerts");
    let said = host.cli(&["submit", job.to_str().unwrap(), "--from", "earliest", "--set", &set]);
    assert!(said.code == 0 && said.stdout.len() < 1000, "{said:?}");
    stage.kafka.produce("sensors", &[reading("a", 31.5), reading("b", 29.5)]);
    eventually(RUN, "the value is at work", || (stage.kafka.read_all("alerts").len() == 1).then_some(()));

    let shown = host.cli(&["show", "sensor_alerts"]).stdout;
    assert!(shown.contains("threshold = 30.000") && shown.len() < 10_000, "{shown}");
    assert!(shown.contains("… (1048576 bytes; --parameter threshold prints it)"), "{shown}");
    for run in ["as submitted", "after a restart"] {
        assert_eq!(host.cli(&["show", "sensor_alerts", "--parameter", "threshold"]).stdout.trim_end(), value, "{run}");
        let out = folder.path().join(run);
        assert_eq!(host.cli(&["export", "--out", out.to_str().unwrap()]).code, 0);
        prints(&apply(&host, &out, &["--check"]), 0, "sensor_alerts: nothing to change\n");
        assert_eq!(host.sigterm(RUN), 0);
        host.start();
    }
    let none = host.cli(&["show", "sensor_alerts", "--parameter", "treshold"]);
    assert_eq!(none.code, 1);
    let told = "sensor_alerts has no parameter \"treshold\"; did you mean \"threshold\"?";
    assert!(none.stderr.contains(told), "{}", none.stderr);
    // Larger ones are refused, and what was set stays.
    fs::write(&file, format!("{value}0")).unwrap();
    let refused = host.cli(&["set", "sensor_alerts", &set]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("has 1048577 bytes; a value has 1048576 at most"), "{}", refused.stderr);
    assert_eq!(host.show("sensor_alerts")["parameters_cut"], serde_json::json!(["threshold"]));
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
