//! Where groups are in memory: looked at, pinned and moved.

use std::collections::BTreeMap;

use pelton_model::partition::{Moved, PartitionView};
use pelton_model::start::StartFrom;

use super::away::away;
use super::state::{Partition, State};
use super::world::Memory;
use crate::error::Error;
use crate::starts;

impl Memory {
    /// Where a group is on all partitions of topics, and where those end.
    pub(super) fn offsets(&self, group: &str, topics: &[String]) -> Result<Vec<PartitionView>, Error> {
        self.look(|state| {
            if let Some(reason) = &state.topics_away {
                return Err(away(reason));
            }
            let committed = state.groups.get(group).map(|group| group.view().committed).unwrap_or_default();
            let mut views = Vec::new();
            for topic in topics {
                for (n, partition) in (0..).zip(state.partitions(topic)?) {
                    let committed = committed.get(&(topic.clone(), n)).copied();
                    views.push(PartitionView {
                        topic: topic.clone(),
                        partition: n,
                        instance: None,
                        shared: false,
                        committed,
                        end: Some(partition.end()),
                        lag: committed.map(|committed| (partition.end() - committed).max(0)),
                    });
                }
            }
            Ok(views)
        })
    }
}

impl State {
    fn partitions(&self, topic: &str) -> Result<&[Partition], Error> {
        self.topics.get(topic).map(Vec::as_slice).ok_or_else(|| Error::NoTopic { topic: topic.to_owned() })
    }

    /// Refuses a start that topics don't have.
    pub(super) fn check_start(&self, topics: &[String], from: &StartFrom) -> Result<(), Error> {
        let there = topics.iter().filter_map(|topic| Some((topic.as_str(), self.topics.get(topic)?.len() as i32)));
        starts::check(from, topics, &there.collect(), |topic, n| {
            let partition = usize::try_from(n).ok().and_then(|n| self.topics.get(topic)?.get(n));
            let partition = partition.ok_or_else(|| Error::NoTopic { topic: topic.to_owned() })?;
            Ok((partition.first, partition.end()))
        })
    }

    /// Sets where a group goes on: on every partition that it has no offset for, or on all that `to` tells of where
    /// `anew`.
    pub(super) fn move_group(
        &mut self,
        group: &str,
        topics: &[String],
        to: &StartFrom,
        anew: bool,
    ) -> Result<Vec<Moved>, Error> {
        let mut counts = BTreeMap::new();
        for topic in topics {
            counts.insert(topic.as_str(), self.partitions(topic)?.len() as i32);
        }
        starts::check_places(to, &counts)?;
        let committed = self.groups.get(group).map(|group| group.view().committed).unwrap_or_default();
        let (mut moved, mut outside) = (Vec::new(), Vec::new());
        for topic in topics {
            for (n, partition) in (0..).zip(self.partitions(topic)?) {
                let key = (topic.clone(), n);
                let before = committed.get(&key).copied();
                let is_told = !matches!(to, StartFrom::Offsets(named) if !named.contains_key(&key));
                if before.is_some() && !(anew && is_told) {
                    continue;
                }
                let after = match to {
                    StartFrom::Latest => partition.end(),
                    StartFrom::Earliest => partition.first,
                    StartFrom::Time(time) => {
                        let millis = time.timestamp_millis();
                        let found = partition.records.iter().find(|record| record.timestamp >= millis);
                        found.map_or(partition.end(), |record| record.offset)
                    }
                    StartFrom::Offsets(named) => {
                        let offset = named.get(&key).copied().unwrap_or(partition.first);
                        outside.extend(starts::outside(topic, n, offset, partition.first, partition.end()));
                        offset
                    }
                };
                moved.push(Moved { topic: topic.clone(), partition: n, before, after });
            }
        }
        starts::refuse(outside)?;
        let group = self.groups.entry(group.to_owned()).or_default();
        for moved in &moved {
            group.set((moved.topic.clone(), moved.partition), moved.after);
        }
        Ok(moved)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use pelton_delivery::clock::SystemClock;

    use super::super::state::Record;
    use super::*;
    use crate::source::SourceConnector as _;

    /// A topic of two partitions: four records, a second apart, the first of which is gone, and none.
    fn memory() -> Memory {
        let memory = Memory::new(Arc::new(SystemClock), Duration::ZERO);
        memory.create_topic("t", 2);
        for second in 10..14 {
            memory.append("t", Record { timestamp: second * 1000, ..Record::new("x") });
        }
        memory.delete_before("t", 0, 1);
        memory
    }

    fn seek(memory: &Memory, to: &str) -> Result<Vec<(i32, Option<i64>, i64)>, Error> {
        let moved = memory.seek("g", &["t".to_owned()], &to.parse().unwrap())?;
        Ok(moved.into_iter().map(|moved| (moved.partition, moved.before, moved.after)).collect())
    }

    #[test]
    fn a_group_is_moved_as_it_is_told() {
        let memory = memory();
        for (to, before, after) in [
            ("earliest", None, (1, 0)),
            ("latest", Some((1, 0)), (4, 0)),
            ("1970-01-01T00:00:11.001Z", Some((4, 0)), (2, 0)),
            ("1970-01-01T00:00:12Z", Some((2, 0)), (2, 0)),
            // Before the first record, and after the last.
            ("1970-01-01T00:00Z", Some((2, 0)), (1, 0)),
            ("-0s", Some((1, 0)), (4, 0)),
        ] {
            let is = [(0, before.map(|both| both.0), after.0), (1, before.map(|both| both.1), after.1)];
            assert_eq!(seek(&memory, to).unwrap(), is, "{to}");
        }
        assert_eq!(seek(&memory, "t/0=3").unwrap(), [(0, Some(4), 3)], "the other stays where it is");
        let views = memory.offsets("g", &["t".to_owned()]).unwrap();
        let lags: Vec<_> = views.iter().map(|view| (view.committed, view.end, view.lag)).collect();
        assert_eq!(lags, [(Some(3), Some(4), Some(1)), (Some(0), Some(0), Some(0))]);
    }

    #[test]
    fn what_a_topic_does_not_have_moves_nothing() {
        let memory = memory();
        for (to, why) in [
            ("t/0=2,t/1=1", "t/1 has no records, and the next is 0: it can't start at 1"),
            ("t/0=0", "t/0 has the offsets 1 to 3, and the next is 4: it can't start at 0"),
            ("t/0=5", "t/0 has the offsets 1 to 3"),
            ("t/2=0", "t has 2 partitions, 0 to 1, and no 2"),
            ("u/0=0", "the job reads t, not u"),
        ] {
            let refused = seek(&memory, to).unwrap_err();
            assert!(matches!(&refused, Error::NoSuchOffset { .. }), "{refused}");
            assert!(refused.to_string().contains(why), "{to}: {refused}");
            assert!(memory.group("g").committed.is_empty(), "{to}");
        }
    }

    #[test]
    fn those_that_are_not_named_start_at_the_earliest_and_go_on_from_where_they_are() {
        let memory = memory();
        let pin = |from: &str| {
            memory.pin_start("g", &["t".to_owned()], &from.parse().unwrap(), true).unwrap();
            memory.group("g").committed.into_values().collect::<Vec<_>>()
        };
        assert_eq!(pin("t/1=0"), [1, 0]);
        assert_eq!(pin("t/0=3"), [3, 0]);
        assert_eq!(pin("t/1=0"), [3, 0]);
    }
}
