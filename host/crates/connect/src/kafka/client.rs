//! What all clients of Kafka share: their settings, librdkafka's log, and whether there is a broker.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use pelton_model::cause::Cause;
use pelton_model::settings;
use pelton_model::status::{Part, State, Status};
use pelton_model::sync::lock;
use rdkafka::ClientConfig;
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaConfRes;

use super::reach::Failures;

/// The parts under which it is told that a job's clients reach no broker.
pub(super) const PRODUCER: Part = Part::Client("kafka producer");
/// What people call a job's consumer.
pub(super) const CONSUMER_NAME: &str = "kafka consumer";
pub(super) const CONSUMER: Part = Part::Client(CONSUMER_NAME);
/// What people call it.
pub(super) const NAME: &str = "Kafka";

/// How long a request to the broker may take before it counts as away.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How often clients ask which partitions their topics have.
pub(super) const REFRESH: Duration = Duration::from_secs(15);

/// A topic to ask a broker for; that there is none is an answer.
pub(super) const PROBE: &str = "__pelton_ping";

/// The settings that both kinds of client start from.
pub fn client(kafka: &settings::Kafka, client_id: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    // Among its lines is why a broker can't be reached.
    config.set_log_level(RDKafkaLogLevel::Info);
    config
        .set("bootstrap.servers", &kafka.bootstrap)
        .set("client.id", client_id)
        // New partitions are read within half a minute: a group settles within seconds after this.
        .set("topic.metadata.refresh.interval.ms", REFRESH.as_millis().to_string());
    let has = |key| kafka.properties.contains_key(key);
    if kafka.properties.get("security.protocol").is_some_and(|protocol| protocol.to_ascii_lowercase().ends_with("ssl"))
        && !has("ssl.ca.location")
        && !has("ssl.ca.pem")
        // An OpenSSL that is linked statically, as in the image, looks where the machine that built it has them.
        && let Some(bundle) = openssl_probe::probe().cert_file
    {
        config.set("ssl.ca.location", bundle.to_string_lossy());
    }
    for (key, value) in &kafka.properties {
        config.set(key, value);
    }
    config
}

/// How every consumer reads ahead of whoever takes its records; settings of users come after.
pub(super) fn reads_ahead(config: &mut ClientConfig) -> &mut ClientConfig {
    config
        // With the budget of what is in flight this bounds a job's memory. Librdkafka takes some 500 bytes for each
        // message, beside its own: four times as much for short ones.
        .set("queued.max.messages.kbytes", "4096")
        // How long a partition is not fetched once the queue is full. By default it is a second, and the queue is empty
        // long before.
        .set("fetch.queue.backoff.ms", "10")
}

/// Why a client can't be made, without the value that was refused: it may be a password under a misspelt key.
pub fn refused(error: KafkaError) -> Cause {
    let error = match error {
        KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, _, key, _) => {
            anyhow!("librdkafka has no property {key:?}")
        }
        KafkaError::ClientConfig(_, _, key, _) => {
            anyhow!("the property {key:?} can't have the value that it is set to")
        }
        other => other.into(),
    };
    error.into()
}

/// The settings of a job's consumer in `group`.
///
/// Its client id begins with this process: a group's members are sorted by it before partitions are dealt out, so the
/// jobs of a host get the same ones, and can share their fetches, while other hosts run these jobs too.
pub fn consumer(kafka: &settings::Kafka, job: &str, group: &str, commit_interval: Duration) -> ClientConfig {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let host = name.as_deref().unwrap_or("host");
    let mut config = client(kafka, &format!("pelton-{host}-{}-{job}", std::process::id()));
    reads_ahead(&mut config)
        .set("group.id", group)
        // Librdkafka commits, in the background, what the source stores, and that is only what every sink has
        // acknowledged. (A commit of our own is either blocking or never confirmed.)
        .set("enable.auto.commit", "true")
        .set("enable.auto.offset.store", "false")
        .set("auto.commit.interval.ms", commit_interval.as_millis().to_string())
        // A submit commits where the job starts, on every partition there is then. A partition without an offset is
        // thus a new one, and all of it is due.
        .set("auto.offset.reset", "earliest")
        // To make and read them is a third of what an idle job costs.
        .set("statistics.interval.ms", "0");
    for (key, value) in &kafka.consumer {
        config.set(key, value);
    }
    config
}

/// Whether consumers are to use the protocol of KIP-848.
pub(super) fn uses_consumer_protocol(kafka: &settings::Kafka) -> bool {
    let protocol = kafka.consumer.get("group.protocol").or(kafka.properties.get("group.protocol"));
    protocol.is_some_and(|protocol| protocol.eq_ignore_ascii_case("consumer"))
}

