//! Files that come into `usr_jobs`, change there and go, in every way in which people and programs do that.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use pelton_model::text::is_unsafe;
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
    // Linked, within the folder.
    symlink("moved.wasm", folder.join("linked.wasm")).unwrap();
    comes(&host, "linked.wasm");
    // What is no job says why; what is no .wasm file is not there.
    fs::write(folder.join("broken.wasm"), &wasm[..wasm.len() / 2]).unwrap();
    fs::write(folder.join("notes.txt"), "x").unwrap();
    fs::create_dir(folder.join("folder.wasm")).unwrap();
    let broken =
        eventually(RUN, "it is told why", || available(&host, "broken.wasm").filter(|f| f["error"].is_string()));
    assert!(broken["error"].as_str().unwrap().contains("not a valid WebAssembly component"), "{broken}");
    assert_eq!(available(&host, "notes.txt"), None);
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
    let is_told = |host: &Host| {
        let conditions = host.show(ALERTS)["conditions"].clone();
        conditions.as_array().unwrap().iter().any(|told| told["part"] == "reload")
    };
    eventually(RUN, "the job says what its file asks for", || is_told(&host).then_some(()));
    // Until that is what runs again.
    host.drop_job(ALERTS, &variant(&example(ALERTS), 2));
    eventually(RUN, "that is over", || (!is_told(&host)).then_some(()));
    fs::write(host.usr_jobs().join("sensor_alerts.wasm"), "broken again").unwrap();
    eventually(RUN, "the job says so again", || is_told(&host).then_some(()));
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
    fs::write(host.usr_jobs().join("sensor_alerts.wasm"), "broken").unwrap();
    eventually(RUN, "the job says so", || is_told(&host).then_some(()));
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
    assert!(!is_told(&host), "what it asked for is gone with it");
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

/// What can lie in a folder beside files: each is told in a line, and none holds the others up.
#[test]
fn what_is_no_file_holds_nothing_up() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    let folder = host.usr_jobs();
    let at = |name: &str| folder.join(name);
    for n in 0..8 {
        mkfifo(&at(&format!("0fifo{n}.wasm")), Mode::S_IRWXU).unwrap();
    }
    let _socket = UnixListener::bind(at("1socket.wasm")).unwrap();
    fs::create_dir(at("2folder.wasm")).unwrap();
    File::create(at("3large.wasm")).unwrap().set_len(10 << 30).unwrap();
    symlink(example(ALERTS), at("4outside.wasm")).unwrap();
    symlink("/dev/zero", at("5device.wasm")).unwrap();
    symlink("nowhere", at("6nothing.wasm")).unwrap();
    symlink("7circle.wasm", at("7circle.wasm")).unwrap();
    fs::write(at("8\x1b[2J\n\u{202e}name.wasm"), "x").unwrap();
    fs::write(at("9secret.wasm"), "x").unwrap();
    fs::set_permissions(at("9secret.wasm"), fs::Permissions::from_mode(0o000)).unwrap();
    host.start();
    host.drop_job(ALERTS, &fs::read(example(ALERTS)).unwrap());
    comes(&host, "sensor_alerts.wasm");
    let list = eventually(RUN, "all are told", || {
        let (_, list) = host.get("/api/v1/jobs");
        let available = list["available"].as_array()?.clone();
        let others = available.iter().filter(|file| file["error"].is_string() && file["checking"] == false);
        (others.count() == 17).then_some(available)
    });
    let of = |name: &str| {
        let file = list.iter().find(|file| file["file"].as_str().unwrap().starts_with(name)).unwrap();
        file["error"].as_str().unwrap().to_owned()
    };
    for (name, told) in [
        ("0fifo7", "it is a FIFO, not a file"),
        ("1socket", "it is a socket, not a file"),
        ("2folder", "it is a folder, not a file"),
        ("3large", "it is larger than 256 MiB"),
        ("4outside", "it is a link that leads out of the folder, by way of \""),
        ("5device", "it is a link that leads out of the folder, by way of \"/dev/zero\"; copy the file itself"),
        ("6nothing", "it is a link that leads to nothing"),
        ("7circle", "it is a link that leads in a circle"),
        ("8\\u{1b}[2J\\n\\u{202e}name.wasm", "its name has control characters"),
    ] {
        assert!(of(name).starts_with(told), "{name}: {}", of(name));
    }
    for said in [host.cli(&["list"]).stdout, host.log(), host.cli(&["submit", "0fifo0"]).stderr] {
        assert!(said.contains("it is a FIFO, not a file"), "{said}");
        assert!(said.lines().all(|line| !line.contains(is_unsafe)), "{said}");
    }
    // A job goes on whose file becomes none, and says so.
    host.submit(ALERTS, &[]);
    fs::remove_file(at("sensor_alerts.wasm")).unwrap();
    mkfifo(&at("sensor_alerts.wasm"), Mode::S_IRWXU).unwrap();
    eventually(RUN, "it is told", || {
        let view = host.show(ALERTS);
        view["conditions"].as_array()?.iter().any(|c| c["part"] == "file").then_some(())
    });
    stage.kafka.produce("sensors", &readings(0..40));
    stage.wait_until_done(ALERTS);
    assert_eq!(alerted(&stage).len(), 10);
}

/// As kubelet mounts a ConfigMap, and changes it.
#[test]
fn a_mounted_volume_of_kubernetes_works_and_its_change_reloads_the_job() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    let folder = host.usr_jobs();
    let publish = |version: &str, number: u8| {
        fs::create_dir(folder.join(version)).unwrap();
        fs::write(folder.join(version).join("sensor_alerts.wasm"), variant(&example(ALERTS), number)).unwrap();
        symlink(version, folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    };
    publish("..2026_11_30_10_00_00.1", 1);
    symlink(Path::new("..data/sensor_alerts.wasm"), folder.join("sensor_alerts.wasm")).unwrap();
    host.start();
    comes(&host, "sensor_alerts.wasm");
    host.submit(ALERTS, &[]);
    publish("..2026_11_30_11_00_00.2", 2);
    fs::remove_dir_all(folder.join("..2026_11_30_10_00_00.1")).unwrap();
    eventually(RUN, "version 2 runs", || (host.show(ALERTS)["version"] == 2).then_some(()));
    assert_eq!(host.show(ALERTS)["history"][1]["by"], "usr_jobs");
    assert_eq!(host.sigterm(RUN), 0);

    // A link that leads out is followed where the settings say so.
    let mut host = stage.host().env("PELTON_USR_JOBS_FOLLOW_LINKS", "true");
    symlink(example(ALERTS), host.usr_jobs().join("outside.wasm")).unwrap();
    host.start();
    comes(&host, "outside.wasm");
}
