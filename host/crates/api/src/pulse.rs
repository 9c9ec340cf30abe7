//! Whether Kafka answers: asked once for all who want to know at the same time.

use std::sync::Arc;
use std::time::Duration;

use pelton_connect::Connectors;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long `/readyz` waits for Kafka.
const PING: Duration = Duration::from_secs(2);
/// How long what Kafka said is good for, so that many who ask at once cost no more than one.
const FRESH: Duration = Duration::from_secs(1);

/// Whether Kafka answers, as it was last seen.
#[derive(Debug)]
pub(crate) struct Pulse {
    connectors: Arc<Connectors>,
    /// When, and what is wrong.
    last: Mutex<Option<(Instant, Option<String>)>>,
}

impl Pulse {
    pub(crate) fn new(connectors: Arc<Connectors>) -> Self {
        Self { connectors, last: Mutex::new(None) }
    }

    /// What is wrong with Kafka. Whoever asks while it is looked at waits for the same answer.
    pub(crate) async fn wrong(&self) -> Option<String> {
        let connectors = Arc::clone(&self.connectors);
        let look = move || connectors.sources().ping(PING).err().map(|error| format!("kafka: {error:#}"));
        fresh(&self.last, || async { tokio::task::spawn_blocking(look).await.unwrap_or_default() }).await
    }
}

/// What was seen within [`FRESH`], or else is now.
async fn fresh<T: Clone, F: Future<Output = T>>(last: &Mutex<Option<(Instant, T)>>, look: impl FnOnce() -> F) -> T {
    let mut last = last.lock().await;
    match &*last {
        Some((at, seen)) if at.elapsed() < FRESH => seen.clone(),
        _ => {
            let seen = look().await;
            *last = Some((Instant::now(), seen.clone()));
            seen
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_who_ask_at_once_cost_one_look() {
        let (last, looks) = (Arc::new(Mutex::new(None)), Arc::new(std::sync::Mutex::new(0)));
        let ask = || {
            let (last, looks) = (Arc::clone(&last), Arc::clone(&looks));
            let look = move || async move {
                tokio::time::sleep(FRESH / 10).await;
                *looks.lock().unwrap() += 1;
                *looks.lock().unwrap()
            };
            tokio::spawn(async move { fresh(&last, look).await })
        };
        let asked: Vec<_> = (0..1000).map(|_| ask()).collect();
        for asked in asked {
            assert_eq!(asked.await.unwrap(), 1);
        }
        tokio::time::sleep(FRESH).await;
        assert_eq!(ask().await.unwrap(), 2);
    }
}
