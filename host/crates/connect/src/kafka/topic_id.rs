//! The ids of topics (KIP-516): what tells a topic from one of the same name that was there before.
//!
//! An offset says nothing about a topic that was deleted and created anew, and librdkafka goes on at the same number in
//! the new one. So the id of the topic is committed with each offset, as its metadata, and an offset of another topic
//! is none. A broker before 2.8 has no ids; then nothing can be told.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rdkafka::bindings as kafka;
use rdkafka::client::{Client, ClientContext};
use rdkafka::topic_partition_list::TopicPartitionList;

/// What the metadata of a committed offset begins with.
const METADATA: &str = "topic-id=";
/// What brokers without ids give: 16 bytes of zero.
const NONE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// How long they are waited for. They are asked of the controller, which may be away while the others are there.
pub(super) const TIMEOUT: Duration = Duration::from_secs(3);

/// Ids by topic, of those that have any.
pub(super) type TopicIds = BTreeMap<String, String>;

/// The metadata of an offset of a topic with this id.
pub(super) fn metadata(id: &str) -> String {
    format!("{METADATA}{id}")
}

/// The ids that were committed with offsets, by topic and partition.
#[expect(unsafe_code, reason = "the binding panics where somebody has committed metadata that is not text")]
pub(super) fn committed(offsets: &TopicPartitionList) -> BTreeMap<(String, i32), String> {
    // SAFETY: the list lives as long as the borrow, nobody else has it meanwhile, and librdkafka keeps `cnt` elements
    // in it, each with a topic and, where it is not null, metadata of that size.
    let elements = unsafe {
        let list = &*offsets.ptr();
        if list.elems.is_null() { &[][..] } else { std::slice::from_raw_parts(list.elems, list.cnt.max(0) as usize) }
    };
    let of = |element: &kafka::rd_kafka_topic_partition_t| {
        // SAFETY: as above.
        let (topic, metadata) = unsafe {
            let size = if element.metadata.is_null() { 0 } else { element.metadata_size };
            let start = if size == 0 { ptr::NonNull::dangling().as_ptr() } else { element.metadata.cast::<u8>() };
            (CStr::from_ptr(element.topic), std::slice::from_raw_parts(start, size))
        };
        let id = str::from_utf8(metadata).ok()?.strip_prefix(METADATA)?;
        Some(((topic.to_str().ok()?.to_owned(), element.partition), id.to_owned()))
    };
    elements.iter().filter_map(of).collect()
}

/// Asks for the ids of topics. Those that are not there, or that may not be looked at, have none.
///
/// # Errors
/// No broker answers in time.
pub(super) fn ids<C: ClientContext>(client: &Client<C>, topics: &[&str], timeout: Duration) -> Result<TopicIds> {
    let names = topics.iter().map(|topic| CString::new(*topic)).collect::<Result<Vec<_>, _>>()?;
    let asked = || {
        if has_controller(client, topics, timeout)? { ask(client, &names, timeout) } else { Ok(TopicIds::new()) }
    };
    asked().context("failed to ask for the ids of topics")
}

/// Whether the controller, to whom librdkafka sends the question, is among the brokers. One in memory has none, and
/// would only be waited for.
#[expect(unsafe_code, reason = "the binding has no call for this")]
fn has_controller<C: ClientContext>(client: &Client<C>, topics: &[&str], timeout: Duration) -> Result<bool> {
    let metadata = client.fetch_metadata(topics.first().copied(), timeout)?;
    // SAFETY: the client outlives the call, which waits for nothing: the answer came with the metadata.
    let controller = unsafe { kafka::rd_kafka_controllerid(client.native_ptr(), 0) };
    Ok(metadata.brokers().iter().any(|broker| broker.id() == controller))
}

