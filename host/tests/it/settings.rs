//! Settings as users give them, and metrics as Prometheus reads them.

use std::collections::{BTreeMap, BTreeSet};

use crate::eventually::eventually;
use crate::kafka::Record;
use crate::pelton::{Host, pelton};
use crate::readings::readings;
use crate::stage::{RUN, example, require_stage};

/// Starts a host with these settings in vain: exit code 1, and a message with these words.
#[track_caller]
fn refused(toml: &str, words: &str) {
    // It ends before it looks for any server.
    let mut host = Host::new("127.0.0.1:1", "postgres://nobody:nothing@127.0.0.1:1/none").config(toml);
    let (code, log) = host.start_in_vain();
    assert_eq!(code, 1, "{log}");
    assert!(log.contains(words), "{log}");
}

#[test]
fn settings_that_make_no_sense_are_named() {
    refused("bootsrap = 1", "unknown field: found `bootsrap`");
    refused("[kafka]\nbootsrap = \"a:1\"", "unknown field: found `bootsrap`");
    refused("[delivery]\ndrain_timeout = 5", "drain_timeout");
    refused("[delivery]\ndrain_timeout = \"soon\"", "drain_timeout");
    refused("[batch]\nmax_records = 0", "batch.max_records is 0; it must be at least 1");
    refused("[limits]\nstart_time = \"0s\"", "limits.start_time is less than a millisecond");
    refused("[kafka", "pelton.toml");
    // What would show with the first job only.
    let session = "the Kafka settings make no sense: ";
    refused("[delivery]\ndrain_timeout = \"10m\"", session);
    let address = "expected an IP address and a port, such as 127.0.0.1:8081";
    for wrong in ["28083", ":28083", "localhost:28083"] {
        let said = pelton(&["run", "--listen", wrong], &[]);
        let told = format!(
            "pelton: the settings make no sense: invalid value: found text, {address}, [::1]:8081, or 0.0.0.0:8081 for \
             all addresses, for key \"listen\" in the command line\n"
        );
        assert_eq!((said.code, said.stderr), (1, told), "{wrong}");
    }
    let said = pelton(&["run", "--kafka", "http://localhost:9092"], &[]);
    let told = "pelton: kafka.bootstrap is no list of brokers; it must be HOST:PORT, such as localhost:9092, several with \
                commas\n";
    assert_eq!((said.code, said.stderr.as_str()), (1, told));
    let timeouts = "delivery.drain_timeout (20s) must be below session.timeout.ms (10000)";
    refused("[kafka.consumer]\n\"session.timeout.ms\" = \"10000\"", timeouts);
    let (code, log) = Host::new("127.0.0.1:1", "mysql://u:secret@h/d").start_in_vain();
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("a Postgres URL starts with postgres://") && !log.contains("secret"), "{log}");
}

#[test]
fn servers_that_are_not_where_the_settings_say_are_told_of_at_the_start() {
    let mut host = Host::new("127.0.0.1:1", "postgres://nobody:nothing@127.0.0.1:1/none");
    host.start();
    for told in [
        "WARN Kafka at 127.0.0.1:1 does not answer: Connection refused; is Kafka there? --kafka HOST:PORT, or KAFKA_HOST, \
         says where it is; jobs wait until it answers\n",
        "WARN failed to connect to postgres://nobody@127.0.0.1:1/none: ",
    ] {
        eventually(RUN, "it is told", || host.log().contains(told).then_some(()));
    }
    let log = host.log();
    assert!(!log.contains("librdkafka") && !log.contains(".rs") && !log.contains("nothing"), "{log}");
}

#[test]
fn variables_that_are_no_settings_end_no_start_and_those_that_look_like_one_are_told() {
    // What Kubernetes puts into every pod beside a Service of the name pelton.
    let mut host = Host::new("127.0.0.1:1", "postgres://nobody:nothing@127.0.0.1:1/none")
        .env("PELTON_PORT", "tcp://10.3.240.20:8081")
        .env("PELTON_PORT_8081_TCP_ADDR", "10.3.240.20")
        .env("PELTON_SERVICE_HOST", "10.3.240.20")
        .env("PELTON_SERVICE_PORT_HTTP", "8081")
        .env("PELTON_BATCH_MAX_RECORDS", "7")
        .env("PELTON_LIMITS__MEMORY_MIBS", "7")
        .env("PELTON_KAFKA__WHATEVER", "secret")
        .env("PELTON_POSTGRES__WHATEVER", "secret")
        .env("PELTON_LISTEN_PORT", "tcp://10.3.240.20:80")
        .env("PELTON_LISTN", "secret");
    host.start();
    let log = host.log();
    for (name, meant) in [
        ("PELTON_BATCH_MAX_RECORDS", "; did you mean PELTON_BATCH__MAX_RECORDS?"),
        ("PELTON_LIMITS__MEMORY_MIBS", "; did you mean PELTON_LIMITS__MEMORY_MIB?"),
        ("PELTON_KAFKA__WHATEVER", ""),
        ("PELTON_POSTGRES__WHATEVER", ""),
        ("PELTON_LISTN", "; did you mean PELTON_LISTEN?"),
    ] {
        let told = format!("the variable {name} is ignored, for there is no such setting{meant}\n");
        assert!(log.contains(&told), "{told} is missing in {log}");
    }
    assert!(!log.contains("PELTON_LISTEN_PORT"), "{log}");
    assert!(!log.contains("PELTON_PORT") && !log.contains("PELTON_SERVICE") && !log.contains("secret"), "{log}");
}

