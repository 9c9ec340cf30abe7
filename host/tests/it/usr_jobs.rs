//! Files that come into `usr_jobs`, change there and go, in every way in which people and programs do that.

use std::fs::{self, File};
use std::io::Write;

use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::pelton::Host;
use crate::readings::{alerted, readings};
use crate::reload::variant;
use crate::stage::{RUN, example, require_stage};

const ALERTS: &str = "sensor_alerts";

fn available(host: &Host, file: &str) -> Option<Value> {
    let (_, list) = host.get("/api/v1/jobs");
    list["available"].as_array().unwrap().iter().find(|found| found["file"] == file).cloned()
}

/// Waits until a file is shown with what it declares.
#[track_caller]
fn comes(host: &Host, file: &str) {
    eventually(RUN, &format!("{file} is available"), || {
        let found = available(host, file)?;
        (found["spec"]["name"] == ALERTS && found["checking"] == false).then_some(())
    });
}

#[test]
fn files_come_in_every_way() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    host.start();
    let (folder, wasm) = (host.usr_jobs(), fs::read(example(ALERTS)).unwrap());
    // Copied.
    fs::copy(example(ALERTS), folder.join("copied.wasm")).unwrap();
    comes(&host, "copied.wasm");
    // Moved in, as an editor saves: written beside, then renamed over.
    host.drop_job("moved", &wasm);
    comes(&host, "moved.wasm");
    fs::write(folder.join(".moved.wasm.swp"), &wasm).unwrap();
    fs::rename(folder.join(".moved.wasm.swp"), folder.join("moved.wasm")).unwrap();
    comes(&host, "moved.wasm");
    // Written bit by bit: it loads only whole. Each part is a change, so nothing is read between them but what stands
    // still.
    let mut file = File::create(folder.join("written.wasm")).unwrap();
    for part in wasm.chunks(wasm.len() / 7 + 1) {
        file.write_all(part).unwrap();
        file.sync_all().unwrap();
        let found = eventually(RUN, "the part is seen", || available(&host, "written.wasm"));
        assert!(
            found["spec"].is_null() || fs::metadata(folder.join("written.wasm")).unwrap().len() == wasm.len() as u64
        );
    }
    drop(file);
    comes(&host, "written.wasm");
    // Linked.
    std::os::unix::fs::symlink(example(ALERTS), folder.join("linked.wasm")).unwrap();
    comes(&host, "linked.wasm");
    // What is no job says why; what is no .wasm file is not there.
    fs::write(folder.join("broken.wasm"), &wasm[..wasm.len() / 2]).unwrap();
    fs::write(folder.join("notes.txt"), "x").unwrap();
    fs::create_dir(folder.join("folder.wasm")).unwrap();
    let broken =
        eventually(RUN, "it is told why", || available(&host, "broken.wasm").filter(|f| f["error"].is_string()));
    assert!(broken["error"].as_str().unwrap().contains("not a valid WebAssembly component"), "{broken}");
    assert_eq!((available(&host, "notes.txt"), available(&host, "folder.wasm")), (None, None));
    // And gone.
    fs::remove_file(folder.join("copied.wasm")).unwrap();
    eventually(RUN, "the file is gone", || available(&host, "copied.wasm").is_none().then_some(()));
    // The folder itself may go and come.
    fs::rename(&folder, folder.with_extension("away")).unwrap();
    eventually(RUN, "nothing is available", || (host.get("/api/v1/jobs").1["available"] == json!([])).then_some(()));
    let said = host.cli(&["submit", "moved"]);
    assert!(said.stderr.contains("can't be read"), "{}", said.stderr);
    fs::rename(folder.with_extension("away"), &folder).unwrap();
    comes(&host, "moved.wasm");
}

