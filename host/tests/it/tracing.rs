//! Traces over a real Kafka: `traceparent` in, `traceparent` out, and spans at an OTLP endpoint, or none where it is
//! away.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::kafka::Record;
use crate::pelton::Host;
use crate::readings::{reading, readings};
use crate::stage::{RUN, Stage, example, require_stage};

const JOB: &str = "sensor_alerts";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// An OTLP endpoint: takes every request, and keeps the spans. Its thread ends with the process.
#[derive(Debug)]
struct Receiver {
    port: u16,
    spans: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let spans = Arc::<Mutex<Vec<Value>>>::default();
        let kept = Arc::clone(&spans);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream.unwrap(), &kept));
            }
        });
        Self { port, spans }
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/v1/traces", self.port)
    }

    /// The spans so far, by offset of their records.
    fn spans(&self) -> Vec<Value> {
        let mut spans = self.spans.lock().unwrap().clone();
        spans.sort_by_key(|span| attribute(span, "messaging.kafka.offset").unwrap().parse::<i64>().unwrap());
        spans
    }
}

/// Answers the requests of one connection.
fn serve(mut stream: TcpStream, kept: &Mutex<Vec<Value>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let start = head.len();
            if reader.read_line(&mut head).unwrap() == 0 {
                return;
            }
            if let Some(value) = head[start..].to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains("content-type: application/json"), "{head}");
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let of_resource = &body["resourceSpans"][0];
        let service = json!({"key": "service.name", "value": {"stringValue": "pelton"}});
        assert!(of_resource["resource"]["attributes"].as_array().unwrap().contains(&service), "{body}");
        let spans = of_resource["scopeSpans"][0]["spans"].as_array().unwrap();
        kept.lock().unwrap().extend(spans.iter().cloned());
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}").unwrap();
    }
}

/// An attribute of a span as text, whatever its type.
fn attribute(span: &Value, key: &str) -> Option<String> {
    let found = span["attributes"].as_array()?.iter().find(|attribute| attribute["key"] == key)?;
    let value = found["value"].as_object()?.values().next()?;
    Some(value.as_str().unwrap().to_owned())
}

/// A host with these settings of `[tracing]`, on a topic of one partition.
fn host(stage: &Stage, tracing: &str) -> Host {
    stage.topics(1);
    let mut host = stage.host().config(&format!("[delivery]\ncommit_interval = \"200ms\"\n[tracing]\n{tracing}\n"));
    host.start();
    host.submit(example(JOB), &[]);
    host
}

/// Trace id, span id and flags.
#[track_caller]
fn trace(record: &Record) -> (String, String, String) {
    let named = record.headers.iter().filter(|(name, _)| name == "traceparent").count();
    assert_eq!(named, 1, "one traceparent: {:?}", record.headers);
    let parts: Vec<_> = record.header_text("traceparent").unwrap().split('-').map(str::to_owned).collect();
    let [version, trace, span, flags] = &parts[..] else { panic!("{parts:?}") };
    assert_eq!(version, "00");
    (trace.clone(), span.clone(), flags.clone())
}

