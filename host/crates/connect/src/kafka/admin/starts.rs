//! Where groups are: read, pinned where a job starts, and moved while it is held.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use backon::{BlockingRetryable, ExponentialBuilder};
use pelton_model::partition::{Moved, PartitionView};
use pelton_model::start::StartFrom;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::{Admin, unavailable};
use crate::error::Error;
use crate::kafka::client::{REQUEST_TIMEOUT, client, refused};
use crate::kafka::members::Members;
use crate::kafka::reach::{Failures, listen};
use crate::kafka::topic_id::{self, TopicIds};
use crate::starts;

/// How long a broker may take for each question of a look, which is asked again soon.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a seek is tried while the group has members: one that has just left may still be among them.
const LEAVING: usize = 4;

/// A topic and a partition of it.
type Key = (String, i32);

fn code(error: &anyhow::Error) -> Option<Code> {
    error.downcast_ref::<KafkaError>().and_then(KafkaError::rdkafka_error_code)
}

/// Whether brokers are choosing who answers, which takes a moment: a group's coordinator, at its first use, or the
/// leader of a partition, of a topic that has just been made or after a broker is gone.
fn is_settling(code: Option<Code>) -> bool {
    matches!(
        code,
        Some(
            Code::NotCoordinator
                | Code::CoordinatorNotAvailable
                | Code::CoordinatorLoadInProgress
                | Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
                | Code::UnknownTopicOrPartition
        )
    )
}

/// How often, and after which times, those are asked again.
fn settling() -> ExponentialBuilder {
    ExponentialBuilder::default().with_min_delay(Duration::from_millis(100)).with_max_times(8)
}

/// Whether offsets were refused because the group has members, and they didn't come from one.
fn is_of_members(code: Option<Code>) -> bool {
    matches!(
        code,
        Some(Code::UnknownMemberId | Code::IllegalGeneration | Code::RebalanceInProgress | Code::StaleMemberEpoch)
    )
}

/// The partitions of topics, which are numbers by name.
fn all_of(partitions: &BTreeMap<&str, i32>) -> TopicPartitionList {
    let mut all = TopicPartitionList::new();
    for (topic, count) in partitions {
        all.add_partition_range(topic, 0, count - 1);
    }
    all
}

fn key(topic: &str, partition: i32) -> Key {
    (topic.to_owned(), partition)
}

/// What there is to be committed, and what that changes.
struct Start {
    offsets: TopicPartitionList,
    moved: Vec<Moved>,
}

impl Admin {
    /// Refuses a start that topics don't have.
    pub(in crate::kafka) fn check_start(&self, topics: &[String], from: &StartFrom) -> Result<(), Error> {
        let look = || -> Result<()> {
            let mut partitions = BTreeMap::new();
            for topic in topics {
                if let Some(count) = self.partitions_within(topic, REQUEST_TIMEOUT)? {
                    partitions.insert(topic.as_str(), count);
                }
            }
            starts::check(from, topics, &partitions, |topic, partition| watermarks(&self.consumer, topic, partition))
        };
        look.retry(settling()).when(|error| is_settling(code(error))).call().map_err(|error| self.told(error))
    }

    /// Commits where a job starts, before it first runs: on every partition of `topics` that its group has no offset
    /// for, or on all where `anew`. So nothing that is written from now on can be missed, whenever the job comes up.
    ///
    /// The first use of a group makes the broker choose its coordinator, which takes a moment: that is waited for. So
    /// is a rebalance where the group has a member among these.
    pub(in crate::kafka) fn pin_start(
        &self,
        group: &str,
        topics: &[String],
        from: &StartFrom,
        anew: bool,
        members: &Members,
    ) -> Result<(), Error> {
        let pinned = (|| self.try_move(group, topics, from, anew, Some(members)))
            .retry(settling())
            .when(|error| {
                let code = code(error);
                is_settling(code)
                    // A member that has just joined anew is fenced where it commits by the id that it had.
                    || code == Some(Code::FencedInstanceId)
                    || is_of_members(code) && members.of(group).is_some()
            })
            .call();
        pinned.map(drop).map_err(|error| self.told(error))
    }

