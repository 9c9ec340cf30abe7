//! Brokers that want TLS, a password, a client's certificate, or several of these: what is right works, and of what is
//! wrong it is told what: <https://github.com/confluentinc/librdkafka/issues/2637>,
//! <https://github.com/confluentinc/librdkafka/issues/4889>.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::certificates::{Issued, Signer};
use crate::eventually::eventually;
use crate::kafka::{Kafka, Listener, Record};
use crate::pelton::Host;
use crate::stage::{RUN, guest};

const NO_POSTGRES: &str = "postgres://u:p@127.0.0.1:1/d";
const HERE: &str = "127.0.0.1";

/// A broker with a listener of each kind, and the certificates.
struct Secured {
    kafka: Kafka,
    ca: Signer,
    other_ca: Signer,
    client: Issued,
    foreign_client: Issued,
    expired_client: Issued,
    folder: TempDir,
}

fn secured() -> Secured {
    let folder = tempfile::tempdir().unwrap();
    let (ca, other_ca) = (Signer::new(folder.path(), "ca"), Signer::new(folder.path(), "other"));
    let keys = |issued: &Issued| {
        vec!["ssl.keystore.type=PEM".to_owned(), format!("ssl.keystore.location={}", issued.both.display())]
    };
    let good = keys(&ca.issue("broker", HERE, 30));
    let trusted =
        ["ssl.truststore.type=PEM".to_owned(), format!("ssl.truststore.location={}", ca.certificate().display())];
    let scram = |mechanism: &str| {
        format!("{mechanism}.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;")
    };
    let plain = "plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
                 user_alice=\"right\";";
    let listener =
        |name, protocol, settings: Vec<Vec<String>>| Listener { name, protocol, settings: settings.concat() };
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let kafka = Kafka::start_with_listeners(vec![
        listener(
            "SCRAM",
            "SASL_SSL",
            vec![
                good.clone(),
                texts(&["sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512"]),
                vec![scram("scram-sha-256"), scram("scram-sha-512")],
            ],
        ),
        listener("PLAIN", "SASL_SSL", vec![good.clone(), texts(&["sasl.enabled.mechanisms=PLAIN", plain])]),
        listener("MUTUAL", "SSL", vec![good, trusted.to_vec(), texts(&["ssl.client.auth=required"])]),
        listener("EXPIRED", "SSL", vec![keys(&ca.issue("expired", HERE, -1))]),
        listener("ELSEWHERE", "SSL", vec![keys(&ca.issue("elsewhere", "elsewhere.example", 30))]),
    ])
    .unwrap();
    kafka.add_scram_user("alice", "right");
    for topic in ["sensors", "alerts"] {
        kafka.create_topic(topic, 1, &[]);
    }
    let (client, expired_client) = (ca.issue("client", "client.example", 30), ca.issue("late", "client.example", -1));
    let foreign_client = other_ca.issue("client", "client.example", 30);
    Secured { kafka, ca, other_ca, client, foreign_client, expired_client, folder }
}

fn property(key: &str, value: impl AsRef<Path>) -> String {
    format!("\"{key}\" = \"{}\"\n", value.as_ref().display())
}

/// Properties for TLS with these certificates trusted.
fn tls(ca: &Signer) -> String {
    property("security.protocol", "ssl") + &property("ssl.ca.location", ca.certificate())
}

fn sasl(ca: &Signer, mechanism: &str, user: &str, password: &str) -> String {
    property("security.protocol", "sasl_ssl")
        + &property("ssl.ca.location", ca.certificate())
        + &property("sasl.mechanism", mechanism)
        + &property("sasl.username", user)
        + &(if password.is_empty() { String::new() } else { property("sasl.password", password) })
}

fn with_client(ca: &Signer, client: &Issued) -> String {
    tls(ca) + &property("ssl.certificate.location", &client.certificate) + &property("ssl.key.location", &client.key)
}

impl Secured {
    fn host(&self, listener: &str, properties: &str) -> Host {
        let place = format!("127.0.0.1:{}", self.kafka.port(listener));
        Host::new(&place, NO_POSTGRES).config(&format!("[kafka.properties]\n{properties}"))
    }