#[test]
fn properties_that_would_lose_records_are_refused() {
    for (section, key) in [
        ("properties", "enable.auto.commit"),
        ("consumer", "enable.auto.offset.store"),
        ("consumer", "auto.offset.reset"),
        ("consumer", "group.id"),
        ("producer", "enable.idempotence"),
        ("properties", "bootstrap.servers"),
    ] {
        refused(
            &format!("[kafka.{section}]\n\"{key}\" = \"true\""),
            &format!(
                "kafka.{section} sets {key:?}, which Pelton itself must set for records not to be lost; remove it"
            ),
        );
    }
}

#[test]
fn any_other_property_reaches_librdkafka() {
    let stage = require_stage!();
    stage.topics(1);
    let mut host = Host::new(&stage.kafka.bootstrap(), &stage.postgres.url()).config(
        "[kafka.properties]\n\"client.id\" = \"somebody\"\n[kafka.producer]\n\"compression.type\" = \"zstd\"\n\"linger.ms\" = \"1\"\n
         [kafka.consumer]\n\"fetch.min.bytes\" = \"2\"\n",
    );
    host.start();
    host.submit(example("sensor_alerts"), &[]);
    stage.kafka.produce("sensors", &readings(0..100));
    stage.wait_until_done("sensor_alerts");
    assert_eq!(stage.alerts().len(), 25);
    drop(host);

    // One that librdkafka does not know is told in its own words, before anything starts.
    let mut host = Host::new(&stage.kafka.bootstrap(), &stage.postgres.url())
        .config("[kafka.properties]\n\"no.such.property\" = \"1\"\n");
    let (code, log) = host.start_in_vain();
    assert_eq!(code, 1);
    assert!(log.contains("the Kafka settings make no sense") && log.contains("no.such.property"), "{log}");
}

/// The names that dashboards rely on, as Prometheus stores them.
const DOCUMENTED: [&str; 14] = [
    "pelton_records_in_total",
    "pelton_in_bytes_total",
    "pelton_records_out_total",
    "pelton_out_bytes_total",
    "pelton_rejects_total",
    "pelton_records_expired_total",
    "pelton_dead_letters_total",
    "pelton_guest_failures_total",
    "pelton_batch_seconds_bucket",
    "pelton_batch_seconds_count",
    "pelton_lag_records",
    "pelton_commit_age_seconds",
    "pelton_in_flight_bytes",
    "pelton_job_up",
];

#[test]
fn metrics_have_their_documented_names_and_parse() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    host.start();
    host.submit(example("sensor_pipeline"), &[]);
    let mut records = readings(0..100);
    records.push(Record::new("no reading"));
    stage.kafka.produce("sensors", &records);
    stage.wait_until_done("sensor_pipeline");
    // The lag is known once the broker has told the ends.
    let job = &[("job", "sensor_pipeline")][..];
    eventually(RUN, "the lag is 0", || (host.metric("pelton_lag_records", job) == Some(0.0)).then_some(()));
    let (_, text) = host.get("/metrics");
    let text = text.as_str().unwrap();
    let samples = parse(text);
    let names: BTreeSet<&str> = samples.keys().map(|(name, _)| name.as_str()).collect();
    for name in DOCUMENTED {
        assert!(names.contains(name), "{name} is missing in {text}");
    }
    let sink = |sink| [("job", "sensor_pipeline"), ("sink", sink)];
    assert_eq!(host.metric("pelton_records_in_total", job), Some(101.0));
    assert_eq!(host.metric("pelton_rejects_total", job), Some(1.0));
    assert_eq!(host.metric("pelton_records_out_total", &sink("alerts")), Some(25.0));
    assert_eq!(host.metric("pelton_records_out_total", &sink("raw_sensors_data")), Some(100.0));
    assert_eq!(host.metric("pelton_dead_letters_total", &[("job", "sensor_pipeline"), ("stage", "reject")]), Some(1.0));
    assert_eq!(host.metric("pelton_job_up", job), Some(1.0));
}

/// A sample's name and labels, and its value.
type Samples = BTreeMap<(String, BTreeMap<String, String>), f64>;

/// Reads the text format of OpenMetrics strictly: every sample has a number, no sample comes twice, every family its
/// type and help before its samples, and the end is marked.
fn parse(text: &str) -> Samples {
    let mut samples = Samples::new();
    let mut families = BTreeSet::new();
    let body = text.strip_suffix("# EOF\n").expect("the end is marked");
    for line in body.lines() {
        if let Some(meta) = line.strip_prefix("# ") {
            let (kind, rest) = meta.split_once(' ').unwrap();
            assert!(["HELP", "TYPE", "UNIT"].contains(&kind), "{line}");
            families.insert(rest.split_once(' ').unwrap().0.to_owned());
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value in {line}"));
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        assert!(families.iter().any(|family| name.starts_with(family.as_str())), "{name} has no type");
        let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("open labels in {line}"));
        let labels = labels.split("\",").filter(|label| !label.is_empty()).map(|label| {
            let (label, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            (label.to_owned(), value.trim_end_matches('"').to_owned())
        });
        let key = (name.to_owned(), labels.collect());
        let value = value.parse().unwrap_or_else(|_| panic!("no number in {line}"));
        assert_eq!(samples.insert(key, value), None, "{line} comes twice");
    }
    samples
}
