//! The [feeds](super::feed) of a host, and jobs' parts in them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use pelton_delivery::wake::Wake;
use pelton_model::settings::{self, Batching};
use pelton_model::sync::lock;

use super::feed::{Feed, Place, Shared};
use super::{fetcher, watch};

/// The feeds of a host. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Feeds(Arc<Shared>);

impl Feeds {
    /// No feed yet. The fetcher's consumer will have the settings of all consumers.
    pub fn new(kafka: &settings::Kafka, batching: &Batching) -> Self {
        Self(Arc::new(Shared {
            settings: kafka.share_fetches.then(|| watch::settings_of(kafka)),
            batching: batching.clone(),
            wake: Arc::default(),
            fetch: fetcher::run,
            registry: Mutex::default(),
            changes: AtomicU64::new(0),
            next_id: AtomicU64::new(0),
        }))
    }

    /// Says that a job has a partition. `wake` is called when there is something for it.
    pub(super) fn enter(&self, topic: &Arc<str>, partition: i32, wake: &Arc<Wake>) -> Place {
        // Held until it is counted: whoever leaves at this moment must not take the feed away.
        let mut registry = lock(&self.0.registry);
        let feed = registry
            .feeds
            .entry((Arc::clone(topic), partition))
            .or_insert_with(|| Arc::new(Feed { topic: Arc::clone(topic), partition, state: Mutex::default() }));
        let feed = Arc::clone(feed);
        lock(&feed.state).places += 1;
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        Place { shared: Arc::clone(&self.0), feed, id, wake: Arc::clone(wake) }
    }
}

#[cfg(test)]
mod tests;