    /// A file with a password, as Docker and Kubernetes mount them.
    fn password_file(&self) -> PathBuf {
        let file = self.folder.path().join("password");
        fs::write(&file, "right\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
        file
    }
}

macro_rules! require_secured {
    () => {
        match Kafka::available() {
            Ok(()) => secured(),
            Err(reason) => return crate::skip::skip(crate::skip::test_name!(), &reason),
        }
    };
}

#[test]
fn jobs_run_on_scram_plain_and_mutual_tls() {
    let secured = require_secured!();
    let ca = &secured.ca;
    let hosts = [
        ("scram_256", secured.host("SCRAM", &sasl(ca, "SCRAM-SHA-256", "alice", "right"))),
        (
            "scram_512",
            secured
                .host("SCRAM", &sasl(ca, "SCRAM-SHA-512", "alice", ""))
                .env("PELTON_KAFKA__PASSWORD_FILE", secured.password_file()),
        ),
        ("plain", secured.host("PLAIN", &sasl(ca, "PLAIN", "alice", "right"))),
        ("mutual", secured.host("MUTUAL", &with_client(ca, &secured.client))),
    ];
    for (name, mut host) in hosts {
        host.start();
        host.submit(guest("identity"), &["--name", name]);
        secured.kafka.produce("sensors", &[Record::new(name)]);
        eventually(RUN, &format!("a record comes through {name}"), || {
            secured.kafka.read_all("alerts").iter().any(|record| record.text() == name).then_some(())
        });
        host.wait_until_ready();
        assert_eq!(host.sigterm(RUN), 0);
        assert!(!host.log().contains("right"), "{}", host.log());
    }
}

/// A listener, properties that are wrong there, and what has to be told.
fn wrong(secured: &Secured) -> Vec<(&'static str, String, &'static [&'static str])> {
    let (ca, other) = (&secured.ca, &secured.other_ca);
    vec![
        ("SCRAM", sasl(ca, "SCRAM-SHA-256", "alice", "wrong-password"), &["SASL", "Authentication failed"]),
        ("SCRAM", sasl(ca, "SCRAM-SHA-512", "nobody", "wrong-password"), &["SASL", "Authentication failed"]),
        ("PLAIN", sasl(ca, "PLAIN", "alice", "wrong-password"), &["SASL", "Authentication failed"]),
        ("PLAIN", sasl(ca, "SCRAM-SHA-256", "alice", "right"), &["SCRAM-SHA-256", "supported mechanisms: PLAIN"]),
        ("PLAIN", sasl(other, "PLAIN", "alice", "right"), &["its certificate is signed by none that is trusted"]),
        (
            "PLAIN",
            property("security.protocol", "sasl_plaintext")
                + &property("sasl.mechanism", "PLAIN")
                + &property("sasl.username", "alice")
                + &property("sasl.password", "right"),
            &["a listener with TLS"],
        ),
        ("EXPIRED", tls(ca), &["its certificate has expired"]),
        ("ELSEWHERE", tls(ca), &["its certificate is for another name"]),
        ("MUTUAL", tls(ca), &["a certificate of the client", "ssl.certificate.location"]),
        ("MUTUAL", with_client(ca, &secured.foreign_client), &["does not take the certificate of this client"]),
        ("MUTUAL", with_client(ca, &secured.expired_client), &["does not take the certificate of this client"]),
    ]
}

#[ignore = "slow: a host is started with each setting that is wrong"]
#[test]
fn what_is_wrong_is_told_of_a_submitted_job() {
    let secured = require_secured!();
    let mut host = secured.host("PLAIN", &sasl(&secured.ca, "PLAIN", "alice", "right"));
    host.start();
    host.submit(guest("identity"), &[]);
    host.wait_until_ready();
    assert_eq!(host.sigterm(RUN), 0);
    for (listener, properties, words) in wrong(&secured) {
        let place = format!("127.0.0.1:{}", secured.kafka.port(listener));
        host = host.flag("--kafka", &place).config(&format!("[kafka.properties]\n{properties}"));
        host.start();
        let told = eventually(RUN, &format!("{words:?} is told of {listener}: {properties}"), || {
            let told = host.show("identity")["conditions"].to_string();
            words.iter().all(|words| told.contains(words)).then_some(told)
        });
        assert!(told.contains(&place), "{told}");
        eventually(RUN, "/readyz tells it, too", || {
            let (status, ready) = host.get("/readyz");
            let ready = ready.as_str()?.to_owned();
            (status == 503 && words.iter().all(|words| ready.contains(words))).then_some(())
        });
        assert_eq!(host.sigterm(RUN), 0);
    }
    assert!(!host.log().contains("wrong-password"), "{}", host.log());
}

#[test]
fn files_that_are_not_there_or_not_right_end_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Signer::new(folder.path(), "ca");
    let (client, other) = (ca.issue("client", "client.example", 30), ca.issue("other", "client.example", 30));
    let open = folder.path().join("open");
    fs::write(&open, "password").unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o666)).unwrap();
    let mismatch = Issued { key: other.key, ..client.clone() };
    let missing = Issued { key: "/no/such/key".into(), ..client };
    for (properties, file, words) in [
        (with_client(&ca, &missing), None, "ssl.key.location"),
        (with_client(&ca, &mismatch), None, "key values mismatch"),
        (tls(&ca), Some(folder.path().join("none")), "failed to read kafka.password_file"),
        (tls(&ca), Some(open), "other accounts can write it (mode 666)"),
    ] {
        let mut host = Host::new("127.0.0.1:1", NO_POSTGRES).config(&format!("[kafka.properties]\n{properties}"));
        if let Some(file) = file {
            host = host.env("PELTON_KAFKA__PASSWORD_FILE", file);
        }
        let (code, log) = host.start_in_vain();
        assert!(code == 1 && log.contains(words), "{words}: {code}: {log}");
    }
}
