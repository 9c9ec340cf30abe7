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
        let made = match &output {
            Output::Forward { .. } => None,
            Output::Messages { messages, .. } => Some(messages),
            // The check of the answer leaves no other pair.
            Output::Rows { .. } => {
                return self.fault.set(format!("an output for sink {} that it does not take", output.sink()));
            }
        };
        let origin = output.origin();
        if origin.is_empty() {
            return;
        }
        let pair = |n: usize, index: usize| match made {
            None => (batch.keys.get(index), batch.values.get(index)),
            Some(made) => (made.keys.get(n), made.values.get(n)),
        };
        let size = |(n, &index): (usize, &u32)| {
            let (key, value) = pair(n, index as usize);
            key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)
        };
        let bytes = origin.iter().enumerate().map(size).sum();
        let kind = Kind::Output(self.metrics.clone());
        let group = Group::new(delivery, origin.len(), bytes, output.bytes(batch), kind);
        let message = |(n, &index): (usize, &u32)| {
            let (body, headers) = match made {
                None => (Body::OfRecord, delivery.outgoing(index as usize, batch.headers.of(index as usize))),
                Some(made) => {
                    let [key, value] = [&made.keys, &made.values].map(|column| column.get(n).map(Box::from));
                    let own = made.headers.iter().flat_map(|own| own.of(n));
                    (Body::Made { key, value }, delivery.outgoing(index as usize, own))
                }
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
