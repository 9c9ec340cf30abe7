//! One job's flow, from the first record to the last commit. The whole of it, top to bottom:
//!
//! ```text
//! source ─ batch ─▶ worker: guest ─ outcome ─▶ route ─▶ Kafka, Postgres, dead letters
//!    ▲                                                      │
//!    └── commit ◀── ledger: contiguous complete head ◀── acknowledgement
//! ```
//!
//! At least once: an offset is committed only after every output and dead letter of every record before it is
//! acknowledged. A crash anywhere means that records after the last commit are read again. Within a partition order is
//! kept, since one worker handles it, one producer sends for it, and one writer writes its rows.
//!
//! The version of the job may change at any time, [between two batches](version); the number of instances changes once
//! what is in flight is drained, and the consumer stays in its group meanwhile.
//!
//! The source runs on the thread that calls [`Attempt::run`]; each worker and the producer have threads of their own;
//! Postgres writers are tasks of the async runtime. They are joined by channels whose contents the job's
//! [budget](ack::Budget) bounds. Whatever fails for good ends the attempt, and the supervisor starts the next from what is
//! committed.

pub mod ack;
pub mod destinations;
pub mod isolate;
pub mod route;
pub mod sample;
pub mod shadow;
pub mod trace;
pub mod version;
pub mod worker;

pub use pelton_delivery::{fault, wake};

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::runtime::Handle;

use crate::config::Config;
use crate::dead_letter::{self, KafkaDeadLetters};
use crate::engine::Host;
use crate::kafka::{self, Admin};
use crate::metrics::JobMetrics;
use crate::sink::kafka::{KafkaSink, Undeliverable};
use crate::sink::postgres::PostgresConfig;
use crate::source::kafka::{Assignment, Context as SourceContext, Feeds, KafkaSource, PartitionView, Sleeper};
use crate::status::{State, Status};
use ack::{Budget, Delivery, lock};
use destinations::Destinations;
use fault::Fault;
use route::Router;
use trace::JobTracer;
use version::Current;
use wake::Wake;
use worker::{Running, Worker};

