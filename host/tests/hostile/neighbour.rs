//! A job that has done nothing: its records come through while others attack the host.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord};
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::eventually::eventually;
use crate::stage::RUN;

/// Between two records.
const PACE: Duration = Duration::from_millis(20);

/// Numbers that are sent to `sensors` all along, and seen to come out of `alerts` in their order.
pub(crate) struct Neighbour {
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    stop: AtomicBool,
    sent: AtomicU64,
    back: AtomicU64,
    /// When those that are not back yet were sent.
    under_way: Mutex<VecDeque<Instant>>,
    /// The longest time that a record took since that was last asked, in milliseconds.
    slowest: AtomicU64,
    /// What is wrong with the order.
    wrong: Mutex<Option<String>>,
}

impl Neighbour {
    pub(crate) fn start(kafka: &str) -> Self {
        let state = Arc::new(State::default());
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", kafka).set("group.id", "hostile-neighbour").set("enable.auto.commit", "false");
        let producer: BaseProducer = config.clone().set("enable.idempotence", "true").create().unwrap();
        let consumer: BaseConsumer = config.create().unwrap();
        let (writes, reads) = (Arc::clone(&state), Arc::clone(&state));
        let threads =
            vec![thread::spawn(move || writes.write(&producer)), thread::spawn(move || reads.read(&consumer))];
        Self { state, threads }
    }

    /// Waits until everything that was sent until now has come through; returns how long the slowest took since this was
    /// last asked.
    #[track_caller]
    pub(crate) fn all_through(&self) -> Duration {
        let sent = self.state.sent.load(Ordering::Acquire);
        eventually(RUN, &format!("all {sent} records of the neighbour are through"), || {
            let wrong = self.state.wrong.lock().unwrap();
            assert!(wrong.is_none(), "{wrong:?}");
            (self.state.back.load(Ordering::Acquire) >= sent).then_some(())
        });
        Duration::from_millis(self.state.slowest.swap(0, Ordering::AcqRel))
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl State {
    fn write(&self, producer: &BaseProducer) {
        while !self.stop.load(Ordering::Acquire) {
            let number = self.sent.load(Ordering::Acquire).to_string();
            self.under_way.lock().unwrap().push_back(Instant::now());
            producer.send(BaseRecord::<(), str>::to("sensors").payload(&number)).map_err(|(error, _)| error).unwrap();
            producer.poll(Duration::ZERO);
            self.sent.fetch_add(1, Ordering::AcqRel);
            thread::sleep(PACE);
        }
    }

    fn read(&self, consumer: &BaseConsumer) {
        let mut from = TopicPartitionList::new();
        from.add_partition_offset("alerts", 0, Offset::Beginning).unwrap();
        consumer.assign(&from).unwrap();
        while !self.stop.load(Ordering::Acquire) {
            let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
            let number = str::from_utf8(message.payload().unwrap()).unwrap().parse::<u64>().unwrap();
            let due = self.back.load(Ordering::Acquire);
            // Repeats are allowed, gaps are not.
            if number > due {
                *self.wrong.lock().unwrap() = Some(format!("record {number} came where {due} was due"));
            }
            if number == due {
                let sent = self.under_way.lock().unwrap().pop_front().unwrap();
                self.slowest.fetch_max(sent.elapsed().as_millis() as u64, Ordering::AcqRel);
                self.back.fetch_add(1, Ordering::AcqRel);
            }
        }
    }
}
