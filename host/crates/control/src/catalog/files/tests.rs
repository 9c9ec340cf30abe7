use std::time::Duration;

use super::*;
use pelton_model::parallelism::Parallelism;

fn record(name: &str) -> JobRecord {
    JobRecord {
        name: name.to_owned(),
        digest: digest(b"wasm"),
        group: format!("pelton-{name}"),
        ..JobRecord::default()
    }
}

fn open(folder: &Path) -> Files {
    Files::open(folder.to_owned()).unwrap()
}

#[test]
fn a_folder_belongs_to_one_host_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    let refusal = Files::open(folder.path().to_owned()).unwrap_err().to_string();
    assert!(refusal.starts_with("another Pelton uses the data folder "), "{refusal}");
    drop(first);
    open(folder.path());
}

#[test]
fn records_survive_and_a_damaged_one_harms_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let files = open(folder.path());
    files.put(&record("b"), None).unwrap();
    let revision = files.put(&record("a"), None).unwrap();
    fs::write(folder.path().join("jobs/c.json"), "{").unwrap();
    fs::copy(folder.path().join("jobs/a.json"), folder.path().join("jobs/d.json")).unwrap();
    drop(files);
    let files = open(folder.path());
    let listing = files.list().unwrap();
    let names: Vec<_> = listing.entries.iter().map(|entry| entry.record.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let damaged: Vec<_> = listing.unreadable.iter().map(ToString::to_string).collect();
    assert!(damaged[0].contains("c.json") && damaged[1].contains("it is of another job, \"a\""), "{damaged:?}");
    files.remove("a", revision).unwrap();
    let listing = files.list().unwrap();
    assert_eq!((listing.entries.len(), listing.unreadable.len()), (1, 2));
}

#[test]
fn a_damaged_record_gives_way_to_a_new_submit_and_is_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    let files = open(folder.path());
    fs::write(folder.path().join("jobs/a.json"), "{").unwrap();
    assert!(files.get("a").unwrap_err().is_damaged());
    files.put(&record("a"), Some(Revision(0))).unwrap_err();
    files.put(&record("a"), None).unwrap();
    assert_eq!(files.get("a").unwrap().unwrap().record, record("a"));
    assert_eq!(fs::read(folder.path().join("jobs/a.json.damaged")).unwrap(), b"{");
}

#[test]
fn a_record_of_a_newer_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let files = open(folder.path());
    let path = folder.path().join("jobs/a.json");
    let newer = r#"{"format": 2, "name": {"of": "another shape"}}"#;
    fs::write(&path, newer).unwrap();
    let listing = files.list().unwrap();
    let told = listing.unreadable[0].to_string();
    assert!(told.contains("a.json is of a newer Pelton: it has the format 2"), "{told}");
    assert!(matches!(files.put(&record("a"), None), Err(Error::Newer { format: 2, .. })));
    assert!(matches!(files.sweep(SystemTime::now()), Err(Error::Newer { .. })), "it may refer to any component");
    assert_eq!(fs::read_to_string(&path).unwrap(), newer);
}

#[test]
fn revisions_go_on_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).put(&record("a"), None).unwrap();
    let files = open(folder.path());
    assert_eq!(files.get("a").unwrap().unwrap().revision, first);
    assert!(files.put(&record("b"), None).unwrap() > first);
    assert!(files.put(&record("a"), Some(first)).unwrap() > first);
}

/// What 0.1.0 has written: a job that it runs, and one that has been reloaded from `usr_jobs`, rolled back, scaled and
/// paused.
const OLD: [(&str, &str); 2] = [
    ("sensor_alerts", include_str!("../../../tests/0.1.0/sensor_alerts.json")),
    ("pipeline-2", include_str!("../../../tests/0.1.0/pipeline-2.json")),
];

