//! Versions that take over while records flow, versions that must not, and versions that go back by themselves.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::eventually::eventually;
use crate::kafka::Record;
use crate::lifecycle::done;
use crate::load::{check_all_forwarded, under_load};
use crate::pelton::Host;
use crate::readings::{alerted, readings};
use crate::stage::{RUN, Servers, example, guest, require_stage};

const JOB: &str = "identity";

/// The same component with another digest: with a custom section at its end.
pub(crate) fn variant(component: &Path, number: u8) -> Vec<u8> {
    let mut bytes = fs::read(component).unwrap();
    bytes.extend([0, 3, 1, b'v', number]);
    bytes
}

/// Checks that the records of each of the four partitions came in order.
#[track_caller]
fn check_order(servers: &Servers) {
    let mut last: BTreeMap<usize, usize> = BTreeMap::new();
    for value in servers.alerts() {
        let number: usize = value.parse().unwrap();
        let before = last.insert(number % 4, number);
        assert!(before < Some(number), "{number} came after {before:?}");
    }
}

/// Files of a component and a variant of it.
fn two(component: &Path, folder: &Path) -> [PathBuf; 2] {
    [1, 2].map(|number| {
        let file = folder.join(format!("{number}.wasm"));
        fs::write(&file, variant(component, number)).unwrap();
        file
    })
}

#[test]
fn a_hundred_swaps_under_load_lose_repeat_and_reorder_nothing() {
    let stage = require_stage!();
    stage.topics(4);
    let mut host = stage.host();
    host.start();
    host.submit(guest(JOB), &["--parallelism", "2"]);
    let folder = tempfile::tempdir().unwrap();
    let files = two(&guest(JOB), folder.path());
    let digests: Vec<String> = files.iter().map(|file| upload(&host, file)).collect();
    let written = under_load(&stage, 0, || {
        for n in 0..100 {
            let read = |host: &Host| host.show(JOB)["counts"]["records_in"].as_u64().unwrap();
            let before = read(&host);
            let (status, view) = host.post(&format!("/api/v1/jobs/{JOB}/reload"), &json!({"digest": digests[n % 2]}));
            assert_eq!(status, 200, "{view}");
            eventually(RUN, "records flow on", || (read(&host) > before).then_some(()));
        }
    });
    stage.wait_until_done(JOB);
    assert_eq!(check_all_forwarded(&stage, written), 0);
    check_order(&stage);
    let view = host.show(JOB);
    assert_eq!((&view["state"], view["versions"].as_array().unwrap().len()), (&json!("running"), 3));
    assert_eq!(view["history"].as_array().unwrap().len(), 101);
}

fn upload(host: &Host, file: &Path) -> String {
    let client = pelton::cli::client::Client::new(&host.url(), None, None).unwrap();
    let wasm = fs::read(file).unwrap();
    client.upload(wasm.as_slice(), wasm.len()).unwrap().digest
}

#[test]
fn a_version_that_fails_goes_back_by_itself() {
    let stage = require_stage!();
    stage.topics(4);
    let mut host = stage.host();
    host.start();
    host.submit(guest(JOB), &["--parallelism", "2"]);
    stage.kafka.produce("sensors", &(0..400).map(|i| Record::new(i.to_string()).partition(i % 4)).collect::<Vec<_>>());
    stage.wait_until_done(JOB);
    let trap = guest("always_trap");
    let said = host.cli(&["reload", JOB, trap.to_str().unwrap()]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("- name identity") && said.stderr.contains("--force"), "{}", said.stderr);
    done(&host, &["reload", JOB, trap.to_str().unwrap(), "--force"]);
    let records: Vec<_> = (400..4400).map(|i| Record::new(i.to_string()).partition(i % 4)).collect();
    stage.kafka.produce("sensors", &records);
    stage.wait_until_done(JOB);

    let view = eventually(RUN, "the host has gone back", || {
        let view = host.show(JOB);
        (view["version"] == 1).then_some(view)
    });
    let told = view["conditions"][0]["reason"].as_str().unwrap();
    assert!(
        told.contains("version 2 was rolled back by the host: it fails on every record: the job trapped"),
        "{told}"
    );
    assert_eq!((&view["state"], host.get("/readyz").0), (&json!("running"), 200), "{view}");
    // Whatever the bad version gave up on is a dead letter; all else has arrived once.
    let letters = host.show(JOB)["counts"]["dead_letters"].as_u64().unwrap() as usize;
    assert!(letters <= 20, "{letters} dead letters");
    assert_eq!(stage.alerts().len() + letters, 4400);
    check_order(&stage);
    // It stays there over a restart.
    host.kill9();
    host.start();
    assert_eq!(host.show(JOB)["version"], 1);
}

