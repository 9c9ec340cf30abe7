//! Lag of a transactional topic never goes to 0, since markers and aborted records take offsets as well:
//! <https://github.com/confluentinc/librdkafka/issues/3917>,
//! <https://github.com/spring-projects/spring-kafka/issues/1587>.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::eventually::eventually;
use crate::pelton::Host;
use crate::stage::{Servers, guest, require_stage};

const PATIENCE: Duration = Duration::from_secs(60);

fn producer(stage: &Servers) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", stage.kafka.bootstrap()).set("transactional.id", "field");
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer
}

/// Begins a transaction with these records, all of which are in the topic when it returns.
fn begin(producer: &BaseProducer, values: &[&str]) {
    producer.begin_transaction().unwrap();
    for value in values {
        producer.send(BaseRecord::to("sensors").key("k").payload(*value)).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

#[track_caller]
fn wait_until_there_is_no_lag(stage: &Servers, host: &Host, next: i64) {
    let group = stage.watch("identity");
    eventually(PATIENCE, "what can be read is committed", || (group.committed() == [Some(next)]).then_some(()));
    eventually(PATIENCE, "there is no lag", || {
        let view = host.show("identity");
        (view["partitions"][0]["lag"] == 0 && host.metric("pelton_lag_records", &[]) == Some(0.0)).then_some(())
    });
}

#[test]
fn lag_goes_to_zero_and_nothing_is_told_lost_that_never_was() {
    let stage = require_stage!();
    stage.topics(1);
    let mut host = stage.host();
    host.start();
    host.submit(guest("identity"), &[]);
    let producer = producer(&stage);
    begin(&producer, &["a", "b"]);
    producer.commit_transaction(PATIENCE).unwrap();
    // Two records and a marker each.
    wait_until_there_is_no_lag(&stage, &host, 3);
    begin(&producer, &["x", "y"]);
    producer.abort_transaction(PATIENCE).unwrap();
    wait_until_there_is_no_lag(&stage, &host, 6);
    assert_eq!(stage.alerts(), ["a", "b"]);
    // What is in a transaction that is still open can't be read yet, and is no lag.
    begin(&producer, &["c", "d"]);
    assert_eq!(stage.kafka.end_offsets("sensors"), [6], "it reads what is committed only");
    wait_until_there_is_no_lag(&stage, &host, 6);
    producer.commit_transaction(PATIENCE).unwrap();
    wait_until_there_is_no_lag(&stage, &host, 9);
    begin(&producer, &["z"]);
    producer.abort_transaction(PATIENCE).unwrap();
    wait_until_there_is_no_lag(&stage, &host, 11);
    assert_eq!(stage.alerts(), ["a", "b", "c", "d"]);
    assert_eq!(host.sigterm(PATIENCE), 0);
    delete_records(&stage);
    host.start();
    begin(&producer, &["e"]);
    producer.commit_transaction(PATIENCE).unwrap();
    wait_until_there_is_no_lag(&stage, &host, 13);
    assert_eq!(stage.alerts(), ["a", "b", "c", "d", "e"], "none twice");
    assert_eq!(host.metric("pelton_records_expired_total", &[]).unwrap_or(0.0), 0.0);
}

#[test]
fn jobs_that_share_a_fetch_have_no_lag_either() {
    let stage = require_stage!();
    stage.topics(1);
    let mut host = stage.host();
    host.start();
    host.submit(guest("identity"), &[]);
    host.submit(guest("identity"), &["--name", "other"]);
    let producer = producer(&stage);
    for round in 1..=4 {
        begin(&producer, &["a"]);
        if round % 2 == 0 {
            producer.abort_transaction(PATIENCE).unwrap();
        } else {
            producer.commit_transaction(PATIENCE).unwrap();
        }
        for job in ["identity", "other"] {
            let group = stage.watch(job);
            eventually(PATIENCE, "all is committed", || (group.committed() == [Some(2 * round)]).then_some(()));
            eventually(PATIENCE, "no lag", || (host.show(job)["partitions"][0]["lag"] == 0).then_some(()));
        }
    }
    let is_shared = |job: &str| host.show(job)["partitions"][0]["shared"] == true;
    assert!(is_shared("identity") && is_shared("other"));
    assert_eq!(stage.alerts(), ["a"; 4]);
}

/// As `kafka-delete-records` does it, up to the end.
fn delete_records(stage: &Servers) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", stage.kafka.bootstrap()).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("sensors", 0, Offset::End).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let deleted = runtime.block_on(admin.delete_records(&list, &AdminOptions::new())).unwrap();
    assert!(deleted.elements().iter().all(|element| element.error().is_ok()));
}
