//! Kafka, from what librdkafka has fetched to a batch, and from an output to messages.

use std::sync::Arc;
use std::time::Duration;

use pelton::config::{Batching, Config};
use pelton::connect::kafka::{Kafka, Open};
use pelton::record::{Messages, Output};
use pelton_connect::letters::LetterStore as _;
use pelton_delivery::budget::Budget;
use pelton_delivery::delivery::Delivery;
use pelton_delivery::ledger::Ledger;
use pelton_testkit::skip::test_name;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::BorrowedMessage;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::count::{TIMES, hold};
use crate::host::{context, report};
use crate::readings::{self, values};
use crate::{SOURCE, article};

const RECORDS: usize = 1000;
/// For servers below valgrind.
const PATIENCE: Duration = Duration::from_secs(300);

/// A fetched record goes into the open batch of its partition, which is cut when it is full.
#[test]
fn batching() {
    hold(test_name!(), RECORDS, &[], || {
        let consumer = Box::leak(Box::new(read()));
        let mut messages: Vec<_> = (0..RECORDS).map(|_| next(consumer)).collect();
        messages.shrink_to_fit();
        let batching = Batching::default();
        let mut open = Open::new(&SOURCE.into(), 0);
        move || {
            for message in &messages {
                if !open.has_room(message, &batching) {
                    drop(open.cut());
                }
                if open.push(message, &batching) {
                    drop(open.cut());
                }
            }
        }
    });
}

/// A consumer of a topic with so many readings, of librdkafka's own broker.
fn read() -> BaseConsumer {
    let cluster = Box::leak(Box::new(MockCluster::new(1).unwrap()));
    cluster.create_topic(SOURCE, 1, 1).unwrap();
    let config = |group: &str| {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap_servers()).set("group.id", group);
        config.set("socket.timeout.ms", "300000");
        config
    };
    let producer: BaseProducer = config("").remove("group.id").create().unwrap();
    for value in values().take(RECORDS) {
        producer.send(BaseRecord::<[u8], _>::to(SOURCE).partition(0).payload(&value)).map_err(|(e, _)| e).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    let consumer: BaseConsumer = config("counted").create().unwrap();
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(SOURCE, 0, Offset::Beginning).unwrap();
    consumer.assign(&from).unwrap();
    consumer
}

fn next(consumer: &BaseConsumer) -> BorrowedMessage<'_> {
    // A poll also ends, without a record, when it has served something else.
    (0..100).find_map(|_| consumer.poll(PATIENCE)).expect("nothing came").unwrap()
}

/// Alerts become messages for a topic, and wait to be sent.
#[test]
fn topic_messages() {
    hold(test_name!(), RECORDS, &[], || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut config = Config::default();
        // Nobody listens there.
        config.kafka.bootstrap = "127.0.0.1:9".to_owned();
        let kafka = Kafka::new(&config, runtime.handle()).unwrap();
        let report = report();
        let (writers, _) = kafka.open_with_letters(&context(report.clone()), &report.metrics).unwrap();
        let sink = writers.sink(0, &article::sinks()[0]).unwrap();
        let batch = Arc::new(readings::batch(RECORDS));
        let (ledger, budget) = (Arc::new(Ledger::default()), Arc::new(Budget::new(64 << 20)));
        let mut messages = Messages::default();
        for (index, value) in (0..).zip(values().take(RECORDS)) {
            messages.origin.push(index);
            messages.keys.push(None);
            messages.values.push(Some(value.as_bytes()));
        }
        let prepare = |_| {
            let delivery = Delivery::new(Arc::clone(&batch), Arc::clone(&ledger), Arc::clone(&budget)).unwrap();
            (delivery, Output::Messages { sink: 0, messages: messages.clone() })
        };
        let mut prepared: Vec<_> = (0..TIMES).map(prepare).collect();
        move || {
            let (delivery, output) = prepared.pop().unwrap();
            sink.write(&delivery, output);
        }
    });
}
