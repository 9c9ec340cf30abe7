//! Apache Kafka for the tests: one real node in KRaft mode on loopback, or three, their data in a temporary folder.
//!
//! Most tests share one broker per process ([`require_kafka!`]) and keep out of each other's way by [`unique`] names;
//! one that stops or freezes the broker, needs three, or an older one, starts its own ([`Kafka::start`]). Either way
//! brokers are on a leash: they end with this process, also when a test panics or the process is killed. No containers:
//! Docker is not everywhere, and Java starts in a second.

mod broker;
mod install;
mod listeners;
mod record;
mod topics;

use std::sync::atomic::{AtomicU32, Ordering};

pub use broker::{Guarded, Kafka};
pub use listeners::Listener;
pub use record::Record;
pub use topics::Watch;

/// The broker that the tests of this process share, or an early return from a test that has to be skipped.
/// `require_kafka!(private)` starts one that no other test uses.
#[macro_export]
macro_rules! require_kafka {
    () => {
        match $crate::kafka::Kafka::shared() {
            Ok(kafka) => kafka,
            Err(reason) => return $crate::skip::skip($crate::test_name!(), &reason),
        }
    };
    (guarded) => {
        $crate::require_kafka!(@start available, start_guarded)
    };
    (private) => {
        $crate::require_kafka!(@start available, start)
    };
    (three) => {
        $crate::require_kafka!(@start available, start_three)
    };
    (old) => {
        $crate::require_kafka!(@start old_available, start_old)
    };
    (@start $available:ident, $start:ident) => {
        match $crate::kafka::Kafka::$available() {
            Ok(()) => $crate::kafka::Kafka::$start().unwrap(),
            Err(reason) => return $crate::skip::skip($crate::test_name!(), &reason),
        }
    };
}
pub use crate::require_kafka;

/// A name that no other test uses, for topics, groups, tables and jobs: lower-case letters, digits and `_`.
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