/// The settings of a producer.
pub fn producer(kafka: &settings::Kafka, client_id: &str) -> ClientConfig {
    let mut config = client(kafka, client_id);
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // Where Java's clients, thus Flink, put a key.
        .set("partitioner", "murmur2_random")
        // Never give up: a broker that is away pauses the job, it drops nothing.
        .set("message.timeout.ms", "0")
        // The budget of what is in flight bounds these.
        .set("queue.buffering.max.messages", "0")
        .set("queue.buffering.max.kbytes", "2147483647")
        // The broker decides what is too large; what it refuses becomes a dead letter.
        .set("message.max.bytes", "100000000")
        // Longer than handing over takes: the sink has everything sent once it has handed a round over.
        .set("linger.ms", "100")
        .set("statistics.interval.ms", "1000");
    for (key, value) in &kafka.producer {
        config.set(key, value);
    }
    config
}

/// What is looked at of a producer's statistics (librdkafka's `STATISTICS.md`).
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Statistics {
    /// Messages in its queues.
    msg_cnt: u64,
    brokers: BTreeMap<String, Broker>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Broker {
    source: String,
    nodename: String,
    state: String,
}

/// Raises a condition while a producer has messages and no broker is connected, clears it otherwise, and says which it
/// was. An idle producer has no need of a connection. The statistics are JSON; others than librdkafka's say nothing.
pub(super) fn watch_brokers(status: &Status, part: &Part, failures: &Failures, statistics: &[u8]) -> bool {
    let statistics: Statistics = serde_json::from_slice(statistics).unwrap_or_default();
    let brokers = || statistics.brokers.values().filter(|broker| broker.source != "internal");
    // It may know of none: see `BeginAgain`.
    let is_away = statistics.msg_cnt > 0 && brokers().all(|broker| broker.state != "UP");
    if is_away {
        let names: Vec<_> = brokers().map(|broker| broker.nodename.as_str()).filter(|name| !name.is_empty()).collect();
        brokers_away(status, part, &names.join(", "), failures);
    } else {
        broker_back(status, part);
    }
    is_away
}

/// Asks whether a broker answers, and knows of one.
pub(super) fn find_broker<C: ClientContext>(client: &Client<C>, timeout: Duration) -> Result<()> {
    let metadata = client.fetch_metadata(Some(PROBE), timeout)?;
    if metadata.brokers().is_empty() { bail!("the broker is starting or stopping") } else { Ok(()) }
}

/// How often a client that finds no broker begins again.
const BEGIN_AGAIN: Duration = Duration::from_secs(10);

/// Gives a client that finds no broker those of its settings again, now and then.
///
/// Librdkafka forgets all of them when a broker that is starting or stopping answers that there are none, and then
/// never connects to any (confluentinc/librdkafka#5301). It keeps every list that it is given, so that is not done at
/// every call.
#[derive(Debug)]
pub struct BeginAgain {
    bootstrap: CString,
    not_before: Mutex<Instant>,
}

impl BeginAgain {
    /// With these brokers, not at once.
    pub fn new(bootstrap: &str) -> Self {
        // No client is made with such a list.
        let bootstrap = CString::new(bootstrap).unwrap_or_default();
        Self { bootstrap, not_before: Mutex::new(Instant::now() + BEGIN_AGAIN) }
    }

    /// Says that the client finds none.
    pub fn finds_none<C: ClientContext>(&self, client: &Client<C>) {
        let mut not_before = lock(&self.not_before);
        if Instant::now() >= *not_before {
            *not_before = Instant::now() + BEGIN_AGAIN;
            self.begin(client);
        }
    }

    #[expect(unsafe_code, reason = "the binding has no call for this")]
    fn begin<C: ClientContext>(&self, client: &Client<C>) {
        // SAFETY: both pointers outlive the call, which copies the list and may be made from any thread (librdkafka's
        // rdkafka.h).
        let found = unsafe { rdkafka::bindings::rd_kafka_brokers_add(client.native_ptr(), self.bootstrap.as_ptr()) };
        tracing::debug!("began again with {found} Kafka brokers of the settings");
    }
}

/// Raises the condition that no broker can be reached, with the reason, where that is known.
pub(super) fn brokers_away(status: &Status, part: &Part, brokers: &str, failures: &Failures) {
    let told = failures.told().map(|told| format!(": {told}")).unwrap_or_default();
    let reason = format!("no Kafka broker is reachable ({brokers}){told}; waiting");
    if status.raise(part, State::Degraded, &reason) {
        tracing::warn!("{part}: {reason}");
    }
}

/// Clears it.
pub fn broker_back(status: &Status, part: &Part) {
    if status.clear(part) {
        tracing::info!("{part}: a Kafka broker is back");
    }
}

/// The end of a partition as of a consumer's last answer to a fetch: no request is made.
#[expect(unsafe_code, reason = "the binding has no call for this but one that asks the broker")]
pub fn known_end<C: ConsumerContext>(consumer: &BaseConsumer<C>, topic: &str, partition: i32) -> Option<i64> {
    let topic = CString::new(topic).ok()?;
    let (mut low, mut high) = (-1, -1);
    // SAFETY: the pointers are those of a consumer and of locals that outlive the call, which keeps none of them.
    let result = unsafe {
        let client = consumer.client().native_ptr();
        rdkafka::bindings::rd_kafka_get_watermark_offsets(
            client,
            topic.as_ptr(),
            partition,
            &raw mut low,
            &raw mut high,
        )
    };
    (result == rdkafka::bindings::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high)
}

/// Where a consumer reads on in a partition, the markers of transactions among what it has read: no request is made.
/// `None` where it has read nothing since it was told where to begin.
#[expect(unsafe_code, reason = "the binding's call asks another thread for the assignment first")]
pub(super) fn position<C: ConsumerContext>(consumer: &BaseConsumer<C>, topic: &str, partition: i32) -> Option<i64> {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    // SAFETY: the pointers are those of a consumer and of a list that outlive the call, which keeps none of them.
    let result = unsafe { rdkafka::bindings::rd_kafka_position(consumer.client().native_ptr(), list.ptr()) };
    let is_known = result == rdkafka::bindings::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
    match list.find_partition(topic, partition)?.offset() {
        Offset::Offset(position) if is_known => Some(position),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;

    use super::*;

    const SOON: Duration = Duration::from_millis(500);

    #[test]
    fn the_machines_certificates_are_trusted_unless_others_are_named() {
        let bundle = openssl_probe::probe().cert_file.map(|bundle| bundle.to_string_lossy().into_owned());
        let trusted = |properties: &[(&str, &str)]| {
            let properties = properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let kafka = settings::Kafka { properties, ..settings::Kafka::default() };
            client(&kafka, "test").get("ssl.ca.location").map(str::to_owned)
        };
        assert_eq!(trusted(&[]), None);
        assert_eq!(trusted(&[("security.protocol", "SASL_SSL")]), bundle);
        let own = [("security.protocol", "ssl"), ("ssl.ca.location", "ca.pem")];
        assert_eq!(trusted(&own), Some("ca.pem".to_owned()));
        assert_eq!(trusted(&[("security.protocol", "ssl"), ("ssl.ca.pem", "-----BEGIN")]), None);
    }

    #[test]
    fn a_client_that_has_no_broker_begins_again_with_those_it_is_given() {
        let cluster = MockCluster::new(1).unwrap();
        // Nobody listens on port 1.
        let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", "127.0.0.1:1").create().unwrap();
        find_broker(consumer.client(), SOON).unwrap_err();
        let again = BeginAgain::new(&cluster.bootstrap_servers());
        again.finds_none(consumer.client());
        find_broker(consumer.client(), SOON).expect_err("not at once");
        again.begin(consumer.client());
        let found = (0..100).any(|_| find_broker(consumer.client(), SOON).is_ok());
        assert!(found, "it finds none");
    }

    #[test]
    fn brokers_are_away_while_messages_wait_and_none_is_connected() {
        let (status, failures) = (Status::default(), Failures::default());
        failures.hear("FAIL", "[thrd:a:9092/1]: a:9092/1: its certificate is not trusted (after 2ms in state X)");
        let is_away = |messages: u32, brokers: &str| {
            let statistics = format!(r#"{{"msg_cnt": {messages}, "brokers": {{{brokers}}}}}"#);
            let is_away = watch_brokers(&status, &PRODUCER, &failures, statistics.as_bytes());
            assert_eq!(status.is_told(&PRODUCER), is_away);
            is_away
        };
        let broker = |state: &str| format!(r#""a": {{"source": "learned", "nodename": "a:9092", "state": "{state}"}}"#);
        let internal = r#""i": {"source": "internal", "nodename": "", "state": "UP"}"#;
        assert!(is_away(1, &broker("DOWN")));
        let reason = &status.get().1[0].reason;
        assert!(reason.contains("(a:9092): a:9092: its certificate is not trusted; waiting"), "{reason}");
        assert!(!is_away(1, &broker("UP")));
        // Librdkafka may have forgotten all of them.
        assert!(is_away(1, ""));
        assert!(is_away(1, internal));
        assert!(!is_away(0, ""));
        assert!(!watch_brokers(&status, &PRODUCER, &failures, b"no JSON"));
    }
}
