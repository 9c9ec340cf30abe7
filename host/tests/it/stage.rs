//! The servers for whole runs, for one test at a time.
//!
//! Jobs name the topics that they read and write, so two tests that run the same jobs can't share a broker side by
//! side. They take turns instead: whoever has a [`Stage`] has an Apache Kafka and a Postgres, both running and empty,
//! and may stop, freeze and start them again.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use pelton_local::postgres::{LocalPostgres, Options, Programs};
use tokio_postgres::{NoTls, Row};

pub(crate) use pelton_testkit::files::{example, guest, guests};

use crate::eventually::eventually;
use crate::kafka::{Kafka, Record, Watch};
use crate::pelton::Host;

/// For a run of some ten thousand records on a busy machine.
pub(crate) const RUN: Duration = Duration::from_secs(180);

/// For all tests before this one, with as many threads as there may be.
const TURN: Duration = Duration::from_secs(3600);

/// What hosts of tests are set to: a group notices in seconds that a killed host is gone, offsets are committed soon,
/// and a drain fits into the session.
pub(crate) const SETTINGS: &str = r#"
[delivery]
commit_interval = "200ms"
drain_timeout = "5s"
[kafka.consumer]
"session.timeout.ms" = "6000"
"heartbeat.interval.ms" = "500"
"#;

/// Settings for the consumer protocol of KIP-848, whose timeouts are the broker's.
pub(crate) const CONSUMER_PROTOCOL: &str = r#"
[delivery]
commit_interval = "200ms"
drain_timeout = "5s"
[kafka.consumer]
"group.protocol" = "consumer"
"#;

/// Both servers.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) kafka: Kafka,
    pub(crate) postgres: LocalPostgres,
}

/// Two, so that a machine with two cores is busy: much of a test is waiting for a group to settle.
static SERVERS: [Mutex<Option<Servers>>; 2] = [Mutex::new(None), Mutex::new(None)];

/// The turn of one test.
#[derive(Debug)]
pub(crate) struct Stage {
    servers: MutexGuard<'static, Option<Servers>>,
    /// The Postgres that comes back after the test, where the test has another.
    usual: Option<LocalPostgres>,
}

/// Waits for this test's turn, or returns from a test that has to be skipped.
macro_rules! require_stage {
    () => {
        match $crate::kafka::Kafka::available() {
            Ok(()) => $crate::stage::Stage::take(),
            Err(reason) => return $crate::skip::skip($crate::skip::test_name!(), &reason),
        }
    };
}
pub(crate) use require_stage;

impl std::ops::Deref for Stage {
    type Target = Servers;

    fn deref(&self) -> &Servers {
        self.servers.as_ref().unwrap()
    }
}

impl std::ops::DerefMut for Stage {
    fn deref_mut(&mut self) -> &mut Servers {
        self.servers.as_mut().unwrap()
    }
}

impl Stage {
    /// Waits until no other test has the servers, and empties them.
    pub(crate) fn take() -> Self {
        // The test before may have panicked anywhere: whatever it left is put right here.
        let free = |servers: &'static Mutex<_>| match servers.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        let mut guard = eventually(TURN, "servers are free", || SERVERS.iter().find_map(free));
        let servers = guard.get_or_insert_with(|| Servers::of(Kafka::start().unwrap()));
        servers.kafka.restore().unwrap();
        servers.postgres.start_again().unwrap();
        servers.kafka.delete_topics();
        servers.kafka.delete_groups();
        let stage = Self { servers: guard, usual: None };
        stage.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
        stage
    }
}

impl Stage {
    /// The same with a new broker, for tests that stop it and read what was written around that: one that whole runs of
    /// tests have used for ten minutes showed none of a topic's records after its restart, thrice, though it had their
    /// offsets.
    pub(crate) fn with_new_kafka(mut self) -> Self {
        self.kafka = Kafka::start().unwrap();
        self
    }

    /// The same with another Postgres, which is this test's alone: of another version, or one whose settings change.
    #[allow(dead_code, reason = "only tests of the field have one")]
    pub(crate) fn with_postgres(mut self, programs: Programs) -> Self {
        let other = LocalPostgres::start(&Options { programs, durable: false, ..Options::default() }).unwrap();
        self.usual = Some(std::mem::replace(&mut self.postgres, other));
        self
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(usual) = self.usual.take() {
            self.postgres = usual;
        }
    }
}

