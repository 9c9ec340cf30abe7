//! What tests do with a broker's topics: create, write, read to the end, and look at offsets.
//!
//! Everything here panics where the broker doesn't do as asked.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataPartition;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{Message, Offset, TopicPartitionList};

use super::broker::Kafka;
use super::record::Record;
use crate::eventually::eventually;

/// For one request to a broker that is up.
const REQUEST: Duration = Duration::from_secs(30);
/// For all records of a topic.
const READ: Duration = Duration::from_secs(120);
/// How long nothing comes until there is nothing more.
const QUIET: Duration = Duration::from_secs(10);

impl Kafka {
    /// Creates a topic, with topic configs such as `("max.message.bytes", "10000000")`, and waits until it can be used.
    pub fn create_topic(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(self.size() as i32));
        for (key, value) in configs {
            topic = topic.set(key, value);
        }
        let options = AdminOptions::new().request_timeout(Some(REQUEST));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for result in runtime.block_on(admin.create_topics([&topic], &options)).unwrap() {
            result.unwrap_or_else(|(name, code)| panic!("failed to create the topic {name}: {code}"));
        }
        eventually(REQUEST, &format!("topic {name} has leaders"), || {
            let metadata = admin.inner().fetch_metadata(Some(name), REQUEST).ok()?;
            let partitions = metadata.topics().first()?.partitions();
            (!partitions.is_empty() && partitions.iter().all(|partition| partition.leader() >= 0)).then_some(())
        });
    }

    /// Whether there is such a topic.
    pub fn exists(&self, name: &str) -> bool {
        let consumer: BaseConsumer = self.client().create().unwrap();
        let metadata = consumer.fetch_metadata(None, REQUEST).unwrap();
        metadata.topics().iter().any(|topic| topic.name() == name)
    }

    /// Waits until each partition of a topic is led by the first of its replicas, and all of them are in sync.
    pub fn wait_for_preferred_leaders(&self, name: &str) {
        let consumer: BaseConsumer = self.client().create().unwrap();
        eventually(READ, &format!("the preferred replicas of {name} lead"), || {
            let metadata = consumer.fetch_metadata(Some(name), REQUEST).ok()?;
            let all = metadata.topics().first()?.partitions();
            let is_led = |partition: &MetadataPartition| {
                partition.replicas().first() == Some(&partition.leader()) && partition.isr().len() == self.size()
            };
            (!all.is_empty() && all.iter().all(is_led)).then_some(())
        });
    }

    /// Has a topic have so many partitions.
    pub fn add_partitions(&self, name: &str, count: usize) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let options = AdminOptions::new().request_timeout(Some(REQUEST));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for result in runtime.block_on(admin.create_partitions([&NewPartitions::new(name, count)], &options)).unwrap() {
            result.unwrap_or_else(|(name, code)| panic!("failed to add partitions to {name}: {code}"));
        }
        eventually(REQUEST, &format!("{name} has {count} partitions"), || {
            (self.partitions(name).len() == count).then_some(())
        });
    }

    /// Gives a topic one config, and its others their defaults.
    pub fn set_topic(&self, name: &str, key: &str, value: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let change = AlterConfig::new(ResourceSpecifier::Topic(name)).set(key, value);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for result in runtime.block_on(admin.alter_configs([&change], &AdminOptions::new())).unwrap() {
            result.unwrap_or_else(|(_, code)| panic!("failed to set {key} of topic {name}: {code}"));
        }
    }

    /// Writes the records in order, and returns the partition and offset that each of them got.
    pub fn produce(&self, topic: &str, records: &[Record]) -> Vec<(i32, i64)> {
        self.produce_with(topic, records, &[])
    }

    /// The same with settings of the producer, such as `("compression.type", "zstd")`.
    pub fn produce_with(&self, topic: &str, records: &[Record], settings: &[(&str, &str)]) -> Vec<(i32, i64)> {
        let mut config = self.client();
        config.set("enable.idempotence", "true").set("message.max.bytes", "100000000");
        for (key, value) in settings {
            config.set(*key, *value);
        }
        let producer: BaseProducer<Deliveries> = config.create_with_context(Deliveries::default()).unwrap();
        for (index, record) in records.iter().enumerate() {
            let mut message = BaseRecord::with_opaque_to(topic, Box::new(index)).headers(record.owned_headers());
            message.key = record.key.as_deref();
            message.payload = record.value.as_deref();
            message.partition = (record.partition >= 0).then_some(record.partition);
            message.timestamp = (record.timestamp >= 0).then_some(record.timestamp);
            while let Err((error, unsent)) = producer.send(message) {
                assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull), "{error}");
                producer.poll(Duration::from_millis(100));
                message = unsent;
            }
            producer.poll(Duration::ZERO);
        }
        producer.flush(Duration::from_secs(120)).unwrap();
        let mut delivered = std::mem::take(&mut *producer.context().0.lock().unwrap());
        delivered.sort_unstable();
        assert_eq!(delivered.len(), records.len());
        delivered.into_iter().map(|(_, partition, offset)| (partition, offset)).collect()
    }

    /// All committed records of a topic up to its present end, partition by partition in the order of the offsets.
    pub fn read_all(&self, topic: &str) -> Vec<Record> {
        let consumer: BaseConsumer = self
            .client()
            .set("group.id", "pelton-tests-reader")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", "read_committed")
            // Rather an error than a jump over what is to be read.
            .set("auto.offset.reset", "error")
            .create()
            .unwrap();
        let partitions = self.partitions(topic);
        let mut assignment = TopicPartitionList::new();
        for partition in &partitions {
            assignment.add_partition_offset(topic, *partition, Offset::Beginning).unwrap();
        }
        // The end of everything, and not only of what is known to be committed.
        let probe: BaseConsumer = self.client().set("isolation.level", "read_uncommitted").create().unwrap();
        let end = |partition| {
            let (low, high) = probe.fetch_watermarks(topic, partition, REQUEST).unwrap();
            (partition, if low < high { high } else { 0 })
        };
        let mut unfinished: BTreeMap<i32, i64> = partitions.into_iter().map(end).collect();
        consumer.assign(&assignment).unwrap();
        let mut records: Vec<Record> = Vec::new();
        let (began, mut last_record) = (Instant::now(), Instant::now());
        while !unfinished.is_empty() {
            assert!(began.elapsed() < READ, "{topic} was not read to its end in time: {unfinished:?} remain");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    last_record = Instant::now();
                    records.push(Record::read(&message));
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    let last = records.iter().rev().find(|record| record.partition == partition);
                    let next = last.map_or(0, |record| record.offset + 1);
                    // A broker that has just started may see its own end late.
                    unfinished.retain(|other, end| *other != partition || next < *end);
                }
                Some(Err(error)) => panic!("failed to read {topic}: {error}"),
                None if last_record.elapsed() >= QUIET => {
                    last_record = Instant::now();
                    // What is missing at the end are no records where all is known to be committed: they were deleted,
                    // or end a transaction.
                    let committed = |partition: &i32| consumer.fetch_watermarks(topic, *partition, REQUEST).unwrap().1;
                    unfinished.retain(|partition, end| committed(partition) < *end);
                }
                None => {}
            }
        }
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }

    /// The offset after the last record, by partition.
    pub fn end_offsets(&self, topic: &str) -> Vec<i64> {
        let consumer: BaseConsumer = self.client().create().unwrap();
        let end = |partition| consumer.fetch_watermarks(topic, partition, REQUEST).unwrap().1;
        self.partitions(topic).into_iter().map(end).collect()
    }

    /// What a consumer group has committed, by partition; `None` where it hasn't yet.
    pub fn committed(&self, group: &str, topic: &str) -> Vec<Option<i64>> {
        self.watch(group, topic).committed()
    }

    /// A look at what a consumer group has committed, to be repeated at little cost.
    pub fn watch(&self, group: &str, topic: &str) -> Watch {
        let mut asked = TopicPartitionList::new();
        for partition in self.partitions(topic) {
            asked.add_partition(topic, partition);
        }
        Watch { consumer: self.client().set("group.id", group).create().unwrap(), asked }
    }

    /// Deletes a topic, and waits until it is gone.
    pub fn delete_topic(&self, name: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let options = AdminOptions::new().request_timeout(Some(REQUEST));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for result in runtime.block_on(admin.delete_topics(&[name], &options)).unwrap() {
            result.unwrap_or_else(|(name, code)| panic!("failed to delete the topic {name}: {code}"));
        }
        eventually(REQUEST, &format!("{name} is gone"), || {
            let metadata = admin.inner().fetch_metadata(None, REQUEST).ok()?;
            metadata.topics().iter().all(|topic| topic.name() != name).then_some(())
        });
    }

    /// Deletes all topics but Kafka's own, and with them what groups have committed there.
    pub fn delete_topics(&self) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let topics = || -> Vec<String> {
            let metadata = admin.inner().fetch_metadata(None, REQUEST).unwrap();
            let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
            names.filter(|name| !name.starts_with("__")).collect()
        };
        let names = topics();
        if names.is_empty() {
            return;
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let options = AdminOptions::new().request_timeout(Some(REQUEST));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for result in runtime.block_on(admin.delete_topics(&names, &options)).unwrap() {
            result.unwrap_or_else(|(name, code)| panic!("failed to delete the topic {name}: {code}"));
        }
        eventually(REQUEST, "the topics are gone", || topics().is_empty().then_some(()));
    }

    /// Deletes all consumer groups: what one has committed may outlive its topic, and would count for the next topic of
    /// that name. Waits for members that were killed to be given up.
    pub fn delete_groups(&self) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let options = AdminOptions::new().request_timeout(Some(REQUEST));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        eventually(REQUEST, "all groups are gone", || {
            let list = admin.inner().fetch_group_list(None, REQUEST).ok()?;
            let names: Vec<&str> = list.groups().iter().map(|group| group.name()).collect();
            if !names.is_empty() {
                let deleted = runtime.block_on(admin.delete_groups(&names, &options)).ok()?;
                deleted.into_iter().all(|result| result.is_ok()).then_some(())?;
            }
            Some(())
        });
    }

    fn partitions(&self, topic: &str) -> Vec<i32> {
        let consumer: BaseConsumer = self.client().create().unwrap();
        let metadata = consumer.fetch_metadata(Some(topic), REQUEST).unwrap();
        let mut partitions: Vec<i32> =
            metadata.topics()[0].partitions().iter().map(|partition| partition.id()).collect();
        partitions.sort_unstable();
        assert!(!partitions.is_empty(), "there is no topic {topic}");
        partitions
    }
}

/// What [`Kafka::watch`] looks at.
pub struct Watch {
    consumer: BaseConsumer,
    asked: TopicPartitionList,
}

impl Watch {
    /// The committed offsets, by partition; `None` where there is none yet.
    pub fn committed(&self) -> Vec<Option<i64>> {
        // The first question after a group comes shortly before the broker knows who coordinates it.
        let found = eventually(REQUEST, "the group's offsets can be read", || {
            self.consumer.committed_offsets(self.asked.clone(), REQUEST).ok()
        });
        let offset = |offset| {
            if let Offset::Offset(offset) = offset { Some(offset) } else { None }
        };
        found.elements().iter().map(|element| offset(element.offset())).collect()
    }
}

/// Where each record went: its index, partition and offset.
#[derive(Default)]
struct Deliveries(Mutex<Vec<(usize, i32, i64)>>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, index: Box<usize>) {
        match result {
            Ok(message) => self.0.lock().unwrap().push((*index, message.partition(), message.offset())),
            Err((error, _)) => eprintln!("record {index} was not delivered: {error}"),
        }
    }
}
