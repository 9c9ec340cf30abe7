//! Why brokers can't be reached, in librdkafka's own words.
//!
//! Its calls end with a time-out or a "transport failure", whatever the reason: a password, a certificate, a name that
//! does not resolve. It tells that in its log, for each broker, and not again within half a minute while it stays the
//! same. So the last words on each broker are kept here for as long as they may hold.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use pelton_model::sync::lock;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::producer::{DeliveryResult, ProducerContext};

use super::certificate::Trust;
use super::faults::{Whose, whose};
use super::log::log;

/// How long an answer waits for what is wrong with a certificate: most brokers are looked at within milliseconds.
const LOOK: Duration = Duration::from_secs(2);
/// How long a failure is believed in: longer than librdkafka keeps silent about one that stays the same.
const BELIEVED: Duration = Duration::from_secs(45);
/// Milliseconds in which a broker ends a connection that it does not want.
const SOON: u64 = 2_000;
/// Lines that are read at a time.
const MOST_LINES: usize = 100;
/// The facility under which librdkafka tells that a connection failed.
const FAIL: &str = "FAIL";

/// What librdkafka says of a name that leads to no address, before the name in quotes.
const RESOLVE: &str = "Failed to resolve '";
/// What it says of a connection, before the kind of address and the address.
const CONNECT: &str = "Connect to ";

/// What librdkafka says of a certificate that it refuses, whatever is wrong with it.
const REFUSED: &str = "certificate verify failed";

/// What is told where nobody is found at the address of the settings.
const HINT: &str = "is Kafka there? --kafka HOST:PORT, or KAFKA_HOST, says where it is";

/// The last words on each broker that could not be reached. Clones are of the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Failures(Arc<Heard>);

#[derive(Debug, Default)]
struct Heard {
    trust: Trust,
    words: Mutex<BTreeMap<String, (String, Instant)>>,
    /// What is wrong with certificates, by broker.
    certificates: Mutex<BTreeMap<String, Looked>>,
    /// Called when one was looked at.
    looked: Condvar,
}

/// What was found of a broker's certificate the last time, and whether it is being looked at once more.
#[derive(Debug, Default)]
struct Looked {
    wrong: Option<&'static str>,
    looks: bool,
}

impl Failures {
    /// Of a client with these settings.
    pub(super) fn of(config: &ClientConfig) -> Self {
        Self(Arc::new(Heard { trust: Trust::of(config), ..Heard::default() }))
    }

    /// Takes in a line of librdkafka's log.
    pub(super) fn hear(&self, facility: &str, message: &str) {
        if facility == FAIL
            && let Some((broker, reason)) = parse(message)
        {
            if reason.contains(REFUSED) {
                self.look_at_certificate(broker);
            }
            lock(&self.0.words).insert(broker.to_owned(), (reason, Instant::now()));
        }
    }

    /// Finds out why the certificate of a broker is refused, on a thread of its own.
    fn look_at_certificate(&self, broker: &str) {
        let is_under_way =
            std::mem::replace(&mut lock(&self.0.certificates).entry(broker.to_owned()).or_default().looks, true);
        if is_under_way {
            return;
        }
        let (heard, name) = (Arc::clone(&self.0), broker.to_owned());
        let looks = move || {
            // It is looked at again with the next failure, as it may be another one by then.
            let looked = Looked { wrong: heard.trust.look(&name), looks: false };
            lock(&heard.certificates).insert(name, looked);
            heard.looked.notify_all();
        };
        if std::thread::Builder::new().name("certificate".to_owned()).spawn(looks).is_err() {
            // Without a thread the words of librdkafka have to do.
            lock(&self.0.certificates).remove(broker);
        }
    }