#[expect(unsafe_code, reason = "the binding has no call for this")]
fn ask<C: ClientContext>(client: &Client<C>, names: &[CString], timeout: Duration) -> Result<TopicIds> {
    use kafka::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR as OK;
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let milliseconds = timeout.as_millis() as i32;
    // SAFETY: the client outlives the call. What librdkafka makes here is ours, is given back below in any case, and is
    // used by nobody else: the queue gets the answer to this request only, and the event owns all that is read of it.
    unsafe {
        let handle = client.native_ptr();
        let queue = kafka::rd_kafka_queue_new(handle);
        let options =
            kafka::rd_kafka_AdminOptions_new(handle, kafka::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
        kafka::rd_kafka_AdminOptions_set_request_timeout(options, milliseconds, ptr::null_mut(), 0);
        let collection = kafka::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        kafka::rd_kafka_DescribeTopics(handle, collection, options, queue);
        kafka::rd_kafka_TopicCollection_destroy(collection);
        kafka::rd_kafka_AdminOptions_destroy(options);
        // The request has a timeout of its own, after which an event with its error comes.
        let event = kafka::rd_kafka_queue_poll(queue, milliseconds.saturating_add(1_000));
        let found = read(event, OK);
        if !event.is_null() {
            kafka::rd_kafka_event_destroy(event);
        }
        kafka::rd_kafka_queue_destroy(queue);
        found
    }
}

/// # Safety
/// `event` is null or the answer to a DescribeTopics.
#[expect(unsafe_code, reason = "the binding has no call for this")]
unsafe fn read(event: *mut kafka::rd_kafka_event_t, ok: kafka::rd_kafka_resp_err_t) -> Result<TopicIds> {
    if event.is_null() {
        bail!("no broker answers");
    }
    // SAFETY: the event lives, and owns the result with its topics, their names and ids, which are copied.
    unsafe {
        let error = kafka::rd_kafka_event_error(event);
        if error == kafka::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE {
            return Ok(TopicIds::new());
        }
        if error != ok {
            bail!("{}", CStr::from_ptr(kafka::rd_kafka_event_error_string(event)).to_string_lossy());
        }
        let result = kafka::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            bail!("the answer is to another question");
        }
        let mut count = 0;
        let described = kafka::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        let described = if described.is_null() { &[][..] } else { std::slice::from_raw_parts(described, count) };
        let mut found = TopicIds::new();
        for &topic in described {
            let error = kafka::rd_kafka_TopicDescription_error(topic);
            if !error.is_null() && kafka::rd_kafka_error_code(error) != ok {
                continue;
            }
            let id = kafka::rd_kafka_Uuid_base64str(kafka::rd_kafka_TopicDescription_topic_id(topic));
            let name = kafka::rd_kafka_TopicDescription_name(topic);
            if id.is_null() || name.is_null() {
                continue;
            }
            let [name, id] = [name, id].map(|text| CStr::from_ptr(text).to_string_lossy().into_owned());
            if id != NONE {
                found.insert(name, id);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::consumer::{BaseConsumer, Consumer as _};
    use rdkafka::topic_partition_list::Offset;

    use super::*;

    #[test]
    fn what_is_committed_beside_an_offset_may_be_any_bytes() {
        let mut list = TopicPartitionList::new();
        for partition in 0..3 {
            list.add_partition_offset("t", partition, Offset::Offset(1)).unwrap();
        }
        let mut elements = list.elements_for_topic("t");
        elements[0].set_metadata(metadata("abc"));
        elements[1].set_metadata("of another client");
        assert_eq!(committed(&list), BTreeMap::from([(("t".to_owned(), 0), "abc".to_owned())]));
        assert!(committed(&TopicPartitionList::new()).is_empty());
    }

    #[test]
    fn a_broker_without_a_controller_is_not_waited_for() {
        let cluster = rdkafka::mocking::MockCluster::new(1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
        assert_eq!(ids(consumer.client(), &["t"], Duration::from_secs(30)).unwrap(), TopicIds::new());
    }

    #[test]
    fn a_broker_that_does_not_answer_is_an_error() {
        let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", "127.0.0.1:1").create().unwrap();
        ids(consumer.client(), &["t"], Duration::from_millis(100)).unwrap_err();
    }
}
