//! Topics in memory as sinks: a writer for all of a job's messages.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pelton_delivery::budget::Charge;
use pelton_delivery::clock::wait_until;
use pelton_delivery::delivery::Delivery;
use pelton_delivery::wake::Wake;
use pelton_model::metrics::{JobMetrics, SinkMetrics};
use pelton_model::record::Output;
use pelton_model::spec::{self, Target};
use pelton_model::stage::Stage;
use pelton_model::sync::lock;

use super::away::NAME;
use super::state::Record;
use super::world::Memory;
use crate::dead_letters::topic;
use crate::error::Error;
use crate::letters::{Files, form};
use crate::sink::{Sink, Writers, WritersContext};

/// As good as for ever.
const LONG: Duration = Duration::from_secs(3600);

/// Messages of one delivery on their way, which are acknowledged together.
#[derive(Debug)]
struct Chunk {
    delivery: Arc<Delivery>,
    messages: Vec<Message>,
    _charge: Charge,
}

#[derive(Debug)]
struct Message {
    topic: Arc<str>,
    record: Record,
    /// Of the record that it was made from.
    index: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Output(SinkMetrics),
    DeadLetter(Stage, String),
}

#[derive(Debug, Default)]
struct Outbox {
    chunks: VecDeque<Chunk>,
    is_closed: bool,
}

/// What the sinks and the dead letters of an attempt share.
#[derive(Debug)]
pub(super) struct Shared {
    memory: Memory,
    context: WritersContext,
    counts: JobMetrics,
    outbox: Mutex<Outbox>,
    /// Of the writer.
    wake: Wake,
    /// Chunks that are not accounted for.
    left: AtomicUsize,
    /// Called when there are fewer.
    fewer: Wake,
}

impl Shared {
    /// Takes messages, in order, which take so many bytes.
    fn send(&self, delivery: &Arc<Delivery>, messages: Vec<Message>, bytes: usize) {
        delivery.expect(1);
        let chunk = Chunk { delivery: Arc::clone(delivery), messages, _charge: delivery.charge(bytes) };
        let mut outbox = lock(&self.outbox);
        if outbox.is_closed {
            return;
        }
        self.left.fetch_add(1, Ordering::AcqRel);
        outbox.chunks.push_back(chunk);
        drop(outbox);
        self.wake.call();
    }

    /// Sends the dead letter of record `index`.
    pub(super) fn give_up(&self, delivery: &Arc<Delivery>, index: u32, stage: Stage, reason: &str) {
        let (batch, i, job) = (delivery.batch(), index as usize, &*self.context.report.job);
        if !delivery.gives_up(i, stage) {
            return;
        }
        let record = Record {
            timestamp: batch.timestamps.get(i).copied().unwrap_or(-1),
            key: batch.keys.get(i).map(<[u8]>::to_vec),
            value: batch.values.get(i).map(<[u8]>::to_vec),
            headers: form::headers(job, delivery, i, stage, reason),
            ..Record::default()
        };
        let kind = Kind::DeadLetter(stage, reason.to_owned());
        let letter = Message { topic: topic(job).into(), record, index, kind };
        self.send(delivery, vec![letter], batch.letter_bytes(i, reason));
    }

    /// Writes until it is closed, or the host crashes.
    fn run(&self) {
        let _listening = self.memory.listen(&self.wake);
        loop {
            let is_away = self.memory.look(|state| state.topics_away.is_some());
            let next = {
                let mut outbox = lock(&self.outbox);
                if outbox.is_closed || self.memory.has_crashed() {
                    return;
                }
                if is_away { None } else { outbox.chunks.pop_front() }
            };
            match next {
                None => self.memory.clock.wait(&self.wake, LONG),
                Some(chunk) => {
                    self.memory.clock.wait(&Wake::default(), self.memory.latency);
                    self.write(chunk);
                }
            }
        }
    }

    fn write(&self, Chunk { delivery, messages, _charge }: Chunk) {
        if self.memory.has_crashed() {
            return;
        }
        for message in messages {
            if let Err(reason) = self.write_one(&delivery, message) {
                return self.context.report.fault.set(reason);
            }
        }
        // A moment passes until the answer is there.
        self.memory.clock.wait(&Wake::default(), self.memory.latency);
        if !self.memory.has_crashed() {
            delivery.acknowledge(1);
        }
        drop(delivery);
        self.left.fetch_sub(1, Ordering::AcqRel);
        self.fewer.call();
    }

