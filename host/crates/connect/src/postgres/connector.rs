//! Postgres as a connector.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pelton_model::record::Rows;
use pelton_model::settings;
use pelton_model::spec::{self, Target};
use pelton_model::status::Part;
use pelton_model::sync::lock;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::config::{NAME, PostgresConfig};
use super::connect::Session;
use super::encode::Encoder;
use super::error::Unusable;
use super::sink::{PostgresSink, RowSink, SinkReport};
use super::unfit::Unfit;
use super::{missing, schema};
use crate::connector::{Connector, Finding, Fix, Needs};
use crate::context::Report;
use crate::dead_letters::DeadLetters;
use crate::error::Error;
use crate::sink::{RowCheck, Sink, Writers, WritersContext};

/// How long looking at the tables of a job may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(20);
/// How long is waited for a writer at a time.
const LOOK: Duration = Duration::from_millis(5);

/// A server and a database, as the settings name them.
#[derive(Debug)]
pub struct Postgres {
    config: PostgresConfig,
    runtime: Handle,
}

impl Postgres {
    /// Does not connect yet.
    ///
    /// # Errors
    /// The settings make no sense.
    pub fn new(settings: &settings::Postgres, runtime: &Handle) -> Result<Self, Error> {
        Ok(Self { config: PostgresConfig::of(settings)?, runtime: runtime.clone() })
    }

    /// Does what a check does, within the time that it may take.
    fn in_time<T>(&self, check: impl Future<Output = Result<T, Unusable>>) -> Result<T, Error> {
        let time = self.config.connect_timeout + CHECK_TIMEOUT;
        let checked = async { tokio::time::timeout(time, check).await };
        let url = &self.config.url;
        let halted =
            |_| Err(Unusable(format!("{url} gave no answer within {time:?}; is it, or a pooler between, at a halt?")));
        self.runtime.block_on(checked).unwrap_or_else(halted).map_err(unusable)
    }
}

fn unusable(error: Unusable) -> Error {
    Error::unavailable(NAME, anyhow::Error::from(error))
}

impl Connector for Postgres {
    fn name(&self) -> &'static str {
        NAME
    }

    fn ping(&self, timeout: Duration) -> Result<(), Error> {
        self.runtime.block_on(Session::connect(&self.config.url, "pelton", timeout)).map(drop).map_err(unusable)
    }

    fn check(&self, needs: &Needs<'_>) -> Result<Vec<Finding>, Error> {
        let config = &self.config;
        let check = async {
            let name = format!("pelton/{}", needs.job);
            let session = Session::connect(&config.url, &name, config.connect_timeout).await?;
            let mut findings = Vec::new();
            for sink in &needs.sinks {
                for mismatch in schema::check(session.client(), &sink.target).await? {
                    let (text, fix) = match &sink.target {
                        Target::Table(table) if mismatch.creatable => {
                            missing::look(session.client(), table, &mismatch.text).await?
                        }
                        target => (mismatch.named(target, &sink.name), Fix::ByHand),
                    };
                    findings.push(Finding { place: sink.name.clone(), text, fix });
                }
            }
            Ok(findings)
        };
        self.in_time(check)
    }

    fn make(&self, needs: &Needs<'_>, made: &mut Vec<String>) -> Result<(), Error> {
        let config = &self.config;
        let make = async {
            let name = format!("pelton/{}", needs.job);
            let session = Session::connect(&config.url, &name, config.connect_timeout).await?;
            for sink in &needs.sinks {
                let Target::Table(table) = &sink.target else { continue };
                let found = schema::check(session.client(), &sink.target).await?;
                if found.iter().any(|mismatch| mismatch.creatable) {
                    schema::create(session.client(), table).await?;
                    made.push(format!("table `{}`", table.name));
                }
            }
            Ok(())
        };
        self.in_time(make)
    }

    fn open(&self, context: &WritersContext, letters: &Arc<dyn DeadLetters>) -> Result<Arc<dyn Writers>, Error> {
        Ok(Arc::new(Tables {
            config: PostgresConfig { hold_after: context.hold_after, ..self.config.clone() },
            runtime: self.runtime.clone(),
            report: context.report.clone(),
            letters: Arc::clone(letters),
            tasks: Mutex::default(),
        }))
    }
}

/// The sinks of one attempt of a job. Each has a connection of its own.
#[derive(Debug)]
struct Tables {
    config: PostgresConfig,
    runtime: Handle,
    report: Report,
    letters: Arc<dyn DeadLetters>,
    /// Those of the writers.
    tasks: Mutex<Vec<AbortHandle>>,
}

impl Writers for Tables {
    fn sink(&self, instance: usize, sink: &spec::Sink) -> Result<Box<dyn Sink>, Error> {
        let report = Arc::new(SinkReport {
            job: Arc::clone(&self.report.job),
            part: Part::Sink { sink: sink.name.clone(), instance },
            refusing: Part::Refusing(format!("{} in instance {instance}", sink.name)),
            status: Arc::clone(&self.report.status),
            metrics: self.report.metrics.sink(&sink.name),
            is_retired: AtomicBool::new(false),
            fault: Arc::clone(&self.report.fault),
        });
        let status = Arc::clone(&self.report.status);
        let (letters, told) = (Arc::clone(&self.letters), Arc::clone(&report) as _);
        let writer = PostgresSink::spawn(&self.runtime, &self.report.job, sink, &self.config, letters, told)?;
        let mut tasks = lock(&self.tasks);
        tasks.retain(|task| !task.is_finished());
        tasks.push(writer.task());
        Ok(Box::new(RowSink {
            encoder: Encoder::new(&sink.target),
            writer,
            unfit: Unfit::new(&sink.name, instance, self.config.hold_after, status, Arc::clone(&self.letters)),
            fault: Arc::clone(&self.report.fault),
            report,
        }))
    }

    /// Whoever needs it drains the deliveries: a sink that is dropped writes no more. What it has begun on the server is
    /// ended there.
    fn flush(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        while lock(&self.tasks).iter().any(|task| !task.is_finished()) && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
    }
}

impl RowCheck for Encoder {
    fn refusal(&self, rows: &Rows, n: usize) -> Option<String> {
        Encoder::refusal(self, rows, n)
    }
}
