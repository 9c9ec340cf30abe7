//! Where partitions start, apart from how their offsets are asked for and kept.

use std::collections::BTreeMap;

use pelton_model::start::StartFrom;

use crate::error::Error;

/// Refuses offsets of topics that the job doesn't read, and of partitions that those don't have. `partitions` are their
/// numbers by topic.
///
/// # Errors
/// Each of them.
pub(crate) fn check_places(from: &StartFrom, partitions: &BTreeMap<&str, i32>) -> Result<(), Error> {
    let StartFrom::Offsets(offsets) = from else { return Ok(()) };
    let wrong = |(topic, partition): &(String, i32)| match partitions.get(topic.as_str()) {
        None => {
            let read: Vec<_> = partitions.keys().copied().collect();
            Some(format!("the job reads {}, not {topic}", read.join(", ")))
        }
        Some(1) if *partition > 0 => Some(format!("{topic} has one partition, 0, and no {partition}")),
        Some(count) if partition >= count => {
            Some(format!("{topic} has {count} partitions, 0 to {}, and no {partition}", count - 1))
        }
        Some(_) => None,
    };
    refuse(offsets.keys().filter_map(wrong).collect())
}

/// Refuses offsets that are not there, before anything is made for a job. A topic that is not there yet has one offset to
/// start at, 0, and perhaps any partition; `bounds` tell the first offset and the end of a partition of the others.
///
/// # Errors
/// Each of them, or that of `bounds`.
pub(crate) fn check<E: From<Error>>(
    from: &StartFrom,
    topics: &[String],
    partitions: &BTreeMap<&str, i32>,
    mut bounds: impl FnMut(&str, i32) -> Result<(i64, i64), E>,
) -> Result<(), E> {
    let StartFrom::Offsets(offsets) = from else { return Ok(()) };
    let count = |topic: &str| partitions.get(topic).copied();
    let known = topics.iter().map(|topic| (topic.as_str(), count(topic).unwrap_or(i32::MAX))).collect();
    check_places(from, &known)?;
    let mut wrong = Vec::new();
    for ((topic, partition), offset) in offsets {
        let (first, end) = if count(topic).is_some() { bounds(topic, *partition)? } else { (0, 0) };
        wrong.extend(outside(topic, *partition, *offset, first, end));
    }
    Ok(refuse(wrong)?)
}

/// That there are these reasons, where there is any.
pub(crate) fn refuse(mut causes: Vec<String>) -> Result<(), Error> {
    causes.dedup();
    if causes.is_empty() { Ok(()) } else { Err(Error::NoSuchOffset { causes }) }
}

/// What is wrong with an offset of a partition whose first offset and end these are: it may start at any record, and at
/// its end.
pub(crate) fn outside(topic: &str, partition: i32, offset: i64, first: i64, end: i64) -> Option<String> {
    if (first..=end).contains(&offset) {
        return None;
    }
    let has = if first == end { "no records".to_owned() } else { format!("the offsets {first} to {}", end - 1) };
    Some(format!("{topic}/{partition} has {has}, and the next is {end}: it can't start at {offset}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn causes(from: &str) -> Vec<String> {
        let partitions = BTreeMap::from([("a", 1), ("b", 3)]);
        match check_places(&from.parse().unwrap(), &partitions) {
            Ok(()) => Vec::new(),
            Err(Error::NoSuchOffset { causes }) => causes,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is() {
        for fine in ["latest", "-2h", "a/0=7", "b/2=0,a/0=1"] {
            assert!(causes(fine).is_empty(), "{fine}");
        }
        assert_eq!(
            causes("a/1=0,b/3=0,c/0=0,c/1=0"),
            ["a has one partition, 0, and no 1", "b has 3 partitions, 0 to 2, and no 3", "the job reads a, b, not c",]
        );
    }

    proptest! {
        #[test]
        fn a_partition_starts_at_its_records_or_its_end(first in 0_i64..9, records in 0_i64..9, offset in 0_i64..30) {
            let end = first + records;
            let told = outside("t", 4, offset, first, end);
            prop_assert_eq!(told.is_none(), offset >= first && offset <= end);
            if let Some(told) = told {
                prop_assert!(told.contains(&format!("the next is {end}")) && told.contains("t/4"), "{}", told);
                prop_assert_eq!(told.contains("no records"), records == 0);
            }
        }
    }
}
