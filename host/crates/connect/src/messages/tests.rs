use std::sync::Arc;

use pelton_delivery::clock::SystemClock;

use super::*;
use crate::memory::{Memory, Record};
use crate::source::SourceConnector as _;

/// Two partitions that take turns: record `i` has the time `i` seconds after 1970.
fn memory(records: i32) -> Memory {
    let memory = Memory::new(Arc::new(SystemClock), Duration::ZERO);
    memory.create_topic("t", 2);
    for i in 0..records {
        let record = Record { partition: i % 2, timestamp: i64::from(i) * 1000, ..Record::new(i.to_string()) };
        memory.append("t", record);
    }
    memory
}

fn texts(messages: &Messages) -> Vec<String> {
    messages.messages.iter().map(|message| message.value.as_ref().unwrap().text.clone().unwrap()).collect()
}

fn from(memory: &Memory, from: &str, most: usize) -> Result<Vec<String>, Error> {
    let log = memory.topic("t").unwrap().unwrap();
    Ok(texts(&first(&*log, "t", &from.parse().unwrap(), most)?))
}

#[test]
fn the_last_and_the_first_are_those_by_time_over_all_partitions() {
    let memory = memory(20);
    let log = memory.topic("t").unwrap().unwrap();
    assert_eq!(texts(&last(&*log, "t", 3).unwrap()), ["17", "18", "19"]);
    assert_eq!(last(&*log, "t", 0).unwrap(), Messages::default());
    assert_eq!(last(&*log, "t", usize::MAX).unwrap().messages.len(), 20);
    assert_eq!(from(&memory, "earliest", 3).unwrap(), ["0", "1", "2"]);
    assert_eq!(from(&memory, "1970-01-01T00:00:07Z", 3).unwrap(), ["7", "8", "9"]);
    assert_eq!(from(&memory, "t/1=7", 10).unwrap(), ["15", "17", "19"], "one partition alone");
    assert_eq!(from(&memory, "latest", 3).unwrap(), [""; 0]);
    assert!(memory.topic("u").unwrap().is_none());
    for wrong in ["t/1=11", "t/2=0", "u/0=0"] {
        assert!(matches!(from(&memory, wrong, 3), Err(Error::NoSuchOffset { .. })), "{wrong}");
    }
}

#[test]
fn what_is_shown_is_bounded() {
    let memory = memory(0);
    for i in 0..100 {
        memory.append("t", Record { timestamp: i, ..Record::new(vec![b'x'; PART_BYTES * 2]) });
    }
    let log = memory.topic("t").unwrap().unwrap();
    let Messages { messages, left_out } = last(&*log, "t", 100).unwrap();
    assert!(left_out && (10..100).contains(&messages.len()), "{}", messages.len());
    assert!(messages.iter().map(Message::bytes).sum::<usize>() <= ALL_BYTES);
    let message = messages.last().unwrap();
    let value = message.value.as_ref().unwrap();
    assert_eq!((message.timestamp, message.cut, value.size), (99, true, PART_BYTES * 2));
    assert_eq!(value.text.as_ref().map(String::len), Some(PART_BYTES));
    let Messages { messages, left_out } = first(&*log, "t", &StartFrom::Earliest, 100).unwrap();
    assert_eq!((messages[0].timestamp, left_out), (0, true));
    let few = last(&*log, "t", 5).unwrap();
    assert_eq!((few.messages.len(), few.left_out), (5, false));
}

#[test]
fn a_dead_letter_is_the_record_and_why_it_is_there() {
    let header = |name: &str, value: &str| (name.as_bytes().into(), Some(value.as_bytes().into()));
    let headers = [
        ("trace", "7"),
        ("pelton.job", "a"),
        ("pelton.version", "1.2"),
        ("pelton.digest", "d"),
        ("pelton.topic", "in"),
        ("pelton.partition", "3"),
        ("pelton.offset", "17"),
        ("pelton.stage", "reject"),
        ("pelton.error", "no temperature"),
        ("pelton.at", "2026-01-31T10:11:12Z"),
    ];
    let headers = headers.map(|(name, value)| header(name, value)).to_vec();
    let record = Record { headers, ..Record::new("x") };
    let message = Message::of("a.dlq", &record);
    let letter = message.letter.unwrap();
    assert_eq!(
        (letter.stage, letter.reason.as_str(), letter.version.as_str()),
        (Stage::Reject, "no temperature", "1.2")
    );
    assert_eq!((letter.source.topic.as_str(), letter.source.partition, letter.source.offset), ("in", 3, 17));
    assert_eq!(message.headers.len(), 1, "the record's own");
    // Of another job, or in a topic of another kind, it is a message like others.
    for topic in ["b.dlq", "a"] {
        let message = Message::of(topic, &record);
        assert_eq!((message.letter, message.headers.len()), (None, 10), "{topic}");
    }
}

#[test]
fn what_comes_is_shown_until_nobody_looks() {
    let memory = memory(4);
    let log = memory.topic("t").unwrap().unwrap();
    let starts = starts(&*log, "t", &"1970-01-01T00:00:03Z".parse().unwrap()).unwrap();
    let mut shown = Vec::new();
    log.read(&starts, true, &mut |record| {
        let Some(record) = record else {
            memory.append("t", Record { partition: 0, ..Record::new("new") });
            return Go::On;
        };
        shown.push(String::from_utf8(record.value().unwrap().to_vec()).unwrap());
        if shown.len() == 3 { Go::Stop } else { Go::On }
    })
    .unwrap();
    assert_eq!(shown, ["3", "new", "new"]);
}

/// A partition whose last records are none that are shown: those of transactions that were aborted.
#[derive(Debug)]
struct Aborted(BTreeMap<i32, (i64, i64)>);

impl TopicLog for Aborted {
    fn bounds(&self) -> &BTreeMap<i32, (i64, i64)> {
        &self.0
    }

    fn at_time(&self, _: i64) -> Result<BTreeMap<i32, i64>, Error> {
        Ok(BTreeMap::new())
    }

    fn read(&self, _: &BTreeMap<i32, i64>, _: bool, look: &mut Look<'_>) -> Result<(), Error> {
        look(None);
        Ok(())
    }
}

#[test]
fn messages_that_were_not_looked_for_and_more_than_are_shown_are_told() {
    let far = Aborted(BTreeMap::from([(0, (0, 100_000))]));
    assert_eq!(last(&far, "t", 10).unwrap(), Messages { messages: Vec::new(), left_out: true });
    let near = Aborted(BTreeMap::from([(0, (0, 100))]));
    assert_eq!(last(&near, "t", 10).unwrap(), Messages::default(), "all of it was looked through");
    let many = memory(i32::try_from(MOST).unwrap() + 10);
    let log = many.topic("t").unwrap().unwrap();
    for (asked, left_out) in [(MOST, false), (MOST + 1, true), (usize::MAX, true)] {
        for Messages { messages, left_out: told } in
            [last(&*log, "t", asked).unwrap(), first(&*log, "t", &StartFrom::Earliest, asked).unwrap()]
        {
            assert_eq!((messages.len(), told), (MOST, left_out), "{asked}");
        }
    }
}
