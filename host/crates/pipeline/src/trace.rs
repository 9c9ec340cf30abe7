//! Traces of records: off unless asked for, and then never in the way of a record.
//!
//! A record with a `traceparent` header continues its trace; one without begins a trace by the share in the settings.
//! What becomes of it (messages, forwards, dead letters) carries the same trace id, the id of the span in which this
//! host handled it, and its `tracestate`. So the two headers are the host's while tracing is on: a job's own are
//! replaced.
//!
//! That span begins when an instance takes the record's batch and ends when every sink has acknowledged all that became
//! of the batch. A batch that is given up has none: its records are read again. Spans of recorded traces are
//! [exported](export) in the background; rows can't carry headers, so a trace ends there.

pub mod context;
pub mod export;
mod span;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant, SystemTime};

use pelton_delivery::delivery::Observer;
use pelton_model::metrics::Metrics;
use pelton_model::record::{Batch, OwnedHeader};
pub use pelton_model::settings::Tracing;
use pelton_model::stage::Stage;
use pelton_model::version::Label;

use crate::error::Error;

use context::{MOST_STATE, TRACEPARENT, TRACESTATE, TraceContext};
use export::Exporter;
use span::{Ended, STAGES, Span};

/// The traces of a host.
#[derive(Debug)]
pub struct Tracer {
    sample: f64,
    exporter: Option<Exporter>,
}

impl Tracer {
    /// Starts exporting; `None` where tracing is off. The endpoint need not be there.
    pub fn start(settings: &Tracing, metrics: &Metrics) -> Result<Option<Arc<Self>>, Error> {
        if !settings.on {
            return Ok(None);
        }
        let exporter = match settings.endpoint.as_str() {
            "" => None,
            endpoint => Some(Exporter::start(endpoint, metrics)?),
        };
        Ok(Some(Arc::new(Self { sample: settings.sample, exporter })))
    }

    /// The traces of one job, which reads in this consumer group.
    pub fn job(self: &Arc<Self>, job: &str, group: &str) -> Arc<JobTracer> {
        Arc::new(JobTracer { tracer: Arc::clone(self), job: job.into(), group: group.into() })
    }

    /// Sends what is left, for at most `timeout`.
    pub fn close(&self, timeout: Duration) {
        if let Some(exporter) = &self.exporter {
            exporter.close(timeout);
        }
    }
}

/// The traces of one job.
#[derive(Debug)]
pub struct JobTracer {
    tracer: Arc<Tracer>,
    job: Arc<str>,
    group: Arc<str>,
}

impl JobTracer {
    /// Begins the spans of a batch that is about to be handled; `None` where no record of it is traced.
    pub fn begin(self: &Arc<Self>, batch: &Batch) -> Option<Traces> {
        let spans: Vec<_> = (0..batch.len()).map(|i| self.span(batch, i)).collect();
        let any = spans.iter().any(Option::is_some);
        any.then(|| Traces { tracer: Arc::clone(self), began: (SystemTime::now(), Instant::now()), spans })
    }

    fn span(&self, batch: &Batch, index: usize) -> Option<Span> {
        // As elsewhere, the last of several headers of one name counts.
        let named = batch.headers.of(index).filter(|(name, _)| *name == TRACEPARENT.as_bytes()).last();
        let parent = named.and_then(|(_, value)| TraceContext::parse(value?));
        let context = match parent {
            Some(parent) => parent.child(),
            None if rand::random::<f64>() < self.tracer.sample => TraceContext::root(),
            None => return None,
        };
        Some(Span { context, parent: parent.map(|parent| parent.span), gave_up: AtomicU8::new(0) })
    }
}

/// The spans of one batch on its way.
#[derive(Debug)]
pub struct Traces {
    tracer: Arc<JobTracer>,
    began: (SystemTime, Instant),
    /// By record.
    spans: Vec<Option<Span>>,
}

impl Traces {
    fn span(&self, index: usize) -> Option<&Span> {
        self.spans.get(index)?.as_ref()
    }
}

impl Observer for Traces {
    fn gave_up(&self, index: usize, stage: Stage) {
        if let Some(span) = self.span(index) {
            let place = STAGES.iter().position(|known| *known == stage).map_or(0, |place| place as u8 + 1);
            span.gave_up.store(place, Ordering::Relaxed);
        }
    }

    /// Where the record is traced, the headers of its trace are in the place of any among `own`.
    fn headers(&self, batch: &Batch, index: usize, mut own: Vec<OwnedHeader>) -> Vec<OwnedHeader> {
        let Some(span) = self.span(index) else { return own };
        let is_state = |name: &[u8]| name == TRACESTATE.as_bytes();
        own.retain(|(name, _)| **name != *TRACEPARENT.as_bytes() && !is_state(name));
        // Without a `traceparent` that makes sense it belongs to no trace.
        let states = batch.headers.of(index).filter(|(name, _)| span.parent.is_some() && is_state(name));
        let mut room = MOST_STATE;
        let states = states.take_while(|(_, value)| {
            let fits = room.checked_sub(value.map_or(0, <[u8]>::len));
            room = fits.unwrap_or(0);
            fits.is_some()
        });
        own.extend(states.map(|(name, value)| (name.into(), value.map(Box::from))));
        own.push((TRACEPARENT.as_bytes().into(), Some(span.context.to_string().into_bytes().into())));
        own
    }

    /// Ends the spans and hands those of recorded traces over for export. Never blocks.
    fn complete(self: Box<Self>, batch: &Batch, version: Arc<Label>) {
        let Some(exporter) = &self.tracer.tracer.exporter else { return };
        let spans = self.spans.into_iter().zip(&batch.offsets);
        let spans = spans.filter_map(|(span, offset)| Some((span.filter(|span| span.context.is_sampled())?, *offset)));
        // By the clock that doesn't jump.
        let ended = self.began.0 + self.began.1.elapsed();
        exporter.offer(Ended {
            topic: Arc::clone(&batch.topic),
            partition: batch.partition,
            version,
            began: self.began.0,
            ended,
            spans: spans.collect(),
            job: Arc::clone(&self.tracer.job),
            group: Arc::clone(&self.tracer.group),
        });
    }
}
