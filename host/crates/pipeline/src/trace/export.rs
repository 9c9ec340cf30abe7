//! Spans on their way out: OTLP over HTTP, in JSON (<https://opentelemetry.io/docs/specs/otlp/>), from a thread of its
//! own.
//!
//! Nothing waits for it. Spans that find the queue full, or the endpoint away, are dropped and counted; records flow
//! on.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use prometheus_client::metrics::counter::Counter;
use serde_json::{Value, json};
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

use pelton_model::metrics::Metrics;
use pelton_model::stage::Stage;
use pelton_model::sync::lock;

use super::span::{Ended, Span};
use crate::error::Error;

/// Most spans that wait, some 100 bytes each; one batch may overshoot it.
const MOST_WAITING: usize = 20_000;
/// Most spans in a request, some 900 bytes each.
const REQUEST: usize = 1000;
/// How long a first span waits for others.
const LINGER: Duration = Duration::from_millis(500);
/// How long the endpoint may take for a request.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer that is read, bytes.
const LONGEST_ANSWER: u64 = 64 << 10;

/// What sends spans to one endpoint. Dropping it sends what is left, too, if the process lives.
#[derive(Debug)]
pub struct Exporter {
    queue: Arc<Queue>,
}

#[derive(Debug)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    exported: Counter,
    dropped: Counter,
}

#[derive(Debug, Default)]
struct Waiting {
    batches: VecDeque<Ended>,
    spans: usize,
    closed: bool,
    /// Whether the thread is done.
    over: bool,
}

impl Exporter {
    /// Starts the thread.
    pub fn start(endpoint: &str, metrics: &Metrics) -> Result<Self, Error> {
        let queue = Arc::new(Queue {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            exported: metrics.spans("exported"),
            dropped: metrics.spans("dropped"),
        });
        let sender = Sender::new(endpoint);
        let shared = Arc::clone(&queue);
        std::thread::Builder::new()
            .name("spans".to_owned())
            .spawn(move || {
                shared.export(&sender);
                lock(&shared.waiting).over = true;
                shared.changed.notify_all();
            })
            .map_err(|cause| Error::Thread { of: "the export of spans", cause })?;
        Ok(Self { queue })
    }

    /// Takes spans to export, or drops them where too many wait already.
    pub(super) fn offer(&self, ended: Ended) {
        let count = ended.spans.len();
        let mut waiting = lock(&self.queue.waiting);
        if count == 0 {
            return;
        }
        if waiting.closed || waiting.spans >= MOST_WAITING {
            self.queue.dropped.inc_by(count as u64);
            return;
        }
        let wakes = waiting.batches.is_empty() || waiting.spans + count >= REQUEST;
        waiting.spans += count;
        waiting.batches.push_back(ended);
        drop(waiting);
        if wakes {
            self.queue.changed.notify_all();
        }
    }

