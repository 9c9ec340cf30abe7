//! Kafka for tests, on a real broker: what the other tests rely on.

use std::time::Duration;

use pelton_testkit::kafka::{Record, require_kafka, unique};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

#[test]
fn records_come_back_as_they_were_written() {
    let kafka = require_kafka!();
    let topic = unique("harness");
    kafka.create_topic(&topic, 3, &[("max.message.bytes", "10000000")]);
    let records = [
        Record::new(r#"{"plain": true}"#).partition(0).timestamp(1_700_000_000_123),
        Record::new([0, 159, 146, 150]).key("k").header("a", Some(b"1")).header("a", None).partition(2),
        Record::tombstone().key("gone").partition(0),
        Record::new(vec![b'x'; 5_000_000]).partition(1),
    ];
    let positions = kafka.produce(&topic, &records);
    assert_eq!(positions, [(0, 0), (2, 0), (0, 1), (1, 0)]);
    let mut read = kafka.read_all(&topic);
    assert_eq!(
        read.iter().map(|record| (record.partition, record.offset)).collect::<Vec<_>>(),
        [(0, 0), (0, 1), (1, 0), (2, 0)]
    );
    assert_eq!(read[0].timestamp, 1_700_000_000_123);
    assert_eq!(read[0].json(), serde_json::json!({"plain": true}));
    assert_eq!((read[3].header_text("a"), read[3].header_text("b")), (Some("1"), None));
    let mut written = [records[0].clone(), records[2].clone(), records[3].clone(), records[1].clone()];
    for record in written.iter_mut().chain(&mut read) {
        (record.offset, record.timestamp) = (0, 0);
    }
    assert!(read == written, "records differ from what was written");
    assert_eq!(kafka.end_offsets(&topic), [2, 1, 1]);
}

#[test]
fn committed_offsets_are_seen() {
    let kafka = require_kafka!();
    let (topic, group) = (unique("harness"), unique("group"));
    kafka.create_topic(&topic, 2, &[]);
    assert_eq!(kafka.committed(&group, &topic), [None, None]);
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).set("group.id", &group).create().unwrap();
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&topic, 1, Offset::Offset(7)).unwrap();
    consumer.commit(&offsets, CommitMode::Sync).unwrap();
    assert_eq!(kafka.committed(&group, &topic), [None, Some(7)]);
}

#[test]
fn a_broker_keeps_its_records_over_outages() {
    let mut kafka = require_kafka!(private);
    let topic = unique("harness");
    kafka.create_topic(&topic, 1, &[]);
    kafka.produce(&topic, &[Record::new("before")]);
    let bootstrap = kafka.bootstrap();

    kafka.stop().unwrap();
    let probe: BaseConsumer = ClientConfig::new().set("bootstrap.servers", &bootstrap).create().unwrap();
    assert!(probe.fetch_metadata(None, Duration::from_millis(500)).is_err(), "it should be away");
    kafka.start_again().unwrap();
    assert_eq!(kafka.bootstrap(), bootstrap);
    kafka.produce(&topic, &[Record::new("between")]);

    kafka.pause().unwrap();
    let probe: BaseConsumer = ClientConfig::new().set("bootstrap.servers", &bootstrap).create().unwrap();
    assert!(probe.fetch_metadata(None, Duration::from_millis(500)).is_err(), "it should be frozen");
    kafka.unpause().unwrap();
    kafka.produce(&topic, &[Record::new("after")]);

    let read = kafka.read_all(&topic);
    assert_eq!(read.iter().map(Record::text).collect::<Vec<_>>(), ["before", "between", "after"]);
}
