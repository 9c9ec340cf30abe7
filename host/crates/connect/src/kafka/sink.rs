//! Topics as sinks.

use std::sync::Arc;
use std::time::Duration;

use pelton_delivery::delivery::Delivery;
use pelton_delivery::fault::Fault;
use pelton_model::metrics::{JobMetrics, SinkMetrics};
use pelton_model::record::Output;
use pelton_model::spec::{self, Target};

use super::client::NAME;
use super::message::{Body, Group, Kind, Message, Tracked};
use super::producer::JobProducer;
use crate::error::Error;
use crate::sink::{Sink, Writers};

/// The sinks of one attempt of a job: all instances share its producer.
#[derive(Debug)]
pub(super) struct Topics {
    pub(super) producer: Arc<JobProducer>,
    pub(super) metrics: JobMetrics,
    pub(super) fault: Arc<Fault>,
}

impl Writers for Topics {
    fn sink(&self, _: usize, sink: &spec::Sink) -> Result<Box<dyn Sink>, Error> {
        let Target::Topic(topic) = &sink.target else {
            return Err(Error::NotTaken { connector: NAME, sink: sink.name.clone() });
        };
        let topic = topic.as_str().into();
        self.producer.outbox().begins(&topic);
        Ok(Box::new(TopicSink {
            topic,
            producer: Arc::clone(&self.producer),
            metrics: self.metrics.sink(&sink.name),
            fault: Arc::clone(&self.fault),
        }))
    }

    fn flush(&self, timeout: Duration) {
        self.producer.flush(timeout);
    }
}

/// A topic that one instance writes to.
#[derive(Debug)]
struct TopicSink {
    topic: Arc<str>,
    producer: Arc<JobProducer>,
    metrics: SinkMetrics,
    fault: Arc<Fault>,
}

impl Sink for TopicSink {
    fn write(&self, delivery: &Arc<Delivery>, output: Output) {
        let batch = delivery.batch();
        let charge = output.bytes(batch);
        let (origin, made) = match output {
            Output::Forward { origin, .. } => (origin, None),
            Output::Messages { mut messages, .. } => (std::mem::take(&mut messages.origin), Some(Box::new(messages))),
            // The check of the answer leaves no other pair.
            Output::Rows { sink, .. } => {
                return self.fault.set(format!("an output for sink {sink} that it does not take"));
            }
        };
        if origin.is_empty() {
            return;
        }
        let is_made = made.is_some();
        let size = |(n, &index): (usize, &u32)| {
            let (key, value) = match &made {
                None => (batch.keys.get(index as usize), batch.values.get(index as usize)),
                Some(made) => (made.keys.get(n), made.values.get(n)),
            };
            key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)
        };
        let bytes = origin.iter().enumerate().map(size).sum();
        let kind = Kind::Output(self.metrics.clone(), made);
        let group = Group::new(delivery, origin.len(), bytes, charge, kind);
        let message = |(n, &index): (usize, &u32)| {
            let (body, headers) = if is_made {
                (Body::OfOutput(n), delivery.outgoing(index as usize, group.headers(n)))
            } else {
                (Body::OfRecord, delivery.outgoing(index as usize, batch.headers.of(index as usize)))
            };
            // As Kafka Streams and Flink do, an output keeps the time of the record that it was made from.
            let timestamp = batch.timestamps.get(index as usize).copied().unwrap_or(-1);
            let message = Message { topic: Arc::clone(&self.topic), body, timestamp, headers };
            (message, Tracked { group: Arc::clone(&group), index })
        };
        // Made before the outbox is locked.
        let messages: Vec<_> = origin.iter().enumerate().map(message).collect();
        self.producer.send(messages);
    }

    fn retire(&self) {
        self.producer.outbox().retires(&self.topic);
    }

    /// The producer, which outlives it, has what it was given.
    fn has_ended(&self) -> bool {
        true
    }
}