    /// Why brokers can't be reached, each with its host and port; nothing where no connection failed lately.
    pub(super) fn told(&self) -> Option<String> {
        let mut failures = lock(&self.0.words);
        failures.retain(|_, (_, at)| at.elapsed() < BELIEVED);
        let certificates = lock(&self.0.certificates);
        let told = failures.iter().map(|(broker, (reason, _))| {
            // What was found before is told while it is looked at.
            let wrong = certificates.get(broker).and_then(|looked| looked.wrong).filter(|_| reason.contains(REFUSED));
            match wrong.or_else(|| self.0.trust.refused(reason)) {
                Some(wrong) => format!("{broker}: {wrong} ({reason})"),
                None => format!("{broker}: {reason}"),
            }
        });
        let told: Vec<_> = told.collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// An error with the reason in the place of a code that says nothing, where the way to the brokers is at fault. The
    /// brokers of the settings, `bootstrap`, have been named before. Blocks where a certificate is being looked at for
    /// the first time.
    pub(super) fn explain(&self, error: KafkaError, bootstrap: &str) -> anyhow::Error {
        let says_nothing =
            error.rdkafka_error_code().is_none_or(|code| (code as i32) < 0 && whose(code) == Whose::Cluster);
        if !says_nothing {
            return error.into();
        }
        let is_unseen = |looked: &Looked| looked.looks && looked.wrong.is_none();
        let certificates = lock(&self.0.certificates);
        let unseen = |all: &mut BTreeMap<String, Looked>| all.values().any(is_unseen);
        let waited = self.0.looked.wait_timeout_while(certificates, LOOK, unseen);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        let Some(told) = self.told() else { return anyhow!("no broker answers; {HINT}") };
        let told = told.strip_prefix(bootstrap).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&told);
        if is_nobody(told) { anyhow!("{told}; {HINT}") } else { anyhow!("{told}") }
    }
}

/// Has a consumer that is only asked questions tell what its connections ran into: it does so when it is polled.
pub(super) fn listen(consumer: &BaseConsumer<Failures>) {
    // A poll ends at each line. Whatever else comes is told as the answer to the question.
    for _ in 0..MOST_LINES {
        drop(consumer.poll(Duration::ZERO));
    }
}

/// A client that is asked, and whose failures are heard.
impl ClientContext for Failures {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.hear(facility, message);
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("Kafka client: {error}: {reason}");
    }
}

impl ConsumerContext for Failures {}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

/// Host and port of a broker, and what failed there: of `[thrd:NAME]: NAME: REASON (after 5ms in state CONNECT)`.
fn parse(message: &str) -> Option<(&str, String)> {
    let told = message.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: ")).map_or(message, |(_, told)| told);
    let (name, reason) = told.split_once(": ")?;
    // Nothing stands for PLAINTEXT.
    let (protocol, address) = name.split_once("://").unwrap_or(("", name));
    let address = address.rsplit_once('/').map_or(address, |(address, _)| address);
    let (reason, when) = reason.rsplit_once(" (after ").unwrap_or((reason, ""));
    if !address.contains(':') {
        // Coordinators go by their role, and have their address before the reason.
        let (address, reason) = reason.split_once(": ")?;
        return Some((address, plain(address, reason).to_owned()));
    }
    Some((address, format!("{}{}", plain(address, reason), advice(protocol, reason, when))))
}

/// A reason without the address, which stands before it.
fn plain<'a>(address: &str, reason: &'a str) -> &'a str {
    let unresolved = || reason.strip_prefix(RESOLVE)?.strip_prefix(address)?.strip_prefix("': ");
    let refused = || {
        let (to, why) = reason.strip_prefix(CONNECT)?.split_once(" failed: ")?;
        // Of a name it is worth telling what it leads to.
        (to.split_once('#')?.1 == address).then_some(why)
    };
    unresolved().or_else(refused).unwrap_or(reason)
}

/// Whether a reason means that nobody was found at an address.
fn is_nobody(reason: &str) -> bool {
    let words = ["Connection refused", "not known", "No route to host", "timed out", "No address associated", CONNECT];
    words.iter().any(|words| reason.contains(words))
}