    fn write_one(&self, delivery: &Arc<Delivery>, message: Message) -> Result<(), String> {
        let Message { topic, record, index, kind } = message;
        let bytes = record.key.as_ref().map_or(0, Vec::len) + record.value.as_ref().map_or(0, Vec::len);
        match (self.memory.with(|state| state.write(&topic, record)), &kind) {
            (Ok(_), Kind::Output(metrics)) => {
                metrics.records.inc();
                metrics.bytes.inc_by(bytes as u64);
            }
            (Ok(_), Kind::DeadLetter(stage, _)) => drop(self.counts.dead_letters(*stage).inc()),
            // The delivery expects the letter before the message is accounted for.
            (Err(refusal), Kind::Output(_)) => {
                let reason = format!("the broker refused the message: {refusal}");
                self.give_up(delivery, index, Stage::Sink, &reason);
            }
            (Err(refusal), Kind::DeadLetter(stage, reason)) => {
                let job = &*self.context.report.job;
                let kept = form::file(job, delivery, index as usize, *stage, reason, &refusal);
                Files::new(&self.context.folder, job).keep(&kept).map_err(|error| error.to_string())?;
                self.counts.dead_letters(*stage).inc();
            }
        }
        Ok(())
    }
}

/// The topics of one attempt of a job.
#[derive(Debug)]
pub(super) struct Topics(Arc<Shared>);

impl Topics {
    /// Starts the writer.
    pub(super) fn open(memory: &Memory, context: &WritersContext, counts: &JobMetrics) -> Result<Arc<Self>, Error> {
        let shared = Arc::new(Shared {
            memory: memory.clone(),
            context: context.clone(),
            counts: counts.clone(),
            outbox: Mutex::default(),
            wake: Wake::default(),
            left: AtomicUsize::new(0),
            fewer: Wake::default(),
        });
        let writer = Arc::clone(&shared);
        let started = memory.clock.spawn("memory-topics", Box::new(move || writer.run()));
        started.map_err(|error| Error::unavailable(NAME, error.to_string()))?;
        Ok(Arc::new(Self(shared)))
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }
}

impl Writers for Topics {
    fn sink(&self, _: usize, sink: &spec::Sink) -> Result<Box<dyn Sink>, Error> {
        let Target::Topic(topic) = &sink.target else {
            return Err(Error::NotTaken { connector: NAME, sink: sink.name.clone() });
        };
        let metrics = self.0.context.report.metrics.sink(&sink.name);
        Ok(Box::new(TopicSink { shared: Arc::clone(&self.0), topic: topic.as_str().into(), metrics }))
    }

    fn flush(&self, timeout: Duration) {
        let clock = &*self.0.memory.clock;
        wait_until(clock, &self.0.fewer, timeout, || self.0.left.load(Ordering::Acquire) == 0);
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        let forgotten = {
            let mut outbox = lock(&self.0.outbox);
            outbox.is_closed = true;
            std::mem::take(&mut outbox.chunks)
        };
        drop(forgotten);
        self.0.wake.call();
    }
}

/// A topic that one instance writes to.
#[derive(Debug)]
struct TopicSink {
    shared: Arc<Shared>,
    topic: Arc<str>,
    metrics: SinkMetrics,
}

impl Sink for TopicSink {
    fn write(&self, delivery: &Arc<Delivery>, output: Output) {
        let batch = delivery.batch();
        let made = match &output {
            Output::Forward { .. } => None,
            Output::Messages { messages, .. } => Some(messages),
            Output::Rows { .. } => {
                return self
                    .shared
                    .context
                    .report
                    .fault
                    .set(format!("an output for sink {} that it does not take", output.sink()));
            }
        };
        let message = |(n, &index): (usize, &u32)| {
            let i = index as usize;
            let (key, value, headers) = match made {
                None => (batch.keys.get(i), batch.values.get(i), delivery.outgoing(i, batch.headers.of(i))),
                Some(made) => {
                    let own = made.headers.iter().flat_map(|own| own.of(n));
                    (made.keys.get(n), made.values.get(n), delivery.outgoing(i, own))
                }
            };
            let record = Record {
                // As its record's: so order within a partition can be followed through.
                partition: batch.partition,
                timestamp: batch.timestamps.get(i).copied().unwrap_or(-1),
                key: key.map(<[u8]>::to_vec),
                value: value.map(<[u8]>::to_vec),
                headers,
                ..Record::default()
            };
            Message { topic: Arc::clone(&self.topic), record, index, kind: Kind::Output(self.metrics.clone()) }
        };
        let messages: Vec<_> = output.origin().iter().enumerate().map(message).collect();
        if !messages.is_empty() {
            self.shared.send(delivery, messages, output.bytes(batch));
        }
    }

    fn retire(&self) {}

    /// The writer, which outlives it, has what it was given.
    fn has_ended(&self) -> bool {
        true
    }
}
