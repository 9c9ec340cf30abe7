//! The life of a job by its verbs, each of which may be repeated, and what is kept of it over restarts.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::kafka::Record;
use crate::pelton::Host;
use crate::readings::{alerted, readings};
use crate::reload::variant;
use crate::stage::{RUN, example, guest, require_stage};

const ALERTS: &str = "sensor_alerts";

/// Runs a command on a job; panics if it fails.
#[track_caller]
pub(crate) fn done(host: &Host, arguments: &[&str]) -> Value {
    let mut all = arguments.to_vec();
    all.push("--json");
    let said = host.cli(&all);
    assert_eq!(said.code, 0, "{arguments:?}: {}", said.stderr);
    serde_json::from_str(&said.stdout).unwrap()
}

/// What the history says was done, in order.
fn whys(view: &Value) -> Vec<&str> {
    view["history"].as_array().unwrap().iter().map(|entry| entry["why"].as_str().unwrap()).collect()
}

#[test]
fn every_verb_prints_a_line_of_what_it_has_changed() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    host.drop_job(ALERTS, &fs::read(example(ALERTS)).unwrap());
    host.start();
    host.submit(ALERTS, &[]);
    let folder = tempfile::tempdir().unwrap();
    let next = folder.path().join("next.wasm");
    fs::write(&next, variant(&example(ALERTS), 2)).unwrap();
    let nothing = "nothing changed: it is as asked for already";
    for (arguments, told, again) in [
        (&["submit", ALERTS, "--from", "latest"][..], nothing, nothing),
        (&["set", ALERTS, "threshold=28"], "threshold = 28 (was 30)", nothing),
        (&["set", ALERTS, "--unset", "threshold"], "threshold = 30 (was 28)", nothing),
        (&["pause", ALERTS], "paused", nothing),
        (&["resume", ALERTS], "resumed", nothing),
        (&["reload", ALERTS, next.to_str().unwrap()], "version 2 (0.1.0) takes over from version 1 (0.1.0)", nothing),
        (&["rollback", ALERTS, "--to", "1"], "version 1 (0.1.0) takes over from version 2 (0.1.0)", nothing),
    ] {
        for told in [told, again] {
            let said = host.cli(arguments);
            assert_eq!((said.code, said.stdout), (0, format!("{ALERTS}: {told}\n")), "{arguments:?}: {}", said.stderr);
        }
    }
    let said = host.cli(&["cancel", ALERTS]);
    let told = format!(
        "{ALERTS}: cancelled; the offsets of group \"pelton-{ALERTS}\" and its dead letters are kept, its versions and \
         history until they are purged\n"
    );
    assert_eq!((said.code, said.stdout), (0, told), "{}", said.stderr);
}

#[test]
fn every_verb_does_its_work_and_may_be_repeated() {
    let stage = require_stage!();
    stage.set(4);
    let mut host = stage.host();
    host.drop_job(ALERTS, &fs::read(example(ALERTS)).unwrap());
    host.start();
    host.submit(ALERTS, &[]);
    stage.kafka.produce("sensors", &readings(0..100));
    stage.wait_until_done(ALERTS);

    // Held twice, it reads nothing; the state stays over a restart.
    for _ in 0..2 {
        assert_eq!(done(&host, &["pause", ALERTS])["state"], "paused");
    }
    stage.kafka.produce("sensors", &readings(100..200));
    host.kill9();
    host.start();
    assert_eq!(host.show(ALERTS)["state"], "paused");
    assert_eq!(host.get("/readyz").0, 200, "a job that is held as it should be is nothing to complain of");
    for _ in 0..2 {
        done(&host, &["resume", ALERTS]);
    }
    stage.wait_until_done(ALERTS);
    assert_eq!(alerted(&stage).len(), 50);

    // Parameters change between two batches.
    for _ in 0..2 {
        assert_eq!(done(&host, &["set", ALERTS, "threshold=10"])["parameters"]["threshold"], "10");
    }
    stage.kafka.produce("sensors", &readings(200..210));
    stage.wait_until_done(ALERTS);
    assert_eq!(alerted(&stage).len(), 60);
    let said = host.cli(&["set", ALERTS, "threshold=hot"]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("cannot read `hot` as f64"), "{}", said.stderr);
    let said = host.cli(&["set", ALERTS, "no_such=1"]);
    assert!(said.stderr.contains("the job has no parameter \"no_such\"; it has threshold"), "{}", said.stderr);
    assert_eq!(done(&host, &["set", ALERTS, "--unset", "threshold"])["parameters"]["threshold"], "30");

    // More instances share the partitions, then fewer.
    for (instances, most) in [("3", 3), ("3", 3), ("1", 1)] {
        assert_eq!(done(&host, &["scale", ALERTS, instances])["parallelism"], most);
        stage.kafka.produce("sensors", &readings(0..400));
        eventually(RUN, &format!("{most} instances are at work"), || {
            let view = host.show(ALERTS);
            let used: std::collections::BTreeSet<u64> =
                view["partitions"].as_array()?.iter().filter_map(|p| p["instance"].as_u64()).collect();
            (used.len() == most).then_some(())
        });
    }
    stage.wait_until_done(ALERTS);
    let said = host.cli(&["scale", ALERTS, "1000"]);
    assert!(said.stderr.contains("parallelism 1000 is not between 1 and 256"), "{}", said.stderr);

    let view = host.show(ALERTS);
    assert_eq!(
        whys(&view),
        ["submit", "pause", "resume", "set threshold", "set threshold", "scale 3", "scale 1"],
        "what changed nothing is no history"
    );
    assert!(view["history"][1]["by"].as_str().unwrap().contains('@'), "{view}");

    // Cancelled twice: the second time there is nothing to cancel, and that is said.
    assert_eq!(done(&host, &["cancel", ALERTS])["state"], "stopped");
    let said = host.cli(&["cancel", ALERTS]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("there is no job \"sensor_alerts\""), "{}", said.stderr);
    assert_eq!(host.metric("pelton_records_in_total", &[("job", ALERTS)]), None, "its counters have gone with it");
    for verb in ["pause", "resume", "reload", "rollback", "logs"] {
        assert_eq!(host.cli(&[verb, ALERTS]).code, 1, "{verb}");
    }
}