#[test]
fn records_of_0_1_0_are_read_and_written_so_that_it_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    for (name, text) in OLD {
        fs::write(folder.path().join(format!("jobs/{name}.json")), text).unwrap();
    }
    let files = open(folder.path());
    let listing = files.list().unwrap();
    assert!(listing.unreadable.is_empty(), "{:?}", listing.unreadable);
    for (name, text) in OLD {
        let Entry { revision, record } = files.get(name).unwrap().unwrap();
        assert_eq!((revision, record.cancelled), (Revision(0), false));
        assert_eq!(record.other, [].into(), "nothing of it is unknown");
        // All that it has is read, and written back as it was, beside what is new.
        files.put(&record, Some(revision)).unwrap();
        let before: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).unwrap();
        let written = fs::read_to_string(folder.path().join(format!("jobs/{name}.json"))).unwrap();
        let mut after: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&written).unwrap();
        assert_eq!(after.remove("format"), Some(super::super::FORMAT.into()));
        assert!(after.remove("revision").is_some());
        assert_eq!(after, before);
    }
    let paused = files.get("pipeline-2").unwrap().unwrap().record;
    assert!(paused.paused && paused.file.is_some());
    assert_eq!((paused.version, paused.versions.len(), paused.parallelism), (1, 2, Parallelism::Of(3)));
    assert_eq!(paused.history.iter().map(|change| change.why.as_str()).collect::<Vec<_>>().len(), 5);
}

#[test]
fn any_field_of_a_record_may_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    let files = open(folder.path());
    fs::write(folder.path().join("jobs/a.json"), r#"{"name": "a"}"#).unwrap();
    let Entry { record, .. } = files.get("a").unwrap().unwrap();
    assert_eq!((record.group.as_str(), record.parallelism), ("pelton-a", Parallelism::Auto));
    for (name, text) in OLD {
        let whole: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).unwrap();
        for key in whole.keys().filter(|key| *key != "name") {
            let mut part = whole.clone();
            part.remove(key);
            form::read(&serde_json::to_vec(&part).unwrap(), Some(name), "").unwrap();
        }
    }
}

#[test]
fn components_that_a_damaged_record_may_need_stay() {
    let folder = tempfile::tempdir().unwrap();
    let files = open(folder.path());
    let [used, unused] = [b"used!", b"other"].map(|wasm| files.put_component(wasm).unwrap());
    files.put(&JobRecord { digest: used.clone(), ..record("a") }, None).unwrap();
    let (now, hour) = (SystemTime::now(), Duration::from_secs(3600));
    let cut_off = folder.path().join("components/.tmpcut");
    fs::write(&cut_off, "").unwrap();
    for path in [&files.component_file(&used), &files.component_file(&unused), &cut_off] {
        File::open(path).unwrap().set_modified(now - 2 * hour).unwrap();
    }
    fs::write(folder.path().join("jobs/damaged.json"), "{").unwrap();
    assert!(files.sweep(now - hour).unwrap_err().to_string().contains("damaged.json"));
    fs::remove_file(folder.path().join("jobs/damaged.json")).unwrap();

    assert_eq!(files.sweep(now - hour).unwrap(), 2);
    assert_eq!(files.sweep(now - hour).unwrap(), 0);
    assert_eq!(
        (files.component(&used).is_ok(), files.component(&unused).is_ok(), cut_off.exists()),
        (true, false, false)
    );

    // What is put once more is new again.
    let fresh = files.put_component(b"fresh").unwrap();
    File::open(files.component_file(&fresh)).unwrap().set_modified(now - 2 * hour).unwrap();
    assert_eq!(files.put_component(b"fresh").unwrap(), fresh);
    assert_eq!(files.sweep(now - hour).unwrap(), 0);
}

#[test]
fn a_component_that_is_not_what_its_name_says_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let files = open(folder.path());
    let digest = files.put_component(b"wasm").unwrap();
    assert_eq!(files.component(&digest).unwrap(), b"wasm");
    fs::write(files.component_file(&digest), b"masm").unwrap();
    assert!(files.component(&digest).unwrap_err().to_string().contains("damaged"));
    assert!(files.component("../../etc/passwd").is_err());
}
