//! From the job's answer to the sinks: each output to the one that it names, each reject to the dead letters.

use std::sync::Arc;

use crate::dead_letter::{DeadLetters, KafkaDeadLetters, Stage};
use crate::metrics::{JobMetrics, SinkMetrics};
use crate::pipeline::ack::Delivery;
use crate::pipeline::fault::Fault;
use crate::record::{Outcome, Output};
use crate::sink::kafka::{Body, Group, KafkaSink, Kind, Message, Tracked};
use crate::sink::postgres::{Encoder, PostgresSink, RowChunk};

/// Where the outputs of one declared sink go.
#[derive(Debug)]
pub enum Destination {
    /// A topic.
    Topic(Arc<str>, SinkMetrics),
    /// A table or statement. Boxed: it is the larger by far.
    Postgres(Box<(Encoder, PostgresSink)>),
}

impl Destination {
    /// Lets it end once it has delivered what it was given.
    pub fn retire(&self) {
        if let Self::Postgres(postgres) = self {
            postgres.1.retire();
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        match self {
            Self::Topic(..) => true,
            Self::Postgres(postgres) => postgres.1.has_ended(),
        }
    }
}

/// The sinks of one instance.
#[derive(Debug)]
pub struct Router {
    /// In the order of declaration.
    pub destinations: Vec<Destination>,
    /// The job's producer.
    pub kafka: Arc<KafkaSink>,
    /// The job's dead letters.
    pub dead_letters: Arc<KafkaDeadLetters>,
    /// For what can't go on.
    pub fault: Arc<Fault>,
    /// Counts.
    pub metrics: JobMetrics,
}

impl Router {
    /// Hands everything over; never waits for a sink. The caller holds an acknowledgement of the delivery meanwhile.
    pub fn route(&self, delivery: &Arc<Delivery>, outcome: Outcome) {
        self.metrics.rejects.inc_by(outcome.rejects.len() as u64);
        for reject in &outcome.rejects {
            self.dead_letters.send(delivery, reject.index, Stage::Reject, &reject.reason);
        }
        for output in outcome.outputs {
            match (self.destinations.get(output.sink() as usize), output) {
                (Some(Destination::Topic(topic, metrics)), output) => self.to_topic(topic, metrics, delivery, &output),
                (Some(Destination::Postgres(postgres)), Output::Rows { rows, .. }) => {
                    let (encoder, sink) = &**postgres;
                    let encoded = encoder.encode(&rows);
                    for (origin, reason) in &encoded.refused {
                        self.dead_letters.send(delivery, *origin, Stage::Sink, reason);
                    }
                    if !encoded.rows.is_empty() {
                        delivery.charge(encoded.rows.bytes());
                        delivery.expect(1);
                        sink.send(RowChunk { delivery: Arc::clone(delivery), rows: encoded.rows });
                    }
                }
                // The check of the answer leaves no other pair.
                (_, output) => self.fault.set(format!("an output that no sink takes: {output:?}")),
            }
        }
    }

    fn to_topic(&self, topic: &Arc<str>, metrics: &SinkMetrics, delivery: &Arc<Delivery>, output: &Output) {
        let batch = delivery.batch();
        let origin = output.origin();
        let made = match output {
            Output::Forward { .. } => None,
            Output::Messages { messages, .. } => Some(messages),
            Output::Rows { .. } => return,
        };
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
        let group = Group::new(delivery, origin.len(), bytes, Kind::Output(metrics.clone()));
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
            let message = Message { topic: Arc::clone(topic), body, timestamp, headers };
            (message, Tracked { group: Arc::clone(&group), index })
        };
        // Made before the outbox is locked.
        let messages: Vec<_> = origin.iter().enumerate().map(message).collect();
        self.kafka.send(messages);
    }
}