#[test]
fn a_trace_goes_on_through_the_job_and_its_spans_arrive() {
    let stage = require_stage!();
    let receiver = Receiver::start();
    let mut host = host(&stage, &format!("on = true\nendpoint = {:?}\nsample = 0", receiver.endpoint()));
    let traced = |record: Record, flags: &str| {
        let traceparent = format!("00-{TRACE}-{PARENT}-{flags}");
        record.header("traceparent", Some(traceparent.as_bytes())).header("tracestate", Some(b"vendor=1"))
    };
    stage.kafka.produce(
        "sensors",
        &[
            traced(reading("recorded", 31.0), "01"),
            traced(reading("not recorded", 31.0), "00"),
            reading("without", 31.0),
            reading("broken", 31.0).header("traceparent", Some(b"\xff\0")).header("tracestate", Some(b"vendor=1")),
            traced(Record::new("no reading"), "01"),
        ],
    );
    stage.wait_until_done(JOB);

    let alerts = stage.kafka.read_all("alerts");
    assert_eq!(alerts.len(), 4);
    let (id, span, flags) = trace(&alerts[0]);
    assert_eq!((id.as_str(), flags.as_str()), (TRACE, "01"));
    assert_ne!(span, PARENT);
    assert_eq!(alerts[0].header_text("tracestate"), Some("vendor=1"));
    let (id, unrecorded, flags) = trace(&alerts[1]);
    assert_eq!((id.as_str(), flags.as_str()), (TRACE, "00"));
    assert!(unrecorded != PARENT && unrecorded != span);
    for untraced in &alerts[2..] {
        assert_eq!(untraced.headers, [], "it begins no trace");
    }
    let letters = stage.kafka.read_all(&format!("{JOB}.dlq"));
    assert_eq!(letters.len(), 1);
    let (id, gave_up, _) = trace(&letters[0]);
    assert_eq!(id, TRACE);
    assert!(gave_up != PARENT && gave_up != span);
    assert_eq!(letters[0].header_text("tracestate"), Some("vendor=1"));

    eventually(RUN, "two spans have arrived", || (receiver.spans().len() == 2).then_some(()));
    let spans = receiver.spans();
    for (n, (offset, id)) in [("0", &span), ("4", &gave_up)].into_iter().enumerate() {
        let found = &spans[n];
        assert_eq!(
            (&found["traceId"], &found["spanId"], &found["parentSpanId"]),
            (&json!(TRACE), &json!(id), &json!(PARENT))
        );
        assert_eq!((&found["name"], &found["kind"]), (&json!("process sensors"), &json!(5)));
        for (key, value) in [
            ("messaging.system", "kafka"),
            ("messaging.operation.type", "process"),
            ("messaging.destination.name", "sensors"),
            ("messaging.destination.partition.id", "0"),
            ("messaging.kafka.offset", offset),
            ("messaging.consumer.group.name", "pelton-sensor_alerts"),
            ("pelton.job.name", JOB),
            ("pelton.job.version", "0.1.0"),
        ] {
            assert_eq!(attribute(found, key).as_deref(), Some(value), "{key} in {found}");
        }
        let time = |key: &str| found[key].as_str().unwrap().parse::<u64>().unwrap();
        assert!(0 < time("startTimeUnixNano") && time("startTimeUnixNano") < time("endTimeUnixNano"));
    }
    assert_eq!(attribute(&spans[0], "pelton.dead_letter.stage"), None);
    assert_eq!(attribute(&spans[1], "pelton.dead_letter.stage").as_deref(), Some("reject"));
    eventually(RUN, "both are counted", || {
        (host.metric("pelton_spans_total", &[("result", "exported")])? == 2.0).then_some(())
    });

    // What is not sent yet goes out when the host stops.
    stage.kafka.produce("sensors", &[traced(reading("last", 31.0), "01")]);
    stage.wait_until_done(JOB);
    assert_eq!(host.sigterm(RUN), 0);
    assert_eq!(receiver.spans().len(), 3);
}

#[test]
fn records_flow_on_while_the_endpoint_is_away() {
    let stage = require_stage!();
    // Takes connections and never answers: worse than a port on which nothing listens.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = format!("http://{}/v1/traces", silent.local_addr().unwrap());
    let host = host(&stage, &format!("on = true\nendpoint = {endpoint:?}"));
    stage.kafka.produce("sensors", &readings(0..1000));
    stage.wait_until_done(JOB);
    let alerts = stage.kafka.read_all("alerts");
    assert_eq!(alerts.len(), 250);
    let mut ids: Vec<_> = alerts.iter().map(|alert| trace(alert).0).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 250, "each record without a trace begins one of its own");
    // All spans are dropped and counted, and that is told once.
    eventually(RUN, "every span is dropped", || {
        (host.metric("pelton_spans_total", &[("result", "dropped")])? == 1000.0).then_some(())
    });
    assert_eq!(host.metric("pelton_spans_total", &[("result", "exported")]), Some(0.0));
    assert_eq!(host.log().matches("the endpoint of traces is away").count(), 1, "{}", host.log());
}

#[test]
fn records_go_as_they_came_where_tracing_is_off() {
    let stage = require_stage!();
    let host = host(&stage, "");
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    stage.kafka.produce(
        "sensors",
        &[
            reading("alert", 31.0).header("traceparent", Some(traceparent.as_bytes())),
            Record::new("no reading").header("traceparent", Some(traceparent.as_bytes())),
        ],
    );
    stage.wait_until_done(JOB);
    assert_eq!(stage.kafka.read_all("alerts")[0].headers, []);
    let letters = stage.kafka.read_all(&format!("{JOB}.dlq"));
    assert_eq!(letters[0].header_text("traceparent"), Some(traceparent.as_str()));
    assert_eq!(host.metric("pelton_spans_total", &[]), None);
}
