//! How a member leaves its group.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::group::Group;

/// How long is waited at a time.
const LOOK: Duration = Duration::from_millis(5);

/// Commits what is stored and leaves the group, which dropping a consumer does. Without a broker that answers
/// librdkafka tries that until the session is over; who stops does not wait so long.
pub(super) fn leave(consumer: Arc<BaseConsumer<Group>>, is_static: bool, deadline: Instant) {
    let leaves = move || {
        if is_static {
            give_up_place(&consumer, deadline);
        }
        drop(consumer);
    };
    // If no thread can be started, it is dropped right here.
    let Ok(leaving) = std::thread::Builder::new().name("leave".to_owned()).spawn(leaves) else { return };
    while !leaving.is_finished() {
        if Instant::now() >= deadline {
            tracing::warn!(
                "Kafka does not answer: the last offsets may not be committed, their records are read again"
            );
            return;
        }
        std::thread::sleep(LOOK);
    }
}

/// A static member that is closed keeps its place for as long as a session lasts (KIP-345), and nobody would read its
/// partitions meanwhile. One that ends its subscription before that gives its place up.
pub(super) fn give_up_place(consumer: &BaseConsumer<Group>, deadline: Instant) {
    consumer.unsubscribe();
    while is_member(consumer) && Instant::now() < deadline {
        // Has the partitions given up, which commits what is stored.
        drop(consumer.poll(LOOK));
    }
}

/// Whether it has an id in its group; it has none any more once it has said that it leaves.
#[expect(unsafe_code, reason = "the binding has no call for this")]
fn is_member(consumer: &BaseConsumer<Group>) -> bool {
    // SAFETY: the consumer outlives the call. What it returns is null, or text that ends with a zero byte, is ours, and
    // is given back with the function that is there for that (librdkafka's rdkafka.h).
    unsafe {
        let client = consumer.client().native_ptr();
        let id = rdkafka::bindings::rd_kafka_memberid(client);
        let is_member = !id.is_null() && *id != 0;
        rdkafka::bindings::rd_kafka_mem_free(client, id.cast());
        is_member
    }
}
