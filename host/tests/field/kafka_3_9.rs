//! Brokers of another version than those that a tool was tried on, and it reads nothing:
//! <https://github.com/grepplabs/kafka-proxy/issues/177>.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::eventually::eventually;
use crate::kafka::{Record, require_kafka};
use crate::load::{check_all_forwarded, check_in_order, under_load};
use crate::pelton::Host;
use crate::stage::{CONSUMER_PROTOCOL, RUN, Servers, guest};
use crate::waiting::wait_for_partitions;

const JOB: &str = "identity";
const PATIENCE: Duration = Duration::from_secs(60);

/// Writes these records in a transaction, and commits or aborts it.
fn transact(servers: &Servers, values: std::ops::Range<usize>, commits: bool) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers.kafka.bootstrap()).set("transactional.id", "field");
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    for value in values {
        let (key, value) = ((value % 4).to_string(), value.to_string());
        let record = BaseRecord::to("sensors").key(&key).payload(&value).partition(0);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    if commits { producer.commit_transaction(PATIENCE) } else { producer.abort_transaction(PATIENCE) }.unwrap();
}

#[ignore = "slow: clients ask for new partitions every 15 s"]
#[test]
fn jobs_forward_share_and_read_transactions_and_new_partitions() {
    let servers = Servers::of(require_kafka!(old));
    servers.topics(4);
    let (mut one, mut other) = (servers.host(), servers.host());
    one.start();
    one.submit(guest(JOB), &["--parallelism", "2"]);
    let mut written = under_load(&servers, 0, || {
        wait_for_partitions(&one, JOB, 4);
        other.start();
        let said = other.cli(&["submit".into(), guest(JOB).into_os_string()]);
        assert_eq!(said.code, 0, "{}", said.stderr);
        wait_for_partitions(&other, JOB, 2);
        wait_for_partitions(&one, JOB, 2);
        assert_eq!(other.sigterm(RUN), 0);
        wait_for_partitions(&one, JOB, 4);
    });
    servers.wait_until_done(JOB);
    assert_eq!(check_all_forwarded(&servers, written), 0, "a join and a leave in good order repeat nothing");
    check_in_order(&servers);

    let group = servers.watch(JOB);
    for commits in [true, false, true] {
        transact(&servers, written..written + 10, commits);
        written += if commits { 10 } else { 0 };
    }
    // Three times ten records and a marker.
    let end = servers.kafka.end_offsets("sensors");
    eventually(PATIENCE, "transactions are read to their end", || {
        (group.committed() == end.iter().copied().map(Some).collect::<Vec<_>>()).then_some(())
    });
    assert_eq!(check_all_forwarded(&servers, written), 0, "what was aborted is not there");

    servers.kafka.add_partitions("sensors", 5);
    servers.kafka.produce("sensors", &[Record::new(written.to_string()).key("4").partition(4)]);
    servers.wait_until_done(JOB);
    assert_eq!(check_all_forwarded(&servers, written + 1), 0);
    assert_eq!(servers.kafka.end_offsets("identity.dlq"), [0]);
    assert_eq!(one.show(JOB)["state"], "running");
}

#[ignore = "slow: a broker of its own"]
#[test]
fn the_consumer_protocol_is_refused_with_the_reason() {
    let servers = Servers::of(require_kafka!(old));
    servers.topics(1);
    servers.kafka.produce("sensors", &[Record::new("0").key("0")]);
    let mut host = Host::new(&servers.kafka.bootstrap(), &servers.postgres.url()).config(CONSUMER_PROTOCOL);
    host.start();
    let said = host.cli(&["submit".as_ref(), guest(JOB).as_os_str(), "--from".as_ref(), "earliest".as_ref()]);
    let told = "does not take the setting group.protocol = \"consumer\"";
    assert!(said.code == 1 && said.stderr.contains(told) && said.stderr.contains("classic"), "{said:?}");
    // A job that was submitted before the setting was changed waits, and says why.
    assert_eq!(host.sigterm(RUN), 0);
    let mut host = host.config("");
    host.start();
    host.submit(guest(JOB), &[]);
    servers.wait_until_done(JOB);
    assert_eq!(host.sigterm(RUN), 0);
    let mut host = host.config(CONSUMER_PROTOCOL);
    host.start();
    servers.kafka.produce("sensors", &[Record::new("1").key("1")]);
    eventually(PATIENCE, "it is told", || {
        let view = host.show(JOB);
        let told = view["conditions"].to_string().contains("group.protocol");
        (view["state"] == "failed" && told).then_some(())
    });
    // With the setting changed back, it goes on from where it was.
    assert_eq!(host.sigterm(RUN), 0);
    let mut host = host.config("");
    host.start();
    servers.wait_until_done(JOB);
    assert_eq!(servers.alerts(), ["0", "1"]);
}