    /// Takes no more, and waits until what is left has been sent, for at most `timeout`.
    pub fn close(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let mut waiting = lock(&self.queue.waiting);
        waiting.closed = true;
        self.queue.changed.notify_all();
        while !waiting.over {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            waiting = self.queue.changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}

impl Queue {
    /// Until it is closed and empty.
    fn export(&self, sender: &Sender) {
        let mut away = false;
        while let Some(batches) = self.take() {
            let spans: Vec<Value> = batches.iter().flat_map(encode).collect();
            let mut left = spans.len();
            for request in spans.chunks(REQUEST) {
                match sender.send(request) {
                    Ok(rejected) => {
                        let rejected = rejected.min(request.len());
                        left -= request.len();
                        self.exported.inc_by((request.len() - rejected) as u64);
                        self.dropped.inc_by(rejected as u64);
                        if std::mem::take(&mut away) {
                            tracing::info!("the endpoint of traces is back");
                        }
                    }
                    Err(error) => {
                        // Told once, not for each request. The others of this turn would fare no better.
                        if !std::mem::replace(&mut away, true) {
                            tracing::warn!("the endpoint of traces is away, spans are dropped meanwhile: {error:#}");
                        }
                        break;
                    }
                }
            }
            self.dropped.inc_by(left as u64);
        }
    }

    /// Waits for spans, and a little longer for others; `None` once there will be no more.
    fn take(&self) -> Option<VecDeque<Ended>> {
        let waiting = lock(&self.waiting);
        let waiting = self
            .changed
            .wait_while(waiting, |waiting| waiting.batches.is_empty() && !waiting.closed)
            .unwrap_or_else(PoisonError::into_inner);
        let (mut waiting, _) = self
            .changed
            .wait_timeout_while(waiting, LINGER, |waiting| waiting.spans < REQUEST && !waiting.closed)
            .unwrap_or_else(PoisonError::into_inner);
        waiting.spans = 0;
        Some(std::mem::take(&mut waiting.batches)).filter(|batches| !batches.is_empty())
    }
}

/// The client of one endpoint.
struct Sender {
    agent: ureq::Agent,
    endpoint: String,
    resource: Value,
}

impl Sender {
    fn new(endpoint: &str) -> Self {
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build()
            .new_agent();
        let mut about = vec![text("service.name", "pelton"), text("service.version", env!("CARGO_PKG_VERSION"))];
        if let Ok(name) = nix::unistd::gethostname() {
            about.push(text("host.name", &name.to_string_lossy()));
        }
        Self { agent, endpoint: endpoint.to_owned(), resource: json!({ "attributes": about }) }
    }

    /// Sends spans; returns how many of them the endpoint did not want.
    fn send(&self, spans: &[Value]) -> Result<usize> {
        let body = json!({ "resourceSpans": [{
            "resource": self.resource,
            "scopeSpans": [{
                "scope": { "name": "pelton", "version": env!("CARGO_PKG_VERSION") },
                "spans": spans,
            }],
        }] });
        let mut response = self.agent.post(&self.endpoint).send_json(body).context("failed to send spans")?;
        let status = response.status();
        let answer = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_vec();
        if !status.is_success() {
            bail!("it answers {status}; tracing.endpoint must take OTLP over HTTP in JSON");
        }
        let answer: Value = serde_json::from_slice(&answer.unwrap_or_default()).unwrap_or_default();
        // Protobuf's JSON has 64-bit numbers as text; some write numbers all the same.
        let rejected = answer.pointer("/partialSuccess/rejectedSpans");
        let rejected = rejected.and_then(|r| r.as_u64().or_else(|| r.as_str()?.parse().ok()));
        Ok(rejected.map_or(0, |rejected| usize::try_from(rejected).unwrap_or(usize::MAX)))
    }
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn nanos(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

/// The spans of a batch, named as OpenTelemetry's conventions for messaging have it.
fn encode(batch: &Ended) -> impl Iterator<Item = Value> {
    let (began, ended, name) = (nanos(batch.began), nanos(batch.ended), format!("process {}", batch.topic));
    batch.spans.iter().map(move |(span, offset)| encode_one(batch, span, *offset, &name, [&began, &ended]))
}

fn encode_one(batch: &Ended, span: &Span, offset: i64, name: &str, [began, ended]: [&str; 2]) -> Value {
    let mut attributes = vec![
        text("messaging.system", "kafka"),
        text("messaging.operation.type", "process"),
        text("messaging.operation.name", "process"),
        text("messaging.destination.name", &batch.topic),
        text("messaging.destination.partition.id", &batch.partition.to_string()),
        json!({ "key": "messaging.kafka.offset", "value": { "intValue": offset.to_string() } }),
        text("messaging.consumer.group.name", &batch.group),
        text("pelton.job.name", &batch.job),
        text("pelton.job.version", &batch.version.declared),
    ];
    let stage = span.gave_up();
    attributes.extend(stage.map(|stage| text("pelton.dead_letter.stage", stage.as_str())));
    // A reject is a verdict, not a failure.
    let failed = stage.filter(|stage| *stage != Stage::Reject);
    attributes.extend(failed.map(|stage| text("error.type", stage.as_str())));
    // The parent is always another process's: bits 8 and 9 say so.
    let flags = u32::from(span.context.flags) | if span.parent.is_some() { 0x300 } else { 0x100 };
    json!({
        "traceId": format!("{:032x}", span.context.trace),
        "spanId": format!("{:016x}", span.context.span),
        "parentSpanId": span.parent.map_or_else(String::new, |parent| format!("{parent:016x}")),
        "flags": flags,
        "name": name,
        // Consumer.
        "kind": 5,
        "startTimeUnixNano": began,
        "endTimeUnixNano": ended,
        "attributes": attributes,
        "status": if failed.is_some() { json!({ "code": 2 }) } else { json!({}) },
    })
}