    /// Commits where a group without members goes on. Members that are about to leave are waited for.
    pub(in crate::kafka) fn seek(&self, group: &str, topics: &[String], to: &StartFrom) -> Result<Vec<Moved>, Error> {
        let sought = (|| self.try_move(group, topics, to, true, None))
            .retry(settling().with_max_times(LEAVING))
            .when(|error| is_settling(code(error)) || is_of_members(code(error)))
            .call();
        sought.map_err(|error| {
            if is_of_members(code(&error)) { Error::HasMembers { group: group.to_owned() } } else { self.told(error) }
        })
    }

    /// Where a group is on all partitions of topics, and where those end.
    pub(in crate::kafka) fn offsets(&self, group: &str, topics: &[String]) -> Result<Vec<PartitionView>, Error> {
        let look = || -> Result<_> {
            let partitions = self.counted(topics, LOOK_TIMEOUT)?;
            let consumer = self.in_group(group)?;
            let names: Vec<&str> = partitions.keys().copied().collect();
            // Without them it is shown as if none was another.
            let ids = self.ids(&names, LOOK_TIMEOUT).unwrap_or_default();
            let committed = committed(&consumer, group, &partitions, &ids, LOOK_TIMEOUT)?;
            let mut ends = all_of(&partitions);
            ends.set_all_offsets(Offset::End)?;
            // As of times: the end is one to Kafka, and one question serves all partitions of a broker.
            let ends =
                self.consumer.offsets_for_times(ends, LOOK_TIMEOUT).context("failed to read the ends of topics")?;
            let mut views = Vec::new();
            for element in ends.elements() {
                let (topic, partition) = (element.topic(), element.partition());
                let committed = committed.get(&key(topic, partition)).copied();
                let end = match (element.error(), element.offset()) {
                    (Ok(()), Offset::Offset(end)) => Some(end),
                    _ => None,
                };
                let lag = committed.zip(end).map(|(committed, end)| (end - committed).max(0));
                let topic = topic.to_owned();
                views.push(PartitionView { topic, partition, instance: None, shared: false, committed, end, lag });
            }
            Ok(views)
        };
        look().map_err(|error| self.told(error))
    }

    /// The numbers of partitions of topics.
    fn counted<'a>(&self, topics: &'a [String], timeout: Duration) -> Result<BTreeMap<&'a str, i32>> {
        let count = |topic: &'a String| {
            let count = self.partitions_within(topic, timeout)?;
            Ok((topic.as_str(), count.with_context(|| format!("topic {topic:?} does not exist"))?))
        };
        topics.iter().map(count).collect()
    }

    /// A consumer that reads and writes the offsets of a group, and never joins it.
    fn in_group(&self, group: &str) -> Result<BaseConsumer<Failures>> {
        let mut config = client(&self.kafka, "pelton-admin");
        config.set("group.id", group).set("enable.auto.commit", "false");
        Ok(config.create_with_context(self.failures.clone()).map_err(refused)?)
    }

    /// The same error for others, with the reason why no broker can be reached where that is behind it.
    fn told(&self, error: anyhow::Error) -> Error {
        let asked = error.to_string();
        match error.downcast::<Error>() {
            Ok(error) => error,
            Err(error) => match error.downcast::<KafkaError>() {
                Ok(error) => unavailable(self.reason(error).context(asked)),
                Err(error) => unavailable(error),
            },
        }
    }

    fn try_move(
        &self,
        group: &str,
        topics: &[String],
        to: &StartFrom,
        anew: bool,
        members: Option<&Members>,
    ) -> Result<Vec<Moved>> {
        let consumer = self.in_group(group)?;
        let start = self.start(&consumer, group, topics, to, anew);
        listen(&consumer);
        let Start { offsets, moved } = start?;
        if moved.is_empty() {
            return Ok(moved);
        }
        // A group that has members takes offsets from these only.
        let committed = match members.and_then(|members| members.of(group)) {
            Some(member) => member.commit(&offsets),
            None => consumer.commit(&offsets, CommitMode::Sync),
        };
        committed.with_context(|| {
            format!("failed to commit where the job starts for group {group:?}; is a member of it running elsewhere?")
        })?;
        Ok(moved)
    }

    /// The offsets to commit where a job starts, each with the id of its topic.
    fn start(
        &self,
        consumer: &BaseConsumer<Failures>,
        group: &str,
        topics: &[String],
        from: &StartFrom,
        anew: bool,
    ) -> Result<Start> {
        let partitions = self.counted(topics, REQUEST_TIMEOUT)?;
        starts::check_places(from, &partitions)?;
        let names: Vec<&str> = partitions.keys().copied().collect();
        let ids = topic_id::ids(consumer.client(), &names, topic_id::TIMEOUT).unwrap_or_else(|error| {
            tracing::warn!("whether topics of group {group:?} were created anew is not known: {error:#}");
            TopicIds::new()
        });
        let committed = committed(consumer, group, &partitions, &ids, REQUEST_TIMEOUT)?;
        let is_due = |key: &Key| match from {
            StartFrom::Offsets(named) => (anew && named.contains_key(key)) || !committed.contains_key(key),
            _ => anew || !committed.contains_key(key),
        };
        let all = partitions.iter().flat_map(|(topic, count)| (0..*count).map(|partition| key(topic, partition)));
        let due: Vec<_> = all.filter(is_due).collect();
        let mut bounds = Vec::new();
        for (topic, partition) in &due {
            bounds.push(watermarks(consumer, topic, *partition)?);
        }
        // After the ends have been read: a partition that has nothing of that time yet starts at an end before which
        // nothing of it can be.
        let timely = match from {
            StartFrom::Time(time) => at_time(consumer, &due, time.timestamp_millis())?,
            _ => BTreeMap::new(),
        };
        let (mut start, mut moved, mut outside) = (TopicPartitionList::new(), Vec::new(), Vec::new());
        for (place, (first, end)) in due.into_iter().zip(bounds) {
            let (topic, partition) = (place.0.as_str(), place.1);
            let after = match from {
                StartFrom::Latest => end,
                StartFrom::Earliest => first,
                StartFrom::Time(_) => timely.get(&place).copied().unwrap_or(end),
                StartFrom::Offsets(named) => {
                    let offset = named.get(&place).copied().unwrap_or(first);
                    outside.extend(starts::outside(topic, partition, offset, first, end));
                    offset
                }
            };
            start.add_partition_offset(topic, partition, Offset::Offset(after))?;
            if let (Some(mut element), Some(id)) = (start.find_partition(topic, partition), ids.get(topic)) {
                element.set_metadata(topic_id::metadata(id));
            }
            moved.push(Moved { before: committed.get(&place).copied(), topic: place.0, partition, after });
        }
        starts::refuse(outside)?;
        Ok(Start { offsets: start, moved })
    }
}

