//! A client was built without a codec that others write with: <https://github.com/fede1024/rust-rdkafka/issues/201>,
//! <https://github.com/confluentinc/confluent-kafka-go/issues/730>.

use crate::kafka::Record;
use crate::pelton::Host;
use crate::stage::{Servers, guest, require_stage};

/// As the attributes of a batch of records name them (Kafka's `DefaultRecordBatch`).
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// Values that compress well, badly and not at all, and none.
fn records(from: usize) -> Vec<Record> {
    (from..from + 300)
        .map(|n| {
            let record = match n % 4 {
                0 => Record::new(vec![b'a'; n * 10]),
                1 => Record::new(noise(n, n * 10)),
                2 => Record::new(Vec::new()),
                _ => Record::tombstone(),
            };
            record.key(n.to_be_bytes()).header("h", Some(&[0, 255, 1]))
        })
        .collect()
}

/// Bytes that no codec makes smaller, by xorshift.
fn noise(seed: usize, size: usize) -> Vec<u8> {
    let mut state = seed as u64 + 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(size).collect()
}

/// Which codecs the batches of a topic's partition have on the broker's disk.
fn codecs(servers: &Servers, topic: &str) -> Vec<&'static str> {
    let bytes = servers.kafka.segment(topic, 0);
    let (mut at, mut found) = (0, Vec::new());
    while let Some(head) = bytes.get(at..at + 23) {
        let length = u32::from_be_bytes(head[8..12].try_into().unwrap()) as usize;
        let codec = CODECS[usize::from(head[22] & 7)];
        if !found.contains(&codec) {
            found.push(codec);
        }
        at += 12 + length;
    }
    found
}

/// Reads what is written with all codecs, and writes with one that the producer or the topic is set to.
#[track_caller]
fn check(servers: &Servers, host: &mut Host, topic: &[(&str, &str)], codec: &str) {
    servers.kafka.create_topic("sensors", 1, &[]);
    servers.kafka.create_topic("alerts", 1, topic);
    let mut expected = Vec::new();
    for (n, codec) in CODECS.iter().enumerate() {
        let records = records(n * 300);
        servers.kafka.produce_with("sensors", &records, &[("compression.type", codec)]);
        expected.extend(records);
    }
    assert_eq!(codecs(servers, "sensors"), CODECS);
    host.start();
    host.submit(guest("identity"), &[]);
    servers.wait_until_done("identity");
    let found = servers.kafka.read_all("alerts");
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!((&found.key, &found.value), (&expected.key, &expected.value));
        assert_eq!(found.headers.iter().find(|(name, _)| name == "h"), expected.headers.first());
    }
    assert_eq!(codecs(servers, "alerts"), [codec]);
    assert_eq!(servers.kafka.end_offsets("identity.dlq"), [0]);
}

#[ignore = "slow: nine hosts, one after the other"]
#[test]
fn every_codec_is_read_and_written_byte_for_byte() {
    for codec in CODECS {
        let stage = require_stage!();
        // "uncompressed" is what a topic calls it.
        let name = if codec == "none" { "uncompressed" } else { codec };
        check(&stage, &mut stage.host(), &[("compression.type", name)], codec);
    }
    for codec in &CODECS[1..] {
        let stage = require_stage!();
        let setting = format!("[kafka.producer]\n\"compression.type\" = \"{codec}\"\n");
        let mut host = Host::new(&stage.kafka.bootstrap(), &stage.postgres.url()).config(&setting);
        check(&stage, &mut host, &[], codec);
    }
}
