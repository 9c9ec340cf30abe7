//! What makes no sense or can't be had, in the words that users see.

use serde_json::json;

use super::{JOB, dlq_fails, dlq_json};
use crate::kafka::Record;
use crate::pelton::pelton;
use crate::stage::{example, require_stage};

#[test]
fn bad_input_is_refused_with_its_reason() {
    let mut stage = require_stage!();
    stage.set(1);
    stage.kafka.create_topic(&format!("{JOB}.dlq"), 2, &[]);
    stage.kafka.produce("sensors", &[Record::new("bad")]);
    let mut host = stage.host();
    host.start();
    host.submit(example(JOB), &[]);
    stage.wait_until_done(JOB);

    for arguments in [
        &["list", "nobody"][..],
        &["show", "nobody", "0/0"],
        &["redrive", "nobody", "--all"],
        &["purge", "nobody", "--yes"],
    ] {
        let said = dlq_fails(&host, arguments);
        assert!(said.starts_with("pelton: there is no job "), "{arguments:?}: {said}");
    }
    let said = dlq_fails(&host, &["list", "../jobs"]);
    assert!(said.contains("job name \"../jobs\" is not 1 to 100 lower-case letters"), "{said}");
    // Without a key its partition is anybody's guess.
    let list = dlq_json(&host, &["list", JOB]);
    let partition = list["letters"][0]["partition"].as_i64().unwrap();
    for (offset, reason) in [
        ("0", "has 2 partitions"),
        (&format!("{partition}/99"), "has the offsets 0 to 0, not 99"),
        (&format!("{partition}/-1"), "has the offsets 0 to 0, not -1"),
        (&format!("{}/0", 1 - partition), "is empty"),
        ("7/0", "has no partition 7"),
        ("-1/0", "has no partition -1"),
        ("none.json", "there is no file"),
    ] {
        for verb in ["show", "redrive"] {
            let said = dlq_fails(&host, &[verb, JOB, "--", offset]);
            assert!(said.contains(reason), "{verb} {offset}: {said}");
        }
    }

    let letters = format!("/api/v1/jobs/{JOB}/dead-letters");
    for query in ["stage=nowhere", "since=yesterday", "limit=-1", "limit=many", "verson=1", "before=x", "before=1:2/x"]
    {
        let (status, problem) = host.get(&format!("{letters}?{query}"));
        assert_eq!((status, problem["code"].as_str()), (400, Some("bad-request")), "{query}: {problem}");
    }
    for place in ["x/0", "0/x", "-/x", "99999999999/0"] {
        let (status, problem) = host.get(&format!("{letters}/{place}"));
        assert_eq!((status, problem["code"].as_str()), (400, Some("bad-request")), "{place}: {problem}");
    }
    for (verb, body) in [
        ("redrive", json!({})),
        ("redrive", json!({"all": false, "stage": "sink"})),
        ("redrive", json!({"all": true, "letters": [{"partition": 0, "offset": 0}]})),
        ("redrive", json!({"letters": [{"partition": 0, "offset": 0}], "stage": "sink"})),
        ("redrive", json!({"letters": [{"partition": 0}]})),
        // A misspelt filter must not mean everything.
        ("redrive", json!({"all": true, "verson": "0.1.0"})),
        ("purge", json!({"befor": "2026-01-31T10:11:12Z"})),
        ("purge", json!({"before": "yesterday"})),
    ] {
        let (status, problem) = host.post(&format!("{letters}/{verb}"), &body);
        assert_eq!((status, problem["code"].as_str()), (400, Some("bad-request")), "{verb} {body}: {problem}");
    }
    for usage in [
        &["dlq", "redrive", JOB][..],
        &["dlq", "redrive", JOB, "0/0", "--all"],
        &["dlq", "redrive", JOB, "0/0", "--stage", "sink"],
        &["dlq", "purge", JOB],
        &["dlq", "show", JOB],
        &["dlq", "show", JOB, "somewhere"],
        &["dlq", "list", JOB, "--since", "yesterday"],
        &["dlq", "list", JOB, "--stage", "nowhere"],
    ] {
        let said = pelton(usage, &[("PELTON_API", &host.url())]);
        assert_eq!(said.code, 2, "{usage:?}: {}", said.stderr);
    }

    // Nothing of all that did anything.
    let (status, list) = host.get(&letters);
    assert_eq!((status, &list["total"], &list["redriven"]), (200, &1.into(), &0.into()), "{list}");
    stage.kafka.stop().unwrap();
    for arguments in [&["list", JOB][..], &["show", JOB, "0/0"], &["redrive", JOB, "--all"], &["purge", JOB, "--yes"]] {
        let said = dlq_fails(&host, arguments);
        let expected =
            format!("pelton: the dead letters can't be reached: failed to ask Kafka at {}", stage.kafka.bootstrap());
        assert!(said.starts_with(&expected), "{arguments:?}: {said}");
    }
}