#[test]
fn overwriting_the_file_of_a_running_job_reloads_it() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    host.drop_job(ALERTS, &fs::read(example(ALERTS)).unwrap());
    host.start();
    host.submit(ALERTS, &[]);
    let is_version = |host: &Host, number: u32| {
        eventually(RUN, &format!("version {number} runs"), || (host.show(ALERTS)["version"] == number).then_some(()));
    };
    assert_eq!(available(&host, "sensor_alerts.wasm").unwrap()["jobs"], json!([ALERTS]));
    fs::write(host.usr_jobs().join("sensor_alerts.wasm"), variant(&example(ALERTS), 2)).unwrap();
    is_version(&host, 2);
    let view = host.show(ALERTS);
    assert_eq!(view["history"][1]["by"], "usr_jobs");
    // What is no job changes nothing, and says so; neither does the file that is there after a rollback.
    fs::write(host.usr_jobs().join("sensor_alerts.wasm"), "broken").unwrap();
    eventually(RUN, "it is told", || available(&host, "sensor_alerts.wasm")?["error"].is_string().then_some(()));
    assert_eq!((&host.show(ALERTS)["version"], &host.show(ALERTS)["state"]), (&json!(2), &json!("running")));
    let said = host.cli(&["reload", ALERTS]);
    assert!(said.stderr.contains("is not a job"), "{}", said.stderr);
    host.drop_job(ALERTS, &variant(&example(ALERTS), 3));
    is_version(&host, 3);
    assert_eq!(host.cli(&["rollback", ALERTS]).code, 0);
    host.kill9();
    host.start();
    host.wait_until_ready();
    comes(&host, "sensor_alerts.wasm");
    is_version(&host, 2);
    // A file that changed while the host was away is taken over at the start.
    assert_eq!(host.sigterm(RUN), 0);
    host.drop_job(ALERTS, &variant(&example(ALERTS), 4));
    host.start();
    is_version(&host, 4);

    // Removing it does not stop the job, which says so.
    fs::remove_file(host.usr_jobs().join("sensor_alerts.wasm")).unwrap();
    let view = eventually(RUN, "it is told", || {
        let view = host.show(ALERTS);
        view["conditions"].as_array()?.iter().any(|c| c["part"] == "file").then_some(view)
    });
    assert_eq!(
        view["conditions"][0]["reason"],
        "sensor_alerts.wasm is gone from usr_jobs; the job goes on from the host's copy"
    );
    assert_eq!(view["state"], "running");
    stage.kafka.produce("sensors", &readings(0..40));
    stage.wait_until_done(ALERTS);
    assert_eq!(alerted(&stage).len(), 10);
}

#[test]
fn submit_all_starts_each_file_as_it_comes() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host().env("PELTON_SUBMIT_ALL", "true");
    host.start();
    host.drop_job(ALERTS, &fs::read(example(ALERTS)).unwrap());
    let runs = |job: &str| {
        eventually(RUN, &format!("{job} runs"), || {
            let (status, view) = host.get(&format!("/api/v1/jobs/{job}"));
            (status == 200 && view["state"] == "running").then_some(())
        });
    };
    runs(ALERTS);
    host.drop_job("sensor_pipeline", &fs::read(example("sensor_pipeline")).unwrap());
    runs("sensor_pipeline");
}

#[test]
fn a_thousand_files_are_no_burden() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    for n in 0..1000u32 {
        let mut wasm = variant(&example(ALERTS), 0);
        wasm.extend([0, 6, 1, b'n']);
        wasm.extend(n.to_le_bytes());
        // All but a few are none, or the test would only wait for the compiler.
        if n % 100 != 0 {
            wasm.truncate(100);
        }
        fs::write(host.usr_jobs().join(format!("job{n:04}.wasm")), wasm).unwrap();
    }
    host.start();
    let (status, list) = host.get("/api/v1/jobs");
    assert_eq!(status, 200, "the host answers meanwhile: {list}");
    eventually(RUN, "all are looked at", || {
        let (_, list) = host.get("/api/v1/jobs");
        let available = list["available"].as_array()?;
        let jobs = available.iter().filter(|file| file["spec"].is_object()).count();
        let others = available.iter().filter(|file| file["error"].is_string()).count();
        ((jobs, others) == (10, 990)).then_some(())
    });
    host.submit("job0100", &[]);
    stage.kafka.produce("sensors", &readings(0..40));
    stage.wait_until_done(ALERTS);
}
