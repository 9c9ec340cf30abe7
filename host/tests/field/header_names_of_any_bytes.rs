//! A producer that writes bytes into headers that are no UTF-8 stops every consumer of the topic:
//! <https://github.com/ag2ai/faststream/issues/2458>.

use std::time::Duration;

use pelton_connect::kafka::headers::{Headers, owned};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use crate::stage::{Servers, guest, require_stage};

const PATIENCE: Duration = Duration::from_secs(30);
const TABLES: &str = "
    CREATE TABLE conformance_rows (boolean boolean, int2 int2, int4 int4, int8 int8, float4 float4, float8 float8,
        numeric numeric, text text, varchar varchar, bytea bytea, timestamptz timestamptz, timestamp timestamp,
        date date, uuid uuid, json json, jsonb jsonb);
    CREATE TABLE notes (id int8, note text)";

type Header = (Vec<u8>, Option<Vec<u8>>);

/// Headers that no text has: of a name in another encoding, of one with a NUL, and of one that is null beside it.
fn headers() -> Vec<Header> {
    vec![
        (b"ok".to_vec(), Some(b"1".to_vec())),
        (b"gr\xfc\xdfe".to_vec(), Some(b"\xff\0\xfe".to_vec())),
        (b"a\0b".to_vec(), None),
        (b"\xff\0".to_vec(), Some(Vec::new())),
    ]
}

/// Writes so many records with these headers.
fn produce(stage: &Servers, topic: &str, value: &str, headers: &[Header], count: usize) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", stage.kafka.bootstrap()).create().unwrap();
    for _ in 0..count {
        let mut record = BaseRecord::to(topic).key("k").payload(value);
        record.headers = owned(headers.iter().map(|(name, value)| (&**name, value.as_deref())));
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

/// The values and headers of a topic of one partition.
fn read(stage: &Servers, topic: &str) -> Vec<(String, Vec<Header>)> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", stage.kafka.bootstrap())
        .set("group.id", "field")
        .set("enable.auto.commit", "false");
    config.set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&from).unwrap();
    let mut records = Vec::new();
    // A poll also ends, without a record, when it has served something else.
    for polled in (0..1_000).filter_map(|_| consumer.poll(PATIENCE)) {
        let message = match polled {
            Ok(message) => message,
            Err(KafkaError::PartitionEOF(_)) => return records,
            Err(error) => panic!("{topic}: {error}"),
        };
        let header = |(name, value): (&[u8], Option<&[u8]>)| (name.to_vec(), value.map(<[u8]>::to_vec));
        let value = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
        records.push((value, Headers::of(&message).unwrap().iter().map(header).collect()));
    }
    panic!("{topic} has no end")
}

#[test]
fn a_job_forwards_header_names_of_any_bytes_as_they_are() {
    let stage = require_stage!();
    stage.topics(1);
    let mut host = stage.host();
    host.start();
    host.submit(guest("identity"), &[]);
    produce(&stage, "sensors", "one", &headers(), 1);
    produce(&stage, "sensors", "two", &[], 1);
    stage.wait_until_done("identity");
    let forwarded = read(&stage, "alerts");
    assert_eq!(forwarded, [("one".to_owned(), headers()), ("two".to_owned(), Vec::new())]);
    assert_eq!(host.show("identity")["state"], "running");
    assert_eq!(stage.kafka.end_offsets("identity.dlq"), [0]);
}

#[test]
fn a_job_that_reads_headers_gives_such_a_record_up_with_the_reason() {
    let stage = require_stage!();
    for topic in ["conformance", "conformance_out"] {
        stage.kafka.create_topic(topic, 1, &[]);
    }
    stage.sql(TABLES);
    let mut host = stage.host();
    host.start();
    host.submit(guest("conformance"), &[]);
    let text = [(b"ok".to_vec(), Some(b"\xff".to_vec()))];
    produce(&stage, "conformance", "forward", &text, 1);
    // More in a row than a job may fail on before it is held.
    produce(&stage, "conformance", "forward", &headers(), 120);
    produce(&stage, "conformance", "forward", &text, 1);
    let group = stage.kafka.watch("pelton-conformance", "conformance");
    crate::eventually::eventually(PATIENCE, "all is committed", || (group.committed() == [Some(122)]).then_some(()));
    assert_eq!(read(&stage, "conformance_out"), vec![("forward".to_owned(), text.to_vec()); 2]);
    let letters = read(&stage, "conformance.dlq");
    assert_eq!(letters.len(), 120);
    let (value, found) = &letters[0];
    assert_eq!((value.as_str(), &found[..4]), ("forward", &headers()[..]));
    let reason = found.iter().find(|(name, _)| name == b"pelton.error").unwrap().1.as_deref().unwrap();
    let reason = str::from_utf8(reason).unwrap();
    assert!(reason.contains(r#"header"#) && reason.contains(r#""gr\xfc\xdfe""#), "{reason}");
    assert_eq!(host.show("conformance")["state"], "running");
    // They are shown, and go through a redrive as they are.
    let said = host.cli(&["dlq", "show", "conformance", "0", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((said.code, shown["headers"][1]["name_base64"].as_str()), (0, Some("Z3L832U=")));
    assert_eq!(host.cli(&["dlq", "redrive", "conformance", "0"]).code, 0);
    let mut letters = read(&stage, "conformance.dlq").into_iter().filter(|(value, _)| value == "forward");
    assert_eq!(letters.next_back().unwrap().1[..4], headers()[..]);
}
