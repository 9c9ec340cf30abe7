//! Where Kafka is, and how its clients are set up.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Kafka: where it is, and any property of librdkafka
/// (<https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md>).
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kafka {
    /// `host:port`, several with commas.
    pub bootstrap: String,
    /// Whether topics that are to be created are asked for instead, for brokers that create what they are asked for and
    /// nothing else.
    pub auto_create: bool,
    /// Whether jobs of this host that read the same partition share its fetches.
    pub share_fetches: bool,
    /// How many idle jobs of this host stay members of their groups; further ones sleep until a record comes for them.
    pub idle_members: usize,
    /// Whether a job's consumer is known to its group by an id of this host, so that after a crash it has its partitions
    /// at once.
    pub static_members: bool,
    /// How long nothing comes for a job until it is idle.
    #[serde(with = "crate::durations")]
    pub idle_after: Duration,
    /// A file with the password, `sasl.password`.
    pub password_file: Option<PathBuf>,
    /// Properties of both consumers and producers: `security.protocol`, `sasl.username`, ….
    pub properties: BTreeMap<String, String>,
    /// Properties of consumers only.
    pub consumer: BTreeMap<String, String>,
    /// Properties of producers only.
    pub producer: BTreeMap<String, String>,
}

/// Where it is; properties may be secrets.
impl std::fmt::Debug for Kafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kafka").field("bootstrap", &self.bootstrap).finish_non_exhaustive()
    }
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            bootstrap: "localhost:9092".to_owned(),
            auto_create: false,
            share_fetches: true,
            idle_members: 16,
            static_members: true,
            idle_after: Duration::from_secs(600),
            password_file: None,
            properties: BTreeMap::new(),
            consumer: BTreeMap::new(),
            producer: BTreeMap::new(),
        }
    }
}