/// The first offset of a partition, and its end.
fn watermarks(consumer: &BaseConsumer<Failures>, topic: &str, partition: i32) -> Result<(i64, i64)> {
    consumer
        .fetch_watermarks(topic, partition, REQUEST_TIMEOUT)
        .with_context(|| format!("failed to read the watermarks of {topic}/{partition}"))
}

/// What a group has committed of the topics with these ids.
fn committed(
    consumer: &BaseConsumer<Failures>,
    group: &str,
    partitions: &BTreeMap<&str, i32>,
    ids: &TopicIds,
    timeout: Duration,
) -> Result<BTreeMap<Key, i64>> {
    let found = consumer
        .committed_offsets(all_of(partitions), timeout)
        .with_context(|| format!("failed to read the offsets of group {group:?}"))?;
    let of_topics = topic_id::committed(&found);
    let mut offsets = BTreeMap::new();
    for element in found.elements() {
        let key = key(element.topic(), element.partition());
        // One of a topic of that name that was there before is none.
        let is_of_another = of_topics.get(&key).zip(ids.get(&key.0)).is_some_and(|(before, now)| before != now);
        if let Offset::Offset(offset) = element.offset()
            && !is_of_another
        {
            offsets.insert(key, offset);
        }
    }
    Ok(offsets)
}

/// The first offsets of a timestamp or a later one, milliseconds since 1970, of the partitions that have any.
fn at_time(consumer: &BaseConsumer<Failures>, partitions: &[Key], millis: i64) -> Result<BTreeMap<Key, i64>> {
    let mut asked = TopicPartitionList::new();
    for (topic, partition) in partitions {
        asked.add_partition_offset(topic, *partition, Offset::Offset(millis))?;
    }
    if partitions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found =
        consumer.offsets_for_times(asked, REQUEST_TIMEOUT).context("failed to look for offsets by their time")?;
    let mut offsets = BTreeMap::new();
    for element in found.elements() {
        let (topic, partition) = (element.topic(), element.partition());
        element.error().with_context(|| format!("failed to look for the offset of a time in {topic}/{partition}"))?;
        if let Offset::Offset(offset) = element.offset() {
            offsets.insert(key(topic, partition), offset);
        }
    }
    Ok(offsets)
}
