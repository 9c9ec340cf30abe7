//! Waiting for a change, on a thread or in a task.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use pelton_delivery::clock::Clock;
use pelton_delivery::wake::Wake;
use pelton_model::sync::lock;
use tokio::sync::watch;

/// How long is waited at a time; whatever is waited for is told.
const LONG: Duration = Duration::from_secs(3600);

/// Tells all who wait that something has changed; they look for themselves at what.
#[derive(Debug)]
pub(crate) struct Changes {
    tasks: watch::Sender<()>,
    threads: Mutex<Vec<Weak<Wake>>>,
}

impl Default for Changes {
    fn default() -> Self {
        Self { tasks: watch::Sender::new(()), threads: Mutex::default() }
    }
}

impl Changes {
    /// Call it after the change.
    pub(crate) fn tell(&self) {
        self.tasks.send_replace(());
        lock(&self.threads).retain(|wake| wake.upgrade().inspect(|wake| wake.call()).is_some());
    }

    /// Blocks until something is so.
    pub(crate) fn wait(&self, clock: &dyn Clock, over: impl Fn() -> bool) {
        let wake = Arc::<Wake>::default();
        lock(&self.threads).push(Arc::downgrade(&wake));
        while !over() {
            clock.wait(&wake, LONG);
        }
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, over: impl Fn() -> bool) {
        let mut changed = self.tasks.subscribe();
        // Its sender is there as long as this is.
        while !over() && changed.changed().await.is_ok() {}
    }
}
