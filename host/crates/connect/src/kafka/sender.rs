//! Hands messages to librdkafka in rounds: what has gathered goes at once, as few requests as possible, and the next
//! round follows when it is delivered. Batches grow with the load by that, and no message waits for a timer.
//!
//! librdkafka's own gathering is not used, for what it costs: an idempotent producer has one request on its way for
//! each partition, and while messages older than `linger.ms` wait behind it, its thread spins
//! (`rd_kafka_broker_producer_serve` with a wakeup in the past). Fifty producers that share a slow broker spent six
//! sevenths of a host's time on that.
//!
//! A broker refuses a request as a whole, for one record in it that is too large or invalid, or for its own size where
//! the topic's `max.message.bytes` is small. What was refused goes once more in halves, one after the other, until each
//! message is delivered or was refused alone. Nothing else is sent meanwhile, and each goes to the partition that it
//! was meant for, so the order in a partition stays. What was refused alone becomes a dead letter right here, and a
//! dead letter a file: nobody else is asked, and the delivery waits for it.

use std::sync::Arc;
use std::time::Duration;

use pelton_delivery::fault::Fault;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, PurgeConfig};

use super::headers;
use super::letter::LetterForm;
use super::message::{Parcel, Tracked};
use super::outbox::{Outbox, Refused};
use super::reports::{Reports, is_of_a_record};

/// How long librdkafka is asked to flush at a time.
const FLUSH: Duration = Duration::from_millis(200);
/// What takes messages from the outbox to the broker, on a thread of its own.
pub(super) struct Sender {
    pub(super) outbox: Arc<Outbox>,
    pub(super) producer: Arc<BaseProducer<Reports>>,
    pub(super) letters: Arc<LetterForm>,
    pub(super) fault: Arc<Fault>,
}

impl Sender {
    /// Sends until the outbox is closed. Nothing that was not delivered by then is sent any more when this returns.
    pub(super) fn run(self) {
        while let Some(round) = self.outbox.next() {
            self.deliver(round);
        }
        self.producer.purge(PurgeConfig::default().queue().inflight());
    }

    /// Sends messages until each is delivered, or was refused alone.
    fn deliver(&self, round: Vec<Arc<Parcel>>) {
        let mut refused = self.send(round.into_iter().map(|parcel| (parcel, None)));
        // The part that comes next is the last one.
        let mut parts = Vec::new();
        loop {
            match refused.len() {
                0 => {}
                1 => refused.into_iter().for_each(|one| self.give_up(&one.parcel.tracked, one.code)),
                all => {
                    self.learn(&refused);
                    let second = refused.split_off(all / 2);
                    parts.extend([second, refused]);
                }
            }
            let Some(part) = parts.pop() else { return };
            refused = self.send(part.into_iter().map(|one| (one.parcel, Some(one.partition))));
        }
    }

    /// Sends messages, each to its partition where it has one, and waits until the broker has answered; returns what it
    /// has refused.
    fn send(&self, messages: impl Iterator<Item = (Arc<Parcel>, Option<i32>)>) -> Vec<Refused> {
        for (parcel, partition) in messages {
            self.hand_over(parcel, partition);
        }
        while !self.outbox.is_closed() && !self.flush() {}
        self.outbox.refused()
    }

    /// A request without any message that is larger than half of it was too large itself: smaller ones will do. Rounds
    /// never become smaller than half of what the topic takes.
    fn learn(&self, refused: &[Refused]) {
        let sizes = || refused.iter().map(|one| one.parcel.size());
        let half = sizes().sum::<usize>() / 2;
        let is_of_size = refused.iter().all(|one| one.code == RDKafkaErrorCode::MessageSizeTooLarge);
        if is_of_size && sizes().all(|size| size <= half) {
            self.outbox.shrink(half);
        }
    }

    fn hand_over(&self, parcel: Arc<Parcel>, partition: Option<i32>) {
        let Parcel { message, tracked } = &*parcel;
        let (key, value) = message.body.of(tracked.group.delivery().batch(), tracked.index);
        let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(&message.topic, Arc::clone(&parcel));
        record.key = key;
        record.payload = value;
        record.partition = partition;
        record.timestamp = (message.timestamp >= 0).then_some(message.timestamp);
        record.headers = headers::owned(message.headers.iter().map(|(name, value)| (&**name, value.as_deref())));
        let Err((error, _)) = self.producer.send(record) else { return };
        match error.rdkafka_error_code() {
            Some(code) if is_of_a_record(code) => self.give_up(tracked, code),
            _ => self.fault.set(format!("failed to produce to topic {}: {error}", message.topic)),
        }
    }

    /// Makes a dead letter of a message that the broker will never take; of a dead letter a file.
    fn give_up(&self, tracked: &Tracked, code: RDKafkaErrorCode) {
        let Tracked { group, index } = tracked;
        let reason = code.to_string();
        match group.dead_letter_reason() {
            // It is sent after what waits already. The delivery expects it before the message is accounted for.
            None => self.outbox.put([self.letters.of_refused(group.delivery(), *index, &reason)]),
            Some((stage, why)) => {
                if let Err(error) = self.letters.keep(group.delivery(), *index, stage, why, &reason) {
                    return self.fault.set(error.to_string());
                }
            }
        }
        group.done();
    }

    /// Has everything sent at once, and waits a while until it is delivered; says whether it is. Other than the
    /// binding's own flush, which asks again and again with no time to wait, so that librdkafka may miss the asking.
    #[expect(unsafe_code, reason = "the binding has no call for flushing in librdkafka's own way")]
    fn flush(&self) -> bool {
        let client = self.producer.client().native_ptr();
        // SAFETY: the pointer is that of a producer which `self` keeps alive, and rd_kafka_flush may be called from any
        // thread (librdkafka's INTRODUCTION.md, "Threads and callbacks").
        let result = unsafe { rdkafka::bindings::rd_kafka_flush(client, FLUSH.as_millis() as i32) };
        result == rdkafka::bindings::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
    }
}
