//! Where the outputs go, and when they came.

use std::time::{Duration, Instant};

use pelton_local::postgres::LocalPostgres;
use pelton_testkit::kafka;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::{PARTITIONS, PATIENCE, Running, SINK, TABLE};

/// How exactly the first and the last output are timed.
const TICK: Duration = Duration::from_millis(10);

pub(crate) struct Outputs {
    runtime: tokio::runtime::Runtime,
    postgres: tokio_postgres::Client,
    kafka: BaseConsumer,
    /// Alerts of the arms before.
    before: u64,
}

impl Outputs {
    pub(crate) fn new(broker: &kafka::Kafka, postgres: &LocalPostgres) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (client, connection) =
            runtime.block_on(tokio_postgres::connect(&postgres.url(), tokio_postgres::NoTls)).unwrap();
        runtime.spawn(connection);
        let kafka = ClientConfig::new().set("bootstrap.servers", broker.bootstrap()).create().unwrap();
        Self { runtime, postgres: client, kafka, before: 0 }
    }

    /// Empties the table, and counts alerts anew.
    pub(crate) fn begin(&mut self) {
        let sql = format!(
            "DROP TABLE IF EXISTS {TABLE}; CREATE TABLE {TABLE} (message_id varchar(255) PRIMARY KEY, sensor_id int NOT NULL, \
             message text NOT NULL, timestamp timestamptz NOT NULL); CHECKPOINT"
        );
        self.runtime.block_on(self.postgres.batch_execute(&sql)).unwrap();
        self.before += self.alerts();
    }

    pub(crate) fn rows(&self) -> u64 {
        let row =
            self.runtime.block_on(self.postgres.query_one(&format!("SELECT count(*) FROM {TABLE}"), &[])).unwrap();
        row.get::<_, i64>(0).cast_unsigned()
    }

    pub(crate) fn alerts(&self) -> u64 {
        let end = |partition| self.kafka.fetch_watermarks(SINK, partition, Duration::from_secs(10)).unwrap().1;
        (0..PARTITIONS).map(end).sum::<i64>().cast_unsigned() - self.before
    }

    /// Waits for so many alerts and rows of an arm that goes on.
    pub(crate) fn wait(&self, running: &Running, alerts: u64, rows: u64) {
        let deadline = Instant::now() + PATIENCE;
        // Counting rows is dear, so it is asked for once the alerts are through.
        while self.alerts() < alerts || rows > 0 && self.rows() < rows {
            let goes_on = Instant::now() < deadline && !running.has_ended();
            assert!(goes_on, "the arm ended with {} rows, {} alerts", self.rows(), self.alerts());
            std::thread::sleep(TICK);
        }
    }
}
