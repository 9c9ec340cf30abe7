//! A password, a certificate, a protocol or a name is wrong, and all that is told is a transport failure:
//! <https://github.com/confluentinc/confluent-kafka-python/issues/1328>,
//! <https://github.com/confluentinc/librdkafka/issues/2959>.

use crate::kafka::{Guarded, Kafka, require_kafka};
use crate::pelton::Host;
use crate::stage::guest;

const NO_POSTGRES: &str = "postgres://u:p@127.0.0.1:1/d";

struct Case {
    name: &'static str,
    port: u16,
    properties: String,
    /// What has to be told.
    words: &'static [&'static str],
}

fn cases(guarded: Guarded) -> Vec<Case> {
    let plain = |password: &str| {
        format!(
            r#""security.protocol" = "sasl_plaintext"
"sasl.mechanism" = "PLAIN"
"sasl.username" = "alice"
"sasl.password" = "{password}""#
        )
    };
    let tls = r#""security.protocol" = "ssl""#;
    let case = |name, port, properties: String, words| Case { name, port, properties, words };
    vec![
        case("wrong password", guarded.sasl, plain("wrong-password"), &["authentication", "Authentication failed"]),
        case(
            "plain client on a SASL port",
            guarded.sasl,
            String::new(),
            &["a listener that requires SASL authentication"],
        ),
        case("plain client on a TLS port", guarded.tls, String::new(), &["a listener with TLS"]),
        case("certificate not trusted", guarded.tls, tls.to_owned(), &["certificate verify failed"]),
        case("name that does not resolve", guarded.elsewhere, String::new(), &["nobody.invalid", "Failed to resolve"]),
    ]
}

/// A host that is to use this port; not started yet.
fn host(port: u16, properties: &str) -> Host {
    Host::new(&format!("127.0.0.1:{port}"), NO_POSTGRES).config(&format!("[kafka.properties]\n{properties}\n"))
}

/// What a host says that can't reach its brokers: to a submit, and at `/readyz`.
fn told(port: u16, properties: &str) -> (String, String) {
    let mut host = host(port, properties);
    host.start();
    let said = host.cli(&["submit".into(), guest("identity").into_os_string()]);
    assert_eq!(said.code, 1, "{}", said.stderr);
    let (status, ready) = host.get("/readyz");
    (said.stderr, format!("{status} {}", ready.as_str().unwrap_or_default()))
}

#[track_caller]
fn check(case: &Case) {
    let (refusal, ready) = told(case.port, &case.properties);
    let name = case.name;
    let place = if name == "name that does not resolve" { "nobody.invalid:" } else { "127.0.0.1:" };
    for words in case.words.iter().chain([&place]) {
        assert!(refusal.contains(words), "{name}: the refusal does not say {words:?}: {refusal}");
    }
    assert!(refusal.contains(&case.port.to_string()), "{name}: {refusal}");
    assert!(!refusal.contains("wrong-password"), "{refusal}");
    if name == "name that does not resolve" {
        return;
    }
    for words in case.words {
        assert!(ready.starts_with("503") && ready.contains(words), "{name}: /readyz does not say {words:?}: {ready}");
    }
}

#[ignore = "slow: each request to a broker that can't be reached takes its time"]
#[test]
fn a_submit_and_readyz_tell_why() {
    let kafka = require_kafka!(guarded);
    for topic in ["sensors", "alerts"] {
        kafka.create_topic(topic, 1, &[]);
    }
    cases(kafka.guarded().unwrap()).iter().for_each(check);
    // TLS with nobody behind it who speaks it.
    let port = kafka.bootstrap().rsplit_once(':').unwrap().1.parse().unwrap();
    let (refusal, ready) = told(port, r#""security.protocol" = "ssl""#);
    for told in [&refusal, &ready] {
        assert!(told.contains("SSL handshake failed") && told.contains(&port.to_string()), "{told}");
    }
}

#[ignore = "slow: a job is started on a broker, which then changes"]
#[test]
fn a_job_tells_why_it_lost_its_brokers() {
    let mut kafka: Kafka = require_kafka!(guarded);
    for topic in ["sensors", "alerts"] {
        kafka.create_topic(topic, 1, &[]);
    }
    let guarded = kafka.guarded().unwrap();
    let trusted =
        format!("\"security.protocol\" = \"ssl\"\n\"ssl.ca.location\" = \"{}\"", kafka.certificate().display());
    let mut host = host(guarded.tls, &trusted);
    host.start();
    host.submit(guest("identity"), &[]);
    host.wait_until_ready();
    kafka.stop().unwrap();
    let reason = crate::eventually::eventually(crate::stage::RUN, "it is told", || {
        let view = host.show("identity");
        let conditions = view["conditions"].as_array()?.clone();
        conditions.iter().find_map(|told| Some(told["reason"].as_str()?.to_owned()).filter(|r| r.contains("refused")))
    });
    assert!(
        reason.contains(&format!("127.0.0.1:{}: ", guarded.tls)) && reason.contains("Connection refused"),
        "{reason}"
    );
    let ready = host.get("/readyz").1.as_str().unwrap().to_owned();
    assert!(ready.contains("Connection refused"), "{ready}");
    kafka.start_again().unwrap();
    host.wait_until_ready();
}

#[test]
fn settings_that_can_not_work_end_the_start() {
    for (table, property, words) in [
        ("properties", r#""no.such.property" = "1""#, "no.such.property"),
        ("consumer", r#""no.such.property" = "1""#, "no.such.property"),
        ("producer", r#""compression.type" = "rar""#, "compression.type"),
        ("properties", r#""security.protocol" = "sasl_plaintext""#, "sasl"),
        ("properties", "\"security.protocol\" = \"ssl\"\n\"ssl.ca.location\" = \"/no/such/file\"", "ssl.ca.location"),
    ] {
        let host = Host::new("127.0.0.1:1", NO_POSTGRES);
        let (code, log) = host.config(&format!("[kafka.{table}]\n{property}\n")).start_in_vain();
        let makes_no_sense = log.contains("the Kafka settings make no sense");
        assert!(code == 1 && makes_no_sense && log.contains(words), "{table} {property}: {code}: {log}");
    }
}