#[test]
fn versions_are_kept_and_rolled_back_to() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    host.start();
    host.submit(example(ALERTS), &["--set", "threshold=25"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("next.wasm");
    fs::write(&file, variant(&example(ALERTS), 2)).unwrap();
    let file = file.to_str().unwrap();

    let said = host.cli(&["rollback", ALERTS]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("sensor_alerts has no earlier version: it runs version 1"), "{}", said.stderr);
    let second = done(&host, &["reload", ALERTS, file, "--why", "a better one"]);
    assert_eq!((&second["version"], whys(&second).last()), (&json!(2), Some(&"a better one")));
    assert_eq!(done(&host, &["reload", ALERTS, file])["history"].as_array().unwrap().len(), 2, "repeated");
    done(&host, &["set", ALERTS, "threshold=5"]);

    for _ in 0..2 {
        let first = done(&host, &["rollback", ALERTS, "--to", "1"]);
        assert_eq!((&first["version"], &first["parameters"]["threshold"]), (&json!(1), &json!("25")));
    }
    // Kept: also what was rolled back, and over a restart, which deletes old components that nothing refers to.
    host.kill9();
    let components = host.data().join("components");
    let unused = components.join(format!("{}.wasm", "0".repeat(64)));
    fs::write(&unused, "").unwrap();
    let yesterday = SystemTime::now() - Duration::from_secs(25 * 3600);
    for component in fs::read_dir(&components).unwrap() {
        File::open(component.unwrap().path()).unwrap().set_modified(yesterday).unwrap();
    }
    host.start();
    eventually(RUN, "the unused component is gone", || (!unused.exists()).then_some(()));
    assert_eq!(fs::read_dir(&components).unwrap().count(), 2, "both versions are there");
    let view = host.show(ALERTS);
    assert_eq!((&view["version"], view["versions"].as_array().unwrap().len()), (&json!(1), 2));
    assert_eq!(done(&host, &["rollback", ALERTS, "--to", "2"])["parameters"]["threshold"], "5");
    assert_eq!(done(&host, &["rollback", ALERTS])["version"], 1);
    let said = host.cli(&["rollback", ALERTS, "--to", "7"]);
    assert!(said.stderr.contains("has no version 7"), "{}", said.stderr);

    // Its offsets are kept through all of it.
    stage.kafka.produce("sensors", &readings(0..40));
    stage.wait_until_done(ALERTS);
    assert_eq!(alerted(&stage).len(), 10);
}

#[test]
fn a_job_tells_what_happens_to_it() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    host.start();
    host.submit(guest("trap_on_marker"), &[]);
    stage.kafka.produce("sensors", &["good", "TRAP", "good"].map(Record::new));
    stage.wait_until_done("trap_on_marker");
    done(&host, &["pause", "trap_on_marker"]);

    let said = host.cli(&["logs", "trap_on_marker", "--json"]);
    let lines: Vec<Value> = said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let has = |level: &str, text: &str| {
        lines.iter().any(|line| line["level"] == level && line["message"].as_str().unwrap().contains(text))
    };
    assert!(has("info", "running") && has("info", "paused") && has("error", "the job trapped"), "{}", said.stdout);
    let (status, last) = host.get(&format!("/api/v1/jobs/trap_on_marker/logs?since={}", lines.len() - 1));
    assert_eq!((status, last["lines"].as_array().unwrap().len()), (200, 1));
    assert_eq!(host.get("/api/v1/jobs/trap_on_marker/logs?since=x").0, 400);
    // Followed, the log ends with the job.
    std::thread::scope(|scope| {
        let follower = scope.spawn(|| host.cli(&["logs", "trap_on_marker", "--follow"]));
        done(&host, &["cancel", "trap_on_marker"]);
        let said = follower.join().unwrap();
        // It may have asked only once the job was gone.
        assert!(said.code == 0 || said.stderr.contains("there is no job"), "{}", said.stderr);
    });
}

#[test]
fn a_cancel_during_the_start_ends_it() {
    let mut stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    host.start();
    host.submit(example(ALERTS), &[]);
    host.kill9();
    // Without Kafka the job can only try to start.
    stage.kafka.stop().unwrap();
    host.start();
    assert_eq!(done(&host, &["cancel", ALERTS])["state"], "stopped");
    assert_eq!(host.show_all(), json!([]));
}
