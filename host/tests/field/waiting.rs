//! A job that waits for Postgres, and one that has read its topic.

use crate::eventually::eventually;
use crate::pelton::Host;
use crate::stage::{RUN, Servers, committed};

/// Waits until the job is degraded, and says why in these words.
#[track_caller]
pub(crate) fn wait_until_told(host: &Host, job: &str, reason: &str) {
    eventually(RUN, reason, || {
        let view = host.show(job);
        (view["state"] == "degraded" && view["conditions"].to_string().contains(reason)).then_some(())
    });
}

/// Waits until the job is well.
#[track_caller]
pub(crate) fn wait_until_running(host: &Host, job: &str) {
    eventually(RUN, "it is well", || (host.show(job)["state"] == "running").then_some(()));
}

/// Waits until a host has so many partitions of a job.
#[track_caller]
pub(crate) fn wait_for_partitions(host: &Host, job: &str, count: usize) {
    eventually(RUN, &format!("a host has {count} partitions"), || {
        (host.show(job)["partitions"].as_array()?.len() == count).then_some(())
    });
}

/// Waits until a job's group has committed everything in a topic.
#[track_caller]
pub(crate) fn wait_until_read(servers: &Servers, job: &str, topic: &str) {
    let (ends, group) = (servers.kafka.end_offsets(topic), servers.kafka.watch(&format!("pelton-{job}"), topic));
    eventually(RUN, &format!("{job} has committed {ends:?}"), || (committed(&group) == ends).then_some(()));
}

/// The ids of a table of readings, in order.
pub(crate) fn ids(servers: &Servers, table: &str) -> Vec<String> {
    let rows = servers.query(&format!("SELECT message_id FROM {table} ORDER BY message_id COLLATE \"C\""));
    rows.iter().map(|row| row.get(0)).collect()
}

/// The ids of readings of these numbers, in the same order.
pub(crate) fn ids_of(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    let mut ids: Vec<_> = numbers.into_iter().map(|n| format!("reading {n}")).collect();
    ids.sort();
    ids
}
