//! The arms, each in a process of its own, so that its CPU time and memory are its own, too.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use pelton::config::{Config, Secret};
use pelton::connect::{AtLeastOnce, Connectors, Opening, Outputs, Report, Requests, WritersContext};
use pelton::engine::{Engine, Host, Program};
use pelton::metrics::Metrics;
use pelton::pipeline::sample::Samples;
use pelton::pipeline::{Attempt, CurrentVersion, Job, JobEnvironment, Pace, Version};
use pelton_delivery::budget::Budget;
use pelton_delivery::delivery::Delivery;
use pelton_delivery::ledger::Ledger;
use pelton_demo::Sensors;
use pelton_testkit::kafka;
use pelton_testkit::report::{Measuring, Run};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, NoCustomPartitioner, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Message};

use super::{PATIENCE, SEED, SINK, SOURCE, TABLE, native};

/// What an arm is told.
pub(crate) struct Arms {
    pub(crate) config: Config,
    /// Records in the topic.
    pub(crate) records: u64,
    /// How many of them become alerts.
    pub(crate) alerts: u64,
}

struct Silent;

impl Host for Silent {
    fn log(&self, _: tracing::Level, _: &str) {}
    fn count(&self, _: &str, _: u64) {}
    fn gauge(&self, _: &str, _: f64) {}
}

fn component(path: &str) -> Arc<dyn Program> {
    // As the host has it: compiled before, so that its memory is not that of a compiler.
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("components");
    let engine = Engine::new(Config::default().limits, Some(&cache)).unwrap();
    let wasm = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    Arc::new(engine.load(&wasm).unwrap())
}