/// What a broker that just closes a connection may mean by that. (Librdkafka has such words, but in this release it
/// never says them.)
fn advice(protocol: &str, reason: &str, when: &str) -> &'static str {
    let is_encrypted = protocol.ends_with("ssl");
    let (time, state) = when.split_once("ms in state ").unwrap_or_default();
    let is_soon = time.parse().is_ok_and(|time: u64| time < SOON);
    match state {
        _ if !reason.starts_with("Disconnected") || is_encrypted => "",
        state if state.starts_with("APIVERSION_QUERY") => {
            "; it may be the port of a listener with TLS, for which security.protocol must be ssl or sasl_ssl"
        }
        state if state.starts_with("UP") && is_soon && protocol.is_empty() => {
            "; it may be the port of a listener that requires SASL authentication, for which security.protocol must be \
             sasl_plaintext or sasl_ssl"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::error::RDKafkaErrorCode;

    use super::*;

    #[test]
    fn a_reason_is_told_with_host_and_port() {
        let failures = Failures::default();
        assert_eq!(failures.told(), None);
        failures.hear(
            "FAIL",
            "[thrd:sasl_ssl://b:9092/bootstrap]: sasl_ssl://b:9092/bootstrap: old (after 1ms in state X)",
        );
        failures.hear("FAIL", "[thrd:b:9092/1]: b:9092/1: SASL authentication error: no (after 5ms in state AUTH_REQ)");
        failures.hear(
            "FAIL",
            "[thrd:GroupCoordinator]: GroupCoordinator: c:1: Failed to resolve 'c:1': unknown (after 2ms)",
        );
        failures.hear("FAIL", "[thrd:d]: plaintext://[::1]:9/3: refused");
        failures.hear("GETPID", "[thrd:b:9092/1]: e:9092/1: no failure");
        failures.hear("FAIL", "nothing of that kind");
        assert_eq!(failures.told().unwrap(), "[::1]:9: refused; b:9092: SASL authentication error: no; c:1: unknown");
        let passing = KafkaError::MetadataFetch(RDKafkaErrorCode::BrokerTransportFailure);
        assert!(failures.explain(passing, "b:9092").to_string().contains("SASL authentication error"));
        let final_one = KafkaError::MetadataFetch(RDKafkaErrorCode::TopicAuthorizationFailed);
        assert!(failures.explain(final_one.clone(), "b:9092").to_string().contains("TopicAuthorizationFailed"));
        assert!(Failures::default().explain(final_one, "b:9092").to_string().contains("TopicAuthorizationFailed"));
    }

    #[test]
    fn where_nobody_is_found_it_is_told_once_and_with_the_setting() {
        let told = |bootstrap: &str, words: &str| {
            let failures = Failures::default();
            failures.hear("FAIL", &format!("[thrd:{bootstrap}/bootstrap]: {bootstrap}/bootstrap: {words}"));
            let passing = KafkaError::MetadataFetch(RDKafkaErrorCode::BrokerTransportFailure);
            failures.explain(passing, bootstrap).to_string()
        };
        let refused = "Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)";
        assert_eq!(told("127.0.0.1:1", refused), format!("Connection refused; {HINT}"));
        let by_name = format!("Connect to ipv4#127.0.0.1:1 failed: Connection refused; {HINT}");
        assert_eq!(told("localhost:1", refused), by_name);
        let unresolved = "Failed to resolve 'b:1': Name or service not known (after 0ms in state CONNECT)";
        assert_eq!(told("b:1", unresolved), format!("Name or service not known; {HINT}"));
        // Whoever is found and wants something else is there.
        let wrong = "SASL authentication error: Invalid password (after 5ms in state AUTH_REQ)";
        assert_eq!(told("b:1", wrong), "SASL authentication error: Invalid password");
        let silent = KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut);
        assert_eq!(Failures::default().explain(silent, "b:1").to_string(), format!("no broker answers; {HINT}"));
    }

    #[test]
    fn a_broker_that_closes_a_connection_at_once_wants_another_protocol() {
        let reason = |message: &str| parse(message).unwrap().1;
        let closed = "Disconnected: connection closed by peer: receive 0 after POLLIN";
        let told = |name: &str, when: &str| reason(&format!("[thrd:x]: {name}: {closed} (after {when})"));
        assert!(told("b:9092/bootstrap", "3ms in state UP").contains("requires SASL authentication"));
        assert!(told("b:9092/bootstrap", "3ms in state APIVERSION_QUERY").contains("a listener with TLS"));
        assert!(told("sasl_plaintext://b:9092/1", "3ms in state APIVERSION_QUERY").contains("a listener with TLS"));
        for (name, when) in [
            ("b:9092/1", "60000ms in state UP"),
            ("sasl_plaintext://b:9092/1", "3ms in state UP"),
            ("ssl://b:9092/1", "3ms in state APIVERSION_QUERY"),
        ] {
            assert_eq!(told(name, when), closed, "{name} {when}");
        }
    }
}
