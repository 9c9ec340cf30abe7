//! The host's own log, as machines read it. No server is needed: a job that can't run has most to tell.

use std::fs;
use std::time::Duration;

use pelton::spec::{Source, Spec};
use pelton_control::catalog::Catalog as _;
use pelton_control::catalog::files::Files;
use pelton_control::record::{JobRecord, Note};
use serde_json::Value;

use crate::eventually::eventually;
use crate::pelton::{Host, example};

const WAIT: Duration = Duration::from_secs(60);
const JOB: &str = "sensor_alerts";

/// The job that a line belongs to, by its own fields or by the span that it is written in.
fn job(line: &Value) -> Option<&str> {
    [&line["fields"], &line["span"]].into_iter().find_map(|fields| fields["job.name"].as_str())
}

#[test]
fn every_line_in_json_is_an_object_and_names_its_job() {
    let mut host = Host::new("127.0.0.1:1", "postgres://nobody:nothing@127.0.0.1:1/none")
        .config("log_format = \"json\"\n[delivery]\ndrain_timeout = \"1s\"\n");
    let catalog = Files::open(host.data()).unwrap();
    let digest = catalog.put_component(&fs::read(example(JOB)).unwrap()).unwrap();
    let sources = vec![Source { topic: "sensors".to_owned(), headers: false }];
    let mut record = JobRecord {
        name: JOB.to_owned(),
        group: format!("pelton-{JOB}"),
        submitted: "2026-01-02T03:04:05Z".parse().unwrap(),
        ..JobRecord::default()
    };
    let note = Note { by: "somebody".to_owned(), why: "submit".to_owned(), at: record.submitted };
    record.adopt(&digest, &Spec { sources, ..Spec::default() }, &note);
    catalog.put(&record, None).unwrap();
    drop(catalog);
    host.drop_job("broken", b"not a component:\n\"two lines\"");
    host.start();
    eventually(WAIT, "the job and the file are told", || {
        let log = host.log();
        (log.contains("trying again in") && log.contains("broken.wasm is not a job")).then_some(())
    });
    assert_eq!(host.sigterm(WAIT), 0);

    let log = host.log();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}")))
        .collect();
    let mut of_the_job = 0;
    for line in &lines {
        assert!(line["timestamp"].is_string() && line["level"].is_string() && line["target"].is_string(), "{line}");
        let message = line["fields"]["message"].as_str().unwrap_or_else(|| panic!("no message in {line}"));
        assert!(!message.contains(&format!("job {JOB}")) || job(line) == Some(JOB), "{line}");
        of_the_job += usize::from(job(line) == Some(JOB));
    }
    assert!(of_the_job > 0, "{log}");
    assert!(lines.iter().any(|line| line["fields"]["message"] == "stopped"), "{log}");
}