/// What it takes to run a job until it is stopped or fails.
pub struct Attempt {
    /// The job's name.
    pub name: String,
    /// The version of the job that is to run.
    pub current: Arc<Current>,
    /// The consumer group.
    pub group: String,
    /// How many instances are to run.
    pub parallelism: Arc<AtomicUsize>,
    /// The host's settings.
    pub config: Arc<Config>,
    /// What the guest's imports reach.
    pub host: Arc<dyn Host>,
    /// Where it is told how the job is doing.
    pub status: Arc<Status>,
    /// Counts.
    pub metrics: JobMetrics,
    /// Told to stop.
    pub stop: Arc<AtomicBool>,
    /// Called after it was told to stop, or to have another number of instances.
    pub wake: Arc<Wake>,
    /// Fetches that it may share with other jobs of the host.
    pub feeds: Feeds,
    /// Whether it may sleep.
    pub sleeper: Arc<Sleeper>,
    /// Where Postgres writers run.
    pub runtime: Handle,
    /// Where the assignment can be looked at.
    pub assignment: Arc<Mutex<Arc<Assignment>>>,
    /// Traces of its records, where tracing is on.
    pub tracer: Option<Arc<JobTracer>>,
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempt").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The threads of the workers, and what leads to them.
struct Workers {
    senders: Vec<mpsc::Sender<Arc<Delivery>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Attempt {
    /// Runs the job until it is told to stop: then drains, commits, leaves the group, and returns. So it does where the job
    /// is to sleep: with the partitions that it had. An error says what failed; nothing that was not acknowledged is
    /// committed then either.
    pub fn run(&self) -> Result<Option<Vec<PartitionView>>> {
        let (version, _) = self.current.get();
        let topics = version.job.spec().topics();
        self.check_topics(&topics)?;

        let fault = Arc::new(Fault::default());
        let client = format!("pelton-{}", self.name);
        let producer = kafka::producer(&self.config.kafka, &client);
        let (sink, undeliverable) = KafkaSink::new(&producer, Arc::clone(&self.status), Arc::clone(&fault));
        let sink = Arc::new(sink);
        let dead_letters = Arc::new(KafkaDeadLetters {
            job: self.name.clone(),
            sink: Arc::clone(&sink),
            folder: dead_letter_folder(&self.config),
            fault: Arc::clone(&fault),
            metrics: self.metrics.clone(),
        });

        let destinations = Arc::new(Destinations {
            name: self.name.clone(),
            postgres: PostgresConfig::of(&self.config.postgres)?,
            runtime: self.runtime.clone(),
            dead_letters: Arc::clone(&dead_letters),
            status: Arc::clone(&self.status),
            metrics: self.metrics.clone(),
        });
        let mut workers = self.start_workers(&sink, &destinations, &fault)?;
        let mut source = KafkaSource::new(
            &kafka::consumer(&self.config.kafka, &self.name, &self.group, self.config.delivery.commit_interval),
            SourceContext {
                topics,
                feeds: self.feeds.clone(),
                sleeper: Arc::clone(&self.sleeper),
                wake: Arc::clone(&self.wake),
                batching: self.config.batch.clone(),
                delivery: self.config.delivery.clone(),
                workers: Arc::clone(&self.parallelism),
                budget: Arc::new(Budget::new(self.config.delivery.in_flight_mib << 20)),
                fault: Arc::clone(&fault),
                stop: Arc::clone(&self.stop),
                status: Arc::clone(&self.status),
                metrics: self.metrics.clone(),
            },
        )?;
        *lock(&self.assignment) = source.assignment();
        self.status.set(State::Running);
        tracing::info!("job {} is running", self.name);

        let refused = &|| take_undeliverable(&undeliverable, &dead_letters);
        let result = loop {
            let ran = source.run(
                workers.senders.len(),
                |worker, delivery| {
                    // A worker that has ended is told of by its fault; the batch is read again.
                    let _ = workers.senders.get(worker).map(|sender| sender.send(delivery));
                },
                refused,
            );
            if ran.is_err() || self.stop.load(Ordering::Acquire) || source.sleeps().is_some() {
                break ran.map(|()| source.sleeps().map(<[_]>::to_vec));
            }
            // Another number of instances is asked for. The partitions move between them once nothing is on its way.
            if source.drain(self.config.delivery.drain_timeout, refused) {
                self.stop_workers(workers, &destinations);
                workers = self.start_workers(&sink, &destinations, &fault)?;
                tracing::info!("job {} has {} instances", self.name, workers.senders.len());
            }
        };

        // A failed attempt has nothing to wait for: its unacknowledged records are read again.
        let grace = if result.is_ok() { self.config.delivery.drain_timeout } else { Duration::ZERO };
        source.close(grace, refused);
        self.stop_workers(workers, &destinations);
        sink.flush(Duration::from_secs(1));
        result
    }

    fn check_topics(&self, topics: &[String]) -> Result<()> {
        let admin = Admin::new(&self.config.kafka)?;
        for topic in topics {
            if admin.partitions(topic)?.is_none() {
                bail!("topic {topic:?}, which the job reads, does not exist; create it");
            }
        }
        Ok(())
    }

    fn start_workers(
        &self,
        sink: &Arc<KafkaSink>,
        destinations: &Arc<Destinations>,
        fault: &Arc<Fault>,
    ) -> Result<Workers> {
        let mut workers = Workers { senders: Vec::new(), threads: Vec::new() };
        for number in 0..self.parallelism.load(Ordering::Acquire).max(1) {
            let version = Running::new(&self.current);
            let made = destinations.make(number, version.sinks(), &mut Vec::new())?;
            let router = Router {
                destinations: made.into_iter().map(|(_, destination)| destination).collect(),
                kafka: Arc::clone(sink),
                dead_letters: Arc::clone(&destinations.dead_letters),
                fault: Arc::clone(fault),
                metrics: self.metrics.clone(),
            };
            let worker = Worker {
                number,
                current: Arc::clone(&self.current),
                host: Arc::clone(&self.host),
                destinations: Arc::clone(destinations),
                router,
                status: Arc::clone(&self.status),
                metrics: self.metrics.clone(),
                stop: Arc::clone(&self.stop),
                tracer: self.tracer.clone(),
                part: format!("instance {number} of {}", self.name),
                version,
                retired: Vec::new(),
                memory: 0,
            };
            let (sender, receiver) = mpsc::channel();
            let fault = Arc::clone(fault);
            // So that its lines in the log name the job, too.
            let span = tracing::Span::current();
            let thread = std::thread::Builder::new()
                .name(format!("{}-{number}", self.name))
                .spawn(move || {
                    let _entered = span.enter();
                    let part = worker.part.clone();
                    let run = std::panic::AssertUnwindSafe(|| worker.run(&receiver));
                    if std::panic::catch_unwind(run).is_err() {
                        fault.set(format!("{part} panicked; this is a bug in Pelton, please report it"));
                    }
                })
                .context("failed to start a thread for an instance")?;
            workers.senders.push(sender);
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    /// Ends the workers. By now everything is drained, or its time is over.
    fn stop_workers(&self, workers: Workers, destinations: &Destinations) {
        let (version, count) = (self.current.get().0, workers.senders.len());
        drop(workers.senders);
        // A guest in the middle of a batch is bounded by its time limit; a worker that waits for a retry sees the stop, or
        // that its partition is given up.
        let deadline = Instant::now() + self.config.limits.batch_time + self.config.limits.start_time;
        for thread in workers.threads {
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
            if thread.is_finished() {
                // Panics were caught inside.
                let _ = thread.join();
            }
        }
        (0..count).for_each(|number| destinations.forget(number, &version.job.spec().sinks));
    }
}

/// The folder for dead letters that Kafka does not take.
pub fn dead_letter_folder(config: &Config) -> PathBuf {
    config.data.join("dead-letters")
}

fn take_undeliverable(from: &mpsc::Receiver<Undeliverable>, dead_letters: &dead_letter::KafkaDeadLetters) {
    while let Ok(undeliverable) = from.try_recv() {
        dead_letters.undeliverable(undeliverable);
    }
}
