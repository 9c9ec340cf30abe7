//! Deleting dead letters for good: records of the topic up to an offset, and files.
//!
//! Only what Pelton wrote is deleted: a topic that merely has such a name is left alone.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};
use tokio::runtime::Handle;

use super::letter::Place;
use super::list::{Letters, away, broken};
use super::read::{Item, Topic};
use crate::api::types::Problem;
use crate::api::types::dead_letters::{Purge, Purged};
use crate::config::Config;
use crate::kafka::{REQUEST_TIMEOUT, client};

/// What a look at one partition finds.
struct Cut {
    /// Everything before this offset is deleted.
    offset: i64,
    letters: u64,
    /// Whether a letter was found that stays.
    stays: bool,
}

/// Deletes all letters, or those before a time: of each partition the head up to the first letter that is not before it.
/// Call it where blocking is allowed.
pub fn purge(config: &Config, runtime: &Handle, letters: &Letters, request: &Purge) -> Result<Purged, Problem> {
    let mut purged = Purged::default();
    if let Some(topic) = &letters.topic {
        let cuts = cuts(topic, request)?;
        let mut offsets = TopicPartitionList::new();
        for (&partition, cut) in &cuts {
            if topic.bounds().get(&partition).is_some_and(|&(first, _)| first < cut.offset) {
                offsets
                    .add_partition_offset(topic.name(), partition, Offset::Offset(cut.offset))
                    .map_err(|error| away(&error.into()))?;
            }
        }
        if offsets.count() > 0 {
            delete(config, runtime, &offsets).map_err(|error| {
                let detail = format!("Kafka did not delete the records of {}: {error:#}", topic.name());
                Problem::new(503, "unavailable", "nothing was purged", detail)
            })?;
        }
        purged.purged += cuts.values().map(|cut| cut.letters).sum::<u64>();
    }
    for name in letters.files.names().map_err(|error| broken(&error))? {
        let is_due = match request.before {
            None => true,
            // One that can't be read has no time.
            Some(before) => letters.files.read(&name).is_ok_and(|letter| letter.at < before),
        };
        if is_due {
            letters.files.remove(&name).map_err(|error| broken(&error))?;
            purged.purged += 1;
        }
    }
    tracing::info!(job.name = letters.job, "purged {} dead letters of {}", purged.purged, letters.job);
    Ok(purged)
}

fn cuts(topic: &Topic, request: &Purge) -> Result<BTreeMap<i32, Cut>, Problem> {
    let bounds = topic.bounds().iter();
    let mut cuts: BTreeMap<i32, Cut> =
        bounds.map(|(&partition, &(_, end))| (partition, Cut { offset: end, letters: 0, stays: false })).collect();
    let mut foreign = Vec::new();
    let read = topic.read(|item| {
        match item {
            Item::Letter(letter) => {
                if let Place::Topic { partition, offset } = letter.place
                    && let Some(cut) = cuts.get_mut(&partition).filter(|cut| !cut.stays)
                {
                    if request.before.is_none_or(|before| letter.at < before) {
                        cut.letters += 1;
                    } else {
                        cut.stays = true;
                        cut.offset = offset;
                    }
                }
            }
            Item::Foreign(partition, offset) => {
                if cuts.get(&partition).is_some_and(|cut| !cut.stays) {
                    foreign.push(format!("{partition}/{offset}"));
                    return ControlFlow::Break(());
                }
            }
            Item::Mark(_) => {}
        }
        ControlFlow::Continue(())
    });
    read.map_err(|error| away(&error))?;
    match foreign.first() {
        Some(place) => {
            let detail = format!("{} has a record at {place} that is not a dead letter of this job", topic.name());
            Err(Problem::new(409, "not-ours", "nothing was purged", detail)
                .fix("delete records of others with Kafka's own tools, such as kafka-delete-records.sh"))
        }
        None => Ok(cuts),
    }
}

fn delete(config: &Config, runtime: &Handle, offsets: &TopicPartitionList) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> = client(&config.kafka, "pelton-admin").create()?;
    let options = AdminOptions::new().operation_timeout(Some(REQUEST_TIMEOUT)).request_timeout(Some(REQUEST_TIMEOUT));
    let results = runtime.block_on(admin.delete_records(offsets, &options))?;
    results.elements().iter().try_for_each(|element| element.error())?;
    Ok(())
}