#[test]
fn what_is_no_version_leaves_the_job_as_it_was() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    host.start();
    host.submit(example("sensor_pipeline"), &[]);
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.wasm");
    fs::write(&broken, &fs::read(example("sensor_pipeline")).unwrap()[..1000]).unwrap();
    let reload = |file: &Path| host.cli(&["reload", "sensor_pipeline", file.to_str().unwrap(), "--force"]);
    for (file, words) in [
        (broken, "not a valid WebAssembly component"),
        (guest("wrong_world"), "the component is not a job"),
        (guest("configure_fails"), "the job refuses its parameters"),
        (folder.path().join("none.wasm"), "there is no file"),
    ] {
        let said = reload(&file);
        assert_eq!(said.code, 1);
        assert!(said.stderr.contains(words), "{}", said.stderr);
    }
    let view = host.show("sensor_pipeline");
    // Who asked was told; the job has nothing to complain of, and its log has the rest.
    assert_eq!((&view["state"], &view["version"], &view["conditions"]), (&json!("running"), &json!(1), &json!([])));
    let log = host.cli(&["logs", "sensor_pipeline"]).stdout;
    assert!(log.contains("reload: the job refuses its parameters") && log.contains("version 1 goes on"), "{log}");

    // It would drop the table; forced, it does, and the table's rows of before are all there.
    stage.kafka.produce("sensors", &readings(0..100));
    let alerts = example("sensor_alerts");
    let said = host.cli(&["reload", "sensor_pipeline", alerts.to_str().unwrap()]);
    assert!(said.stderr.contains("- sink raw_sensors_data (table raw_sensors_data)"), "{}", said.stderr);
    stage.wait_until_done("sensor_pipeline");
    let said = reload(&alerts);
    assert_eq!(said.code, 0, "{}", said.stderr);
    stage.kafka.produce("sensors", &readings(100..200));
    stage.wait_until_done("sensor_pipeline");
    assert_eq!((stage.count("raw_sensors_data"), alerted(&stage).len()), (100, 50));
    // And back again, with both.
    done(&host, &["rollback", "sensor_pipeline"]);
    stage.kafka.produce("sensors", &readings(200..300));
    stage.wait_until_done("sensor_pipeline");
    assert_eq!((stage.count("raw_sensors_data"), alerted(&stage).len()), (200, 75));
}

#[test]
fn two_reloads_at_once_come_one_after_the_other() {
    let stage = require_stage!();
    stage.topics(4);
    let mut host = stage.host();
    host.start();
    host.submit(guest(JOB), &[]);
    let folder = tempfile::tempdir().unwrap();
    let files = two(&guest(JOB), folder.path());
    std::thread::scope(|scope| {
        let reloads =
            files.map(|file| scope.spawn(|| host.cli(&["reload".into(), JOB.into(), file.into_os_string()]).code));
        assert_eq!(reloads.map(|reload| reload.join().unwrap()), [0, 0]);
    });
    let view = host.show(JOB);
    assert_eq!((&view["version"], view["history"].as_array().unwrap().len()), (&json!(3), 3));
}

