//! Messages on their way to a topic, and which delivery each belongs to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use pelton_delivery::budget::Charge;
use pelton_delivery::delivery::Delivery;
use pelton_model::metrics::SinkMetrics;
use pelton_model::record::{Messages, OwnedHeader};
use pelton_model::stage::Stage;
use prometheus_client::metrics::counter::Counter;
use rdkafka::util::IntoOpaque;

use super::headers::Header;

/// What a record takes of a request beside its key and value, about.
pub(super) const FRAMING: usize = 32;
/// Messages that are acknowledged together: those that one batch makes for one sink.
#[derive(Debug)]
pub(super) struct Group {
    delivery: Arc<Delivery>,
    remaining: AtomicUsize,
    count: u64,
    bytes: u64,
    /// How many of them were refused, and their bytes.
    refused: AtomicU64,
    refused_bytes: AtomicU64,
    kind: Kind,
    _charge: Charge,
}

/// What the messages of a group are, for counting.
#[derive(Debug)]
pub(super) enum Kind {
    /// Outputs for a sink, with the keys and values that the job has made, if it has not forwarded records.
    Output(SinkMetrics, Option<Box<Messages>>),
    /// A dead letter, with who gave up on the record and why.
    DeadLetter(Counter, Stage, String),
}

impl Group {
    /// Announces one acknowledgement to the delivery; it is given when all `count` messages are delivered or accounted
    /// for. `bytes` are those of their keys and values; `charge` is what they take on their way.
    pub(super) fn new(delivery: &Arc<Delivery>, count: usize, bytes: usize, charge: usize, kind: Kind) -> Arc<Self> {
        delivery.expect(1);
        // Librdkafka makes a copy of what it is to send.
        let charge = delivery.charge(charge + bytes);
        let delivery = Arc::clone(delivery);
        Arc::new(Self {
            delivery,
            remaining: AtomicUsize::new(count),
            count: count as u64,
            bytes: bytes as u64,
            refused: AtomicU64::new(0),
            refused_bytes: AtomicU64::new(0),
            kind,
            _charge: charge,
        })
    }

    /// The batch.
    pub(super) fn delivery(&self) -> &Arc<Delivery> {
        &self.delivery
    }

    /// Who gave up on the record and why, if this is a dead letter.
    pub(super) fn dead_letter_reason(&self) -> Option<(Stage, &str)> {
        match &self.kind {
            Kind::DeadLetter(_, stage, reason) => Some((*stage, reason)),
            Kind::Output(..) => None,
        }
    }

    /// Key and value of one of its messages, which was made from record `index`.
    pub(super) fn pair(&self, body: Body, index: u32) -> Pair<'_> {
        match (body, &self.kind) {
            (Body::OfOutput(n), Kind::Output(_, Some(made))) => (made.keys.get(n), made.values.get(n)),
            _ => {
                let batch = self.delivery.batch();
                (batch.keys.get(index as usize), batch.values.get(index as usize))
            }
        }
    }

    /// Headers of the job's own of the message that is `n` of its output.
    pub(super) fn headers(&self, n: usize) -> impl Iterator<Item = Header<'_>> {
        let made = match &self.kind {
            Kind::Output(_, made) => made.as_deref(),
            Kind::DeadLetter(..) => None,
        };
        made.and_then(|made| made.headers.as_ref()).into_iter().flat_map(move |own| own.of(n))
    }

    /// Accounts for one message of so many bytes that the topic has refused: it does not count as written.
    pub(super) fn refused(&self, bytes: usize) {
        self.refused_bytes.fetch_add(bytes as u64, Ordering::AcqRel);
        self.refused.fetch_add(1, Ordering::AcqRel);
        self.done();
    }

    /// Accounts for one message.
    pub(super) fn done(&self) {
        if self.remaining.fetch_sub(1, Ordering::AcqRel) == 1 {
            match &self.kind {
                Kind::Output(metrics, _) => {
                    let [refused, bytes] = [&self.refused, &self.refused_bytes].map(|n| n.load(Ordering::Acquire));
                    metrics.records.inc_by(self.count.saturating_sub(refused));
                    metrics.bytes.inc_by(self.bytes.saturating_sub(bytes));
                }
                Kind::DeadLetter(counter, ..) => drop(counter.inc()),
            }
            self.delivery.acknowledge(1);
        }
    }
}

/// What a message on its way belongs to.
#[derive(Debug, Clone)]
pub(super) struct Tracked {
    /// What it belongs to.
    pub group: Arc<Group>,
    /// The index of the record that it was made from.
    pub index: u32,
}

/// A message that is to be sent.
#[derive(Debug)]
pub(super) struct Message {
    /// The topic.
    pub topic: Arc<str>,
    /// Where key and value are.
    pub body: Body,
    /// Milliseconds since the Unix epoch; -1 for now.
    pub timestamp: i64,
    /// Headers, in order.
    pub headers: Vec<OwnedHeader>,
}

/// Key and value of a message; each may be null.
pub(super) type Pair<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// Where key and value of a message are. They stay where they came from until librdkafka copies them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Body {
    /// Those of the record that it was made from: the batch has them.
    OfRecord,
    /// Those of this message of the output: the group has them.
    OfOutput(usize),
}

/// A message and what it belongs to.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) message: Message,
    pub(super) tracked: Tracked,
}

impl Parcel {
    /// Its key and value.
    pub(super) fn pair(&self) -> Pair<'_> {
        self.tracked.group.pair(self.message.body, self.tracked.index)
    }

    /// Bytes of its key and value.
    pub(super) fn bytes(&self) -> usize {
        let (key, value) = self.pair();
        key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)
    }

    /// What it takes of a request, at most, as long as it has few headers.
    pub(super) fn size(&self) -> usize {
        let header = |(name, value): &OwnedHeader| name.len() + value.as_ref().map_or(0, |value| value.len()) + FRAMING;
        self.bytes() + FRAMING + self.message.headers.iter().map(header).sum::<usize>()
    }
}

// The opaque pointer of a message is a counted one; this fails to compile should that change.
const _: fn() = || {
    fn is_opaque<T: IntoOpaque>() {}
    is_opaque::<Arc<Parcel>>();
};
