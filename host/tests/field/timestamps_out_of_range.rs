//! A producer whose timestamps are microseconds, and a broker that takes none of the far future:
//! <https://github.com/apache/kafka/pull/4473>, <https://github.com/aws-samples/mirrormaker2-msk-migration/pull/26>.

use crate::kafka::Record;
use crate::stage::{guest, require_stage};

/// 2024-05-02T10:11:12 in microseconds, thus in the year 56,300.
const MICROSECONDS: i64 = 1_714_644_672_123_456;

#[test]
fn records_with_microseconds_are_dead_letters_and_the_others_come_once() {
    let stage = require_stage!();
    // A topic from before the upgrade has what no topic takes any more.
    stage.kafka.create_topic("sensors", 1, &[("message.timestamp.after.max.ms", "9223372036854775807")]);
    stage.kafka.create_topic("alerts", 1, &[]);
    let mut host = stage.host();
    host.start();
    let is_bad = |n: usize| n % 50 == 7;
    let records: Vec<_> = (0..1_000)
        .map(|n| {
            let record = Record::new(n.to_string()).key("k").header("own", Some(b"1"));
            if is_bad(n) { record.timestamp(MICROSECONDS + n as i64) } else { record }
        })
        .collect();
    stage.kafka.produce("sensors", &records);
    host.submit(guest("identity"), &[]);
    stage.wait_until_done("identity");
    let good: Vec<_> = (0..1_000).filter(|&n| !is_bad(n)).map(|n| n.to_string()).collect();
    assert_eq!(stage.alerts(), good, "each good record is there once, in order");
    let letters = stage.dead_letters("identity");
    assert_eq!(letters.keys().map(|&(_, offset)| offset as usize).collect::<Vec<_>>(), {
        (0..1_000).filter(|&n| is_bad(n)).collect::<Vec<_>>()
    });
    for ((_, offset), letters) in &letters {
        let [letter] = &letters[..] else { panic!("{offset} has several letters") };
        assert_eq!(letter.header_text("pelton.timestamp"), Some((MICROSECONDS + offset).to_string().as_str()));
        assert_eq!((letter.header_text("own"), letter.text()), (Some("1"), offset.to_string().as_str()));
        let reason = letter.header_text("pelton.error").unwrap();
        assert!(
            reason.contains("InvalidTimestamp") && reason.contains("does its producer send microseconds?"),
            "{reason}"
        );
    }
    assert_eq!((host.show("identity")["state"].clone(), host.metric("pelton_guest_failures_total", &[])), {
        ("running".into(), Some(0.0))
    });
    // The letter has the record's time again.
    let said = host.cli(&["dlq", "show", "identity", "0", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(shown["timestamp"], MICROSECONDS + 7);
}

#[test]
fn a_letter_that_its_topic_refuses_whatever_its_time_is_a_file() {
    let stage = require_stage!();
    stage.kafka.create_topic("sensors", 1, &[("message.timestamp.after.max.ms", "9223372036854775807")]);
    stage.kafka.create_topic("alerts", 1, &[]);
    // It takes neither the time nor, after that, a message without a key.
    stage.kafka.create_topic("identity.dlq", 1, &[("cleanup.policy", "compact")]);
    let mut host = stage.host();
    host.start();
    host.submit(guest("identity"), &[]);
    let records = [Record::new("0"), Record::new("1").timestamp(MICROSECONDS), Record::new("2")];
    stage.kafka.produce("sensors", &records);
    stage.wait_until_done("identity");
    assert_eq!(stage.alerts(), ["0", "2"]);
    assert!(stage.dead_letters("identity").is_empty());
    let said = host.cli(&["dlq", "list", "identity", "--json"]);
    let letters: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let letters = letters["letters"].as_array().unwrap();
    assert_eq!((letters.len(), letters[0]["timestamp"].as_i64()), (1, Some(MICROSECONDS)));
    let file = host.data().join("dead-letters/identity").join(letters[0]["file"].as_str().unwrap());
    let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let because = kept["kept_here_because"].as_str().unwrap();
    assert!(because.contains("it has no key"), "{because}");
}