impl Servers {
    /// A Kafka that no other test uses, with a Postgres.
    pub(crate) fn of(kafka: Kafka) -> Self {
        Self { kafka, postgres: LocalPostgres::start(&Options { durable: false, ..Options::default() }).unwrap() }
    }

    /// Makes the topics of the example jobs, `sensors` of so many partitions, and their table.
    pub(crate) fn set(&self, partitions: i32) {
        self.topics(partitions);
        self.sql(include_str!("../../../docs/compose/raw_sensors_data.sql"));
    }

    /// Makes the topics of the example jobs and of the bad guests.
    pub(crate) fn topics(&self, partitions: i32) {
        self.kafka.create_topic("sensors", partitions, &[("max.message.bytes", "10000000")]);
        self.kafka.create_topic("alerts", 1, &[]);
    }

    /// A host that will use these servers; not started yet.
    pub(crate) fn host(&self) -> Host {
        Host::new(&self.kafka.bootstrap(), &self.postgres.url()).config(SETTINGS)
    }

    /// Runs SQL.
    pub(crate) fn sql(&self, sql: &str) {
        self.with_postgres(async |client| client.batch_execute(sql).await.unwrap());
    }

    /// Runs a query.
    pub(crate) fn query(&self, sql: &str) -> Vec<Row> {
        self.with_postgres(async |client| client.query(sql, &[]).await.unwrap())
    }

    /// The number of rows of a table.
    pub(crate) fn count(&self, table: &str) -> i64 {
        self.query(&format!("SELECT count(*) FROM {table}"))[0].get(0)
    }

    fn with_postgres<T>(&self, work: impl AsyncFnOnce(&tokio_postgres::Client) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&self.postgres.url(), NoTls).await.unwrap();
            tokio::spawn(connection);
            work(&client).await
        })
    }

    /// Waits until a job's group has committed everything in `sensors`: every output of it is then acknowledged.
    #[track_caller]
    pub(crate) fn wait_until_done(&self, job: &str) {
        let ends = self.kafka.end_offsets("sensors");
        let group = self.watch(job);
        let mut last = Vec::new();
        eventually(RUN, &format!("{job} has committed {ends:?}"), || {
            let committed = committed(&group);
            if committed != last {
                eprintln!("{job} has committed {committed:?} of {ends:?}");
                last.clone_from(&committed);
            }
            (committed == ends).then_some(())
        });
    }

    /// A look at what a job's group has committed of `sensors`.
    pub(crate) fn watch(&self, job: &str) -> Watch {
        self.kafka.watch(&format!("pelton-{job}"), "sensors")
    }

    /// The values in `alerts`, in order.
    pub(crate) fn alerts(&self) -> Vec<String> {
        self.kafka.read_all("alerts").iter().map(|record| record.text().to_owned()).collect()
    }

    /// A job's dead letters by partition and offset of the records that they were, in the order in which they came.
    pub(crate) fn dead_letters(&self, job: &str) -> BTreeMap<(i32, i64), Vec<Record>> {
        let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for letter in self.kafka.read_all(&format!("{job}.dlq")) {
            let number = |name| letter.header_text(name).unwrap().parse::<i64>().unwrap();
            let at = (i32::try_from(number("pelton.partition")).unwrap(), number("pelton.offset"));
            assert_eq!(letter.header_text("pelton.topic"), Some("sensors"));
            assert_eq!(letter.header_text("pelton.job"), Some(job));
            assert_eq!(letter.header_text("pelton.version"), Some("0.1.0"));
            found.entry(at).or_default().push(letter);
        }
        found
    }

    /// Stage and error of each dead letter, in the order of the offsets; for topics of one partition.
    pub(crate) fn reasons(&self, job: &str) -> Vec<(i64, String, String)> {
        let text = |letter: &Record, name| letter.header_text(name).unwrap().to_owned();
        let letters = self.dead_letters(job).into_iter();
        letters
            .flat_map(|((_, offset), letters)| letters.into_iter().map(move |letter| (offset, letter)))
            .map(|(offset, letter)| (offset, text(&letter, "pelton.stage"), text(&letter, "pelton.error")))
            .collect()
    }
}

/// Committed offsets by partition, 0 where there is none yet.
pub(crate) fn committed(group: &Watch) -> Vec<i64> {
    group.committed().into_iter().map(Option::unwrap_or_default).collect()
}