/// Waits for a condition.
fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "the arm did not finish within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl Arms {
    /// Runs an arm; nothing where there is none of this name.
    pub(crate) fn run(&self, arm: &str) -> Option<Run> {
        let (all, alerts) = (self.records, self.alerts);
        Some(match arm {
            "raw" => self.raw(),
            "identity" => self.pelton(component("tests/guests/identity.wasm"), &[(SINK, all)]),
            "filter" => self.pelton(component("../usr_jobs/sensor_alerts.wasm"), &[(SINK, alerts)]),
            "native" => self.pelton(Arc::new(native::Filter::new(false)), &[(SINK, alerts)]),
            "pipeline" => {
                self.pelton(component("../usr_jobs/sensor_pipeline.wasm"), &[("raw_sensors_data", all), (SINK, alerts)])
            }
            "sink" => self.sink(),
            _ => return None,
        })
    }

    /// Consumes on one thread and produces on another, with nothing in between.
    fn raw(&self) -> Run {
        let group = kafka::unique("raw");
        let interval = self.config.delivery.commit_interval;
        let consumer: BaseConsumer =
            pelton::kafka::consumer(&self.config.kafka, "raw", &group, interval).create().unwrap();
        let delivered = Arc::new(AtomicU64::new(0));
        let producer: ThreadedProducer<Delivered> = pelton::kafka::producer(&self.config.kafka, "raw")
            // Nobody flushes it.
            .set("linger.ms", "5")
            .create_with_context(Delivered(Arc::clone(&delivered)))
            .unwrap();
        consumer.subscribe(&[SOURCE]).unwrap();
        let measuring = std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel::<Vec<rdkafka::message::BorrowedMessage<'_>>>(16);
            let (consumer, producer) = (&consumer, &producer);
            scope.spawn(move || {
                for message in receiver.into_iter().flatten() {
                    let mut record = BaseRecord::<[u8], [u8]>::to(SINK);
                    record.key = message.key();
                    record.payload = message.payload();
                    record.timestamp = message.timestamp().to_millis();
                    producer.send(record).map_err(|(error, _)| error).unwrap();
                }
            });
            let (mut measuring, mut read, mut messages) = (None, 0, Vec::new());
            while read < self.records {
                match consumer.poll(if messages.is_empty() { Duration::from_millis(100) } else { Duration::ZERO }) {
                    Some(message) => {
                        measuring.get_or_insert_with(Measuring::begin);
                        messages.push(message.unwrap());
                        read += 1;
                    }
                    None if messages.is_empty() => continue,
                    None => sender.send(std::mem::take(&mut messages)).unwrap(),
                }
                if messages.len() == 1000 || read == self.records {
                    sender.send(std::mem::take(&mut messages)).unwrap();
                }
            }
            measuring.unwrap()
        });
        until(|| delivered.load(Ordering::Acquire) == self.records);
        let run = measuring.end();
        producer.flush(Duration::from_secs(10)).unwrap();
        run
    }

    /// A job in Pelton's pipeline, until every sink has acknowledged all that is due.
    fn pelton(&self, program: Arc<dyn Program>, due: &[(&str, u64)]) -> Run {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let config = Arc::new(self.config.clone());
        let name = kafka::unique("bench");
        let metrics = Arc::new(Metrics::default()).job(&name);
        let stop = Arc::new(AtomicBool::new(false));
        let parameters = program.spec().parameters.iter().map(|p| (p.name.clone(), p.default.clone().unwrap()));
        let version = Version::new(1, Arc::clone(&program), parameters.collect(), "");
        let connectors = Arc::new(Connectors::new(&config, runtime.handle()).unwrap());
        let parallelism = std::env::var("PELTON_BENCH_PARALLELISM").map_or(1, |text| text.parse().unwrap());
        let attempt = Attempt {
            current: Arc::new(CurrentVersion::new(version, Samples::default())),
            source: connectors.sources().job(&name),
            group: name.clone(),
            committer: Arc::new(AtLeastOnce),
            requests: Requests {
                stop: Arc::clone(&stop),
                parallelism: Arc::new(std::sync::atomic::AtomicUsize::new(parallelism)),
                ..Requests::default()
            },
            job: Job { name: name.into(), host: Arc::new(Silent), metrics: metrics.clone(), tracer: None },
            status: Arc::default(),
            assignment: Arc::default(),
            environment: JobEnvironment { config, connectors, pace: Pace::default() },
        };
        let thread = std::thread::spawn(move || attempt.run().unwrap());
        let sinks: Vec<_> = due.iter().map(|(sink, count)| (metrics.sink(sink), *count)).collect();
        until(|| metrics.records_in.get() > 0);
        let measuring = Measuring::begin();
        until(|| {
            metrics.records_in.get() == self.records && sinks.iter().all(|(sink, count)| sink.records.get() == *count)
        });
        let run = measuring.end();
        stop.store(true, Ordering::Release);
        thread.join().unwrap();
        run
    }

    /// The sink for the table, with rows that are there already.
    fn sink(&self) -> Run {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let config = Arc::new(self.config.clone());
        let program = component("../usr_jobs/sensor_pipeline.wasm");
        let mut guest = native::Filter::new(true).instantiate(&[], Arc::new(Silent)).unwrap();
        let readings: Vec<_> = Sensors::new(SEED).take(self.records as usize).collect();
        let made = (0..).step_by(1000).zip(readings.chunks(1000)).map(|(first, readings)| {
            let batch = native::batch(first, readings.iter().map(ToString::to_string));
            let rows = guest.process(&batch).unwrap().outputs.pop().unwrap();
            (batch, rows)
        });
        let made: Vec<_> = made.collect();
        let name = kafka::unique("bench");
        let metrics = Arc::new(Metrics::default()).job(&name);
        let report = Report {
            job: name.as_str().into(),
            status: Arc::default(),
            metrics: metrics.clone(),
            fault: Arc::default(),
        };
        let opening = Opening {
            context: WritersContext {
                report,
                client: name,
                hold_after: 0,
                patience: None,
                folder: self.config.data.clone(),
            },
            letter_counts: metrics,
        };
        let connectors = Arc::new(Connectors::new(&config, runtime.handle()).unwrap());
        let outputs = Outputs::open(&connectors, &opening).unwrap();
        let table: Vec<_> = program.spec().sinks.iter().filter(|sink| sink.name == TABLE).cloned().collect();
        let sinks = outputs.sinks(0, &table, &mut Vec::new()).unwrap();
        let (ledger, budget) = (Arc::new(Ledger::default()), Arc::new(Budget::new(64 << 20)));
        let measuring = Measuring::begin();
        for (batch, rows) in made {
            until(|| budget.wait(Duration::from_millis(10)));
            let delivery = Delivery::new(batch, Arc::clone(&ledger), Arc::clone(&budget)).unwrap();
            sinks[0].1.write(&delivery, rows);
            delivery.acknowledge(1);
        }
        until(|| ledger.committable() == Some(self.records as i64));
        // The rows that are given take most of the memory.
        Run { peak_mib: None, ..measuring.end() }
    }

    /// What the parent has said.
    pub(crate) fn of_environment() -> Self {
        let told = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        // With the settings of a file and of the environment, as the host.
        let mut config = Config::load(std::env::var_os("PELTON_CONFIG").as_deref().map(Path::new), &[]).unwrap();
        config.kafka.bootstrap = told("PELTON_BENCH_KAFKA");
        config.postgres.url = Some(Secret(told("PELTON_BENCH_POSTGRES")));
        config.data = told("PELTON_BENCH_FOLDER").into();
        Self {
            config,
            records: told("PELTON_BENCH_RECORDS").parse().unwrap(),
            alerts: told("PELTON_BENCH_ALERTS").parse().unwrap(),
        }
    }
}

struct Delivered(Arc<AtomicU64>);

impl ClientContext for Delivered {
    fn stats(&self, _: rdkafka::Statistics) {}
}

impl ProducerContext<NoCustomPartitioner> for Delivered {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        assert!(result.is_ok());
        self.0.fetch_add(1, Ordering::Release);
    }
}
