//! Purges: what is gone is gone, and nothing else is.

use super::{JOB, after, dlq, dlq_fails, dlq_json, places, redrive};
use crate::kafka::Record;
use crate::readings::reading;
use crate::stage::require_stage;

#[test]
fn purge_takes_what_is_older_or_everything() {
    let stage = require_stage!();
    let host = after(&stage, &[Record::new("bad 0"), reading("refused", 20.0)]);
    let first = dlq_json(&host, &["list", JOB]);
    assert_eq!(first["total"], 2);
    // Each of these is written well after the one before.
    for n in 1..=2 {
        stage.kafka.produce("sensors", &[Record::new(format!("bad {n}"))]);
        stage.wait_until_done(JOB);
    }
    let list = dlq_json(&host, &["list", JOB]);
    assert_eq!(list["total"], 4);
    let at = list["letters"][0]["at"].as_str().unwrap();
    assert_eq!(dlq_json(&host, &["purge", JOB, "--before", "1h", "--yes"])["purged"], 0);
    assert_eq!(dlq(&host, &["purge", JOB, "--before", at, "--yes"]).stdout, "purged 3\n");
    let left = dlq_json(&host, &["list", JOB]);
    assert_eq!((&left["total"], places(&left)), (&1.into(), places(&list)[..1].to_vec()));
    let gone = dlq_fails(&host, &["show", JOB, &places(&list)[1]]);
    assert!(gone.contains("has the offsets"), "{gone}");
    assert_eq!(redrive(&host, &[JOB, "--all"]), (1, 1, 0));

    // All of them, marks and all, also of a job that is cancelled; new ones come after.
    assert_eq!(host.cli(&["cancel", JOB]).code, 0);
    assert_eq!(dlq_json(&host, &["purge", JOB, "--yes"])["purged"], 2);
    assert_eq!(dlq_json(&host, &["list", JOB])["total"], 0);
    assert_eq!(dlq(&host, &["list", JOB]).stdout, "no dead letters\n");
    assert_eq!(dlq_json(&host, &["purge", JOB, "--yes"])["purged"], 0);
}

#[test]
fn records_of_others_are_not_purged() {
    let stage = require_stage!();
    stage.kafka.create_topic("orders.dlq", 1, &[]);
    stage.kafka.produce(
        "orders.dlq",
        &[Record::new("an order"), Record::new("another").header("pelton.job", Some(b"orders"))],
    );
    let mut host = stage.host();
    host.start();
    let list = dlq_json(&host, &["list", "orders"]);
    assert_eq!((&list["total"], &list["foreign"]), (&0.into(), &2.into()));
    let refusal = dlq_fails(&host, &["purge", "orders", "--yes"]);
    assert!(refusal.contains("orders.dlq has a record at 0/0 that is not a dead letter"), "{refusal}");
    assert_eq!(stage.kafka.read_all("orders.dlq").len(), 2);
}