#[test]
fn a_reload_while_postgres_is_down_works_where_the_sinks_stay() {
    let mut stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    host.start();
    host.submit(example("sensor_pipeline"), &[]);
    stage.kafka.produce("sensors", &readings(0..100));
    stage.wait_until_done("sensor_pipeline");
    stage.postgres.stop_keep_data().unwrap();
    stage.kafka.produce("sensors", &readings(100..200));
    let folder = tempfile::tempdir().unwrap();
    let [next, _] = two(&example("sensor_pipeline"), folder.path());
    done(&host, &["reload", "sensor_pipeline", next.to_str().unwrap()]);
    // A job with another table needs it to be looked at.
    let said = host.cli(&["reload", "sensor_pipeline", guest("sensor_statement").to_str().unwrap(), "--force"]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("Postgres can't be asked"), "{}", said.stderr);
    stage.postgres.start_again().unwrap();
    stage.wait_until_done("sensor_pipeline");
    assert_eq!(stage.count("raw_sensors_data"), 200);
    assert_eq!(host.show("sensor_pipeline")["version"], 2);
}

#[test]
fn a_reload_during_a_rebalance_loses_nothing() {
    let stage = require_stage!();
    stage.topics(4);
    let (mut one, mut other) = (stage.host(), stage.host());
    let folder = tempfile::tempdir().unwrap();
    let files = two(&guest(JOB), folder.path());
    one.start();
    one.submit(guest(JOB), &["--parallelism", "2"]);
    let written = under_load(&stage, 0, || {
        other.start();
        // Where the job starts is known already.
        let said = other.cli(&["submit".into(), guest(JOB).into_os_string()]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        for _ in 0..5 {
            for (host, file) in [(&one, &files[0]), (&other, &files[1]), (&one, &files[1]), (&other, &files[0])] {
                done(host, &["reload", JOB, file.to_str().unwrap()]);
            }
        }
        let shares = |host: &Host| host.show(JOB)["partitions"].as_array().unwrap().len() == 2;
        eventually(RUN, "both have partitions", || (shares(&one) && shares(&other)).then_some(()));
        assert_eq!(other.sigterm(RUN), 0);
    });
    stage.wait_until_done(JOB);
    assert_eq!(check_all_forwarded(&stage, written), 0);
}

#[test]
fn a_shadow_run_tells_what_would_differ_and_writes_nothing() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    host.start();
    host.submit(example("sensor_alerts"), &[]);
    // The page asks for a run only where the job says that there is one.
    let has_one = || host.get("/api/v1/jobs/sensor_alerts").1["shadow"] == true;
    assert_eq!((host.get("/api/v1/jobs/sensor_alerts/shadow").0, has_one()), (404, false));
    let pipeline = example("sensor_pipeline");
    let report = std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            done(&host, &["reload", "--shadow", "sensor_alerts", pipeline.to_str().unwrap(), "--seconds", "600"])
        });
        let report = || host.get("/api/v1/jobs/sensor_alerts/shadow");
        eventually(RUN, "the shadow run is going on", || (report().0 == 200).then_some(()));
        assert!(has_one());
        stage.kafka.produce("sensors", &readings(0..100));
        eventually(RUN, "all is compared", || (report().1["records"] == 100).then_some(()));
        assert_eq!(host.delete("/api/v1/jobs/sensor_alerts/shadow").0, 200);
        run.join().unwrap()
    });
    assert_eq!((&report["running"], &report["failures"], &report["skipped"]), (&json!(false), &json!(0), &json!(0)));
    assert_eq!(report["differing"], 100, "each record has a row more: {report}");
    let sinks = report["sinks"].as_array().unwrap();
    assert!(sinks.contains(&json!({"name": "alerts", "now": 25, "then": 25})), "{report}");
    assert!(sinks.contains(&json!({"name": "raw_sensors_data", "now": 0, "then": 100})), "{report}");
    let first = &report["first"][0];
    assert_eq!((&first["offset"], &first["sink"], &first["now"]), (&json!(0), &json!("raw_sensors_data"), &json!([])));
    assert!(first["then"][0].as_str().unwrap().contains("\"message_id\":\"reading 0\""), "{first}");
    stage.wait_until_done("sensor_alerts");
    assert_eq!((stage.count("raw_sensors_data"), alerted(&stage).len()), (0, 25));
    // One that fails is told of.
    let said = host.cli(&["reload", "--shadow", "sensor_alerts", guest("configure_fails").to_str().unwrap()]);
    assert!(said.stderr.contains("the job refuses its parameters"), "{}", said.stderr);
}
