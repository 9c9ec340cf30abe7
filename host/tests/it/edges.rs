//! What goes wrong around a host: a full disk, damaged files, a clock that jumps, a browser that never leaves.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::http::Connection;
use crate::kafka::Record;
use crate::readings::{alerted, readings};
use crate::reload::variant;
use crate::stage::{RUN, example, guest, require_stage};

const ALERTS: &str = "sensor_alerts";

#[test]
fn a_full_disk_refuses_changes_and_stops_nothing() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    let disk = match Disk::mount(&host.data()) {
        Ok(disk) => disk,
        // Not every machine that runs the tests lets them mount: this one is never required.
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    host.start();
    host.submit(example(ALERTS), &[]);
    let before = host.show(ALERTS);
    disk.fill();
    let folder = tempfile::tempdir().unwrap();
    let next = folder.path().join("next.wasm");
    fs::write(&next, variant(&example(ALERTS), 2)).unwrap();
    let said = host.cli(&["reload", ALERTS, next.to_str().unwrap()]);
    assert_eq!(said.code, 1);
    assert!(
        said.stderr.contains("failed to write") && said.stderr.contains("No space left on device"),
        "{}",
        said.stderr
    );
    for verb in [&["pause", ALERTS][..], &["scale", ALERTS, "3"], &["set", ALERTS, "threshold=1"]] {
        let said = host.cli(verb);
        assert!(said.stderr.contains("the job goes on as it was"), "{verb:?}: {}", said.stderr);
    }
    let said = host.cli(&["submit".into(), guest("identity").into_os_string()]);
    assert_eq!(said.code, 1);
    let after = host.show(ALERTS);
    for unchanged in ["version", "digest", "parallelism", "parameters", "history"] {
        assert_eq!(before[unchanged], after[unchanged]);
    }
    stage.kafka.produce("sensors", &readings(0..40));
    stage.wait_until_done(ALERTS);
    assert_eq!(alerted(&stage).len(), 10);
    disk.empty();
    assert_eq!(host.cli(&["reload", ALERTS, next.to_str().unwrap()]).code, 0);
    assert_eq!(host.show(ALERTS)["version"], 2);
}

/// A small disk of its own; it takes root to have one.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: &Path) -> Result<Self, String> {
        fs::create_dir_all(folder).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(folder).output();
        match mount {
            Ok(said) if said.status.success() => Ok(Self(folder.to_owned())),
            Ok(said) => Err(format!("no disk can be mounted: {}", String::from_utf8_lossy(&said.stderr))),
            Err(error) => Err(format!("no disk can be mounted: {error}")),
        }
    }

    fn fill(&self) {
        let mut filler = fs::File::create(self.0.join("filler")).unwrap();
        for bytes in [1 << 20, 1 << 12, 1] {
            while filler.write_all(&vec![0; bytes]).is_ok() {}
        }
    }

    fn empty(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The host may still have files open there.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn damaged_files_are_told_and_harm_nobody_else() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    host.start();
    host.submit(example(ALERTS), &[]);
    host.submit(guest("identity"), &[]);
    assert_eq!(host.sigterm(RUN), 0);
    let data = host.data();
    let record = data.join("jobs/identity.json");
    let whole = fs::read(&record).unwrap();
    fs::write(&record, &whole[..whole.len() / 2]).unwrap();
    // Compiled code that is cut off, and a declaration that is none.
    for folder in fs::read_dir(data.join("cache")).unwrap() {
        for file in fs::read_dir(folder.unwrap().path()).unwrap() {
            let file = file.unwrap().path();
            let bytes = fs::read(&file).unwrap();
            fs::write(&file, &bytes[..100.min(bytes.len())]).unwrap();
        }
    }
    host.start();
    stage.kafka.produce("sensors", &readings(0..40));
    stage.wait_until_done(ALERTS);
    let log = host.log();
    assert!(log.contains("failed to read the job file") && log.contains("identity.json"), "{log}");
    assert_eq!(host.get("/api/v1/jobs/identity").0, 404);
    // The file is left for its owner to mend.
    fs::write(&record, &whole).unwrap();
    assert_eq!(host.sigterm(RUN), 0);
    // A component that is not what its name says is not run; the job says so.
    let component = data.join("components").join(format!("{}.wasm", host_digest(&whole)));
    let bytes = fs::read(&component).unwrap();
    fs::write(&component, variant(&guest("identity"), 9)).unwrap();
    fs::remove_dir_all(data.join("cache")).unwrap();
    host.start();
    let told = eventually(RUN, "the damage is told", || {
        let view = host.show("identity");
        (view["state"] == "failed").then(|| view["conditions"][0]["reason"].as_str().unwrap().to_owned())
    });
    assert!(told.contains("is damaged: its digest is another"), "{told}");
    fs::write(&component, bytes).unwrap();
    eventually(RUN, "it runs once that is mended", || (host.show("identity")["state"] == "running").then_some(()));
    let mode = |path: &str| fs::metadata(data.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("cache"), 0o700);
}

/// The digest in a job file.
fn host_digest(record: &[u8]) -> String {
    serde_json::from_slice::<Value>(record).unwrap()["digest"].as_str().unwrap().to_owned()
}

#[test]
fn records_of_any_time_are_handled_alike() {
    // Time comes from records here, and from the host's clock only for people: a clock that jumps is a record that
    // does.
    let stage = require_stage!();
    // Brokers refuse times that are far ahead of their own, unless told otherwise.
    for topic in ["sensors", "alerts"] {
        stage.kafka.create_topic(topic, 1, &[("message.timestamp.after.max.ms", "9223372036854775807")]);
    }
    let mut host = stage.host();
    host.start();
    host.submit(guest("identity"), &[]);
    let times = [1_700_000_000_000, 5, 4_102_444_800_000, 1_700_000_000_001, 1];
    let records: Vec<_> = times.iter().map(|&time| Record::new(time.to_string()).timestamp(time)).collect();
    stage.kafka.produce("sensors", &records);
    stage.wait_until_done("identity");
    let read = stage.kafka.read_all("alerts");
    assert_eq!(read.iter().map(|record| record.timestamp).collect::<Vec<_>>(), times);
    assert_eq!(host.show("identity")["lag"], json!(0));
}

#[test]
fn streams_that_are_left_open_cost_the_host_nothing_more() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    host.start();
    host.submit(example(ALERTS), &[]);
    // Tabs that are open, and one that has stopped to read: its stream fills up and waits, alone.
    let mut tabs: Vec<_> = (0..20).map(|_| Connection::open(host.port())).collect();
    for tab in &mut tabs {
        tab.send(b"GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n");
    }
    let anonymous = |host: &crate::pelton::Host| -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", host.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    stage.kafka.produce("sensors", &readings(0..1000));
    stage.wait_until_done(ALERTS);
    let before = anonymous(&host);
    for round in 1..10 {
        stage.kafka.produce("sensors", &readings(round * 1000..round * 1000 + 1000));
        stage.wait_until_done(ALERTS);
    }
    let grown = anonymous(&host).saturating_sub(before);
    assert!(grown < 30 << 10, "the host has grown by {grown} KiB");
    assert_eq!(alerted(&stage).len(), 2500);
    drop(tabs);
    assert_eq!(host.sigterm(RUN), 0, "open streams do not keep it from stopping");
}
