//! Records as large as their topic allows: a consumer stands still at one that is larger than what it fetches at once,
//! <https://github.com/Parsely/pykafka/issues/102>, <https://github.com/confluentinc/librdkafka/issues/1314>.

use crate::kafka::Record;
use crate::stage::{Stage, guest, require_stage};

/// Five times what librdkafka fetches of a partition by default.
const LIMIT: usize = 5_000_000;
/// What a batch of one record takes beside its value.
const FRAMING: usize = 61 + 20;

/// Small records, with one among them now and then that is as large as it may be.
fn records() -> Vec<Record> {
    (0..203)
        .map(|n: usize| {
            let size = if is_large(n) { LIMIT - FRAMING } else { 100 };
            Record::new(format!("{n} {}", "x".repeat(size - n.to_string().len() - 1)))
        })
        .collect()
}

fn is_large(n: usize) -> bool {
    n % 50 == 1
}

fn is_small(n: &usize) -> bool {
    !is_large(*n)
}

fn topics(stage: &Stage, alerts: usize) {
    stage.kafka.create_topic("sensors", 1, &[("max.message.bytes", &LIMIT.to_string())]);
    stage.kafka.create_topic("alerts", 1, &[("max.message.bytes", &alerts.to_string())]);
}

/// Runs the job over the records; returns the host.
fn run(stage: &Stage) -> crate::pelton::Host {
    let records = records();
    stage.kafka.produce("sensors", &records);
    let mut host = stage.host();
    host.start();
    host.submit(guest("identity"), &[]);
    stage.wait_until_done("identity");
    assert_eq!(host.show("identity")["state"], "running");
    host
}

#[track_caller]
fn check_alerts(stage: &Stage, of: impl Fn(&usize) -> bool) {
    let records = records();
    let expected: Vec<_> = (0..records.len()).filter(of).map(|n| records[n].text()).collect();
    assert!(stage.alerts() == expected, "each is there once, in order");
}

#[test]
fn a_record_as_large_as_its_topic_allows_is_forwarded_to_one_that_takes_it() {
    let stage = require_stage!();
    topics(&stage, LIMIT + 10_000);
    let _host = run(&stage);
    check_alerts(&stage, |_| true);
    assert_eq!(stage.kafka.end_offsets("identity.dlq"), [0]);
}

#[test]
fn an_output_that_is_too_large_is_a_whole_dead_letter() {
    let stage = require_stage!();
    topics(&stage, 1_000_000);
    let _host = run(&stage);
    check_alerts(&stage, is_small);
    let (records, letters) = (records(), stage.dead_letters("identity"));
    let places: Vec<_> = letters.keys().map(|&(_, offset)| offset as usize).collect();
    assert_eq!(places, (0..records.len()).filter(|n| is_large(*n)).collect::<Vec<_>>());
    for ((_, offset), letters) in &letters {
        let [letter] = &letters[..] else { panic!("{offset} has several letters") };
        assert!(letter.value == records[*offset as usize].value, "the letter of {offset} is not its record");
        let reason = letter.header_text("pelton.error").unwrap();
        assert!(reason.contains("it is larger than the max.message.bytes of topic \"alerts\""), "{reason}");
    }
}

#[test]
fn a_letter_that_is_too_large_for_its_topic_is_a_file() {
    let stage = require_stage!();
    topics(&stage, 1_000_000);
    stage.kafka.create_topic("identity.dlq", 1, &[("max.message.bytes", "1000000")]);
    let host = run(&stage);
    check_alerts(&stage, is_small);
    assert!(stage.dead_letters("identity").is_empty());
    let said = host.cli(&["dlq", "list", "identity", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let mut offsets: Vec<_> = Vec::new();
    for letter in listed["letters"].as_array().unwrap() {
        offsets.push(letter["source"]["offset"].as_u64().unwrap() as usize);
        let file = host.data().join("dead-letters/identity").join(letter["file"].as_str().unwrap());
        let kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let because = kept["kept_here_because"].as_str().unwrap();
        assert!(because.contains("max.message.bytes of topic \"identity.dlq\""), "{because}");
        assert!(std::fs::metadata(file).unwrap().len() as usize >= LIMIT - FRAMING, "its value is cut");
    }
    offsets.sort_unstable();
    assert_eq!(offsets, (0..records().len()).filter(|n| is_large(*n)).collect::<Vec<_>>());
}
