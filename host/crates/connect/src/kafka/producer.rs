//! The producer of a job: an idempotent producer whose every delivery report reaches the delivery it belongs to.
//!
//! A message counts as delivered once all in-sync replicas have it (`acks=all`). Nothing times out: while the brokers
//! are away messages wait, within the job's budget. A message that the broker will never take (too large, an invalid
//! record) makes a dead letter of its record, and only of its own: the broker refuses whole requests, so those are sent
//! once more in parts. Any other final failure stops the attempt, and the job starts again from what is committed.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use pelton_delivery::fault::Fault;
use pelton_model::status::Status;
use pelton_model::sync::lock;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, Producer, PurgeConfig};

use super::client::{BeginAgain, refused};
use super::letter::LetterForm;
use super::message::{Message, Tracked};
use super::outbox::Outbox;
use super::reach::Failures;
use super::reports::Reports;
use super::sender::{Sender, Streaks};

/// How long the thread of a producer polls at a time, thus how long it may outlive the sink.
const POLL: Duration = Duration::from_secs(1);

/// The producer of one attempt of a job, made for its first message: a job that writes nothing costs none.
///
/// Dropping it forgets what is not delivered, at once; that was not acknowledged, thus is read again.
pub(super) struct JobProducer {
    config: ClientConfig,
    reports: Reports,
    letters: Arc<LetterForm>,
    hold_after: u32,
    outbox: Arc<Outbox>,
    producer: OnceLock<Result<Producing, String>>,
}

/// A producer and the thread that feeds it.
struct Producing {
    producer: Arc<BaseProducer<Reports>>,
    sender: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for JobProducer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JobProducer")
    }
}

impl JobProducer {
    /// A producer with these settings. What the broker will never take becomes a dead letter.
    pub(super) fn new(
        config: ClientConfig,
        status: Arc<Status>,
        fault: Arc<Fault>,
        letters: Arc<LetterForm>,
        hold_after: u32,
    ) -> Self {
        let outbox = Arc::default();
        let (is_away, failures) = (Arc::default(), Failures::of(&config));
        let reports = Reports { status, fault, outbox: Arc::clone(&outbox), is_away, failures };
        Self { config, reports, letters, hold_after, outbox, producer: OnceLock::new() }
    }

    /// What waits to be sent.
    pub(super) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Takes messages to be sent, in order; never blocks for long. One that no broker will take becomes a dead letter;
    /// any other failure is the attempt's fault.
    pub(super) fn send(&self, messages: impl IntoIterator<Item = (Message, Tracked)>) {
        match self.producer.get_or_init(|| self.start()) {
            Ok(_) => self.outbox.put(messages),
            Err(reason) => self.reports.fault.set(reason.clone()),
        }
    }

    fn start(&self) -> Result<Producing, String> {
        let producer = self.config.create_with_context(self.reports.clone()).map_err(refused);
        let producer: Arc<BaseProducer<Reports>> =
            Arc::new(producer.map_err(|error| format!("failed to make a Kafka producer: {error:#}"))?);
        let polled = Arc::downgrade(&producer);
        let sender = Sender {
            outbox: Arc::clone(&self.outbox),
            producer: Arc::clone(&producer),
            letters: Arc::clone(&self.letters),
            fault: Arc::clone(&self.reports.fault),
            streaks: Streaks::new(self.hold_after),
        };
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            let span = tracing::Span::current();
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || span.in_scope(run))
                .map_err(|error| format!("failed to start a thread of a Kafka producer: {error}"))
        };
        let again = BeginAgain::new(self.config.get("bootstrap.servers").unwrap_or_default());
        spawn(
            "reports",
            Box::new(move || {
                while let Some(producer) = polled.upgrade() {
                    // Reports are served as they come. (`ThreadedProducer` polls for 100 ms at a time, and the binding
                    // spins through the last millisecond of each poll.)
                    producer.poll(POLL);
                    if producer.context().is_away.load(Ordering::Acquire) {
                        again.finds_none(producer.client());
                    }
                }
            }),
        )?;
        let sender = spawn("sender", Box::new(move || sender.run()))?;
        Ok(Producing { producer, sender: Mutex::new(Some(sender)) })
    }

    /// Waits until everything has been delivered or `timeout` is over. What is still undelivered then is not
    /// acknowledged, thus read again.
    pub(super) fn flush(&self, timeout: Duration) {
        self.outbox.drain(timeout);
    }
}

impl Drop for JobProducer {
    fn drop(&mut self) {
        self.outbox.close();
        let Some(Ok(Producing { producer, sender })) = self.producer.get() else { return };
        // Nothing may be sent any more once this returns, for the next attempt of the job sends it again, in order. The
        // purge ends the sender's wait; the thread that polls ends a moment later.
        producer.purge(PurgeConfig::default().queue().inflight());
        if let Some(sender) = lock(sender).take() {
            // It can't panic, and if it did, it sends nothing any more either.
            let _ = sender.join();
        }
    }
}
