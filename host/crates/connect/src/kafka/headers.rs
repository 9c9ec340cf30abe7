//! Headers of messages as bytes, both ways.
//!
//! Kafka holds no name of a header to be text: any client can write any bytes, also NUL. The binding's accessor panics
//! where a name is not UTF-8 and ends it at a NUL, and it sends text only. So this goes to librdkafka itself, which
//! carries names with their lengths.

#![expect(unsafe_code, reason = "the binding takes names for text, and panics where they are not")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr;

use rdkafka::bindings::{
    RD_KAFKA_VERSION, rd_kafka_header_add, rd_kafka_header_cnt, rd_kafka_header_get_all, rd_kafka_headers_t,
    rd_kafka_message_headers, rd_kafka_message_t, rd_kafka_resp_err_t,
};
use rdkafka::message::{BorrowedMessage, OwnedHeaders};

/// A header: its name, and its value or null.
pub type Header<'a> = (&'a [u8], Option<&'a [u8]>);

/// What stands before a header's name in librdkafka's memory (`rd_kafka_header_t` of `rdkafka_header.h`). Its interface
/// has no call for the length of a name.
#[repr(C)]
struct Head {
    serialized_size: usize,
    value_size: usize,
    name_size: usize,
    value: *const c_void,
}

/// A message in librdkafka's memory (`rd_kafka_msg_t` of `rdkafka_msg.h`), of one that was read.
#[repr(C)]
struct Read {
    message: rd_kafka_message_t,
    link: [*const c_void; 2],
    flags: c_int,
    timestamp_type: c_int,
    timestamp: i64,
    headers: *const rd_kafka_headers_t,
    status: c_int,
    broker: i32,
    /// The headers as they came, their number first; nothing in messages of old formats.
    unparsed: Unparsed,
}

/// `rd_kafkap_bytes_t` of `rdkafka_proto.h`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Unparsed {
    size: i32,
    bytes: *const u8,
}

/// The flag of a message that was not read but is to be sent, whose memory is used in another way.
const PRODUCED: c_int = 0x40000;

// Another release of librdkafka may lay these out in another way: look at `rdkafka_header.h`, `rdkafka_msg.h` and
// `rdkafka_proto.h` before changing this.
const _: () = assert!(RD_KAFKA_VERSION >> 8 == 0x02_0c_01, "are `Head` and `Read` still what librdkafka has?");

/// The headers of a message that was read.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    /// Null where there is none.
    list: *const rd_kafka_headers_t,
    message: PhantomData<&'a ()>,
}

impl<'a> Headers<'a> {
    /// Those of a message; `None` where librdkafka can't read them: there are more than 100,000, or they are damaged.
    pub fn of(message: &'a BorrowedMessage<'_>) -> Option<Self> {
        use rd_kafka_resp_err_t::{RD_KAFKA_RESP_ERR__NOENT as NONE, RD_KAFKA_RESP_ERR_NO_ERROR as FOUND};
        if has_none(message) {
            return Some(Self { list: ptr::null(), message: PhantomData });
        }
        let mut list = ptr::null_mut();
        // SAFETY: the message lives for 'a and owns the list, which is made at the first call and not changed any more.
        let result = unsafe { rd_kafka_message_headers(message.ptr(), &raw mut list) };
        (result == FOUND || result == NONE).then_some(Self { list, message: PhantomData })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        // SAFETY: the list lives for 'a.
        if self.list.is_null() { 0 } else { unsafe { rd_kafka_header_cnt(self.list) } }
    }

    /// One of them.
    pub fn get(&self, index: usize) -> Option<Header<'a>> {
        if index >= self.count() {
            return None;
        }
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the list lives for 'a, and so does all that it points to. Name and value are followed by a NUL each,
        // and a value that is not null has `size` bytes.
        unsafe {
            let result = rd_kafka_header_get_all(self.list, index, &raw mut name, &raw mut value, &raw mut size);
            if result != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR || name.is_null() {
                return None;
            }
            let name = std::slice::from_raw_parts(name.cast(), name_size(name, value, size));
            let value = (!value.is_null()).then(|| std::slice::from_raw_parts(value.cast(), size));
            Some((name, value))
        }
    }

    /// All of them, in order.
    pub fn iter(self) -> impl Iterator<Item = Header<'a>> {
        (0..self.count()).filter_map(move |index| self.get(index))
    }
}

/// The length of a name, which ends at its first NUL where what stands before it is not what it should be.
///
/// # Safety
/// `name`, `value` and `size` are what librdkafka of the version above says of one header.
unsafe fn name_size(name: *const c_char, value: *const c_void, size: usize) -> usize {
    // SAFETY: a header is one allocation, in which the head stands right before the name, and a NUL behind it.
    unsafe {
        let head = name.cast::<Head>().sub(1).read_unaligned();
        let is_head = head.value == value && head.value_size == size && head.name_size <= head.serialized_size;
        if is_head { head.name_size } else { CStr::from_ptr(name).count_bytes() }
    }
}

/// Whether a message was read without headers, as most are. Librdkafka itself finds that out with a parser that it makes
/// for each message, at three times the cost of all else that is done to put a record into its batch.
fn has_none(message: &BorrowedMessage<'_>) -> bool {
    // SAFETY: librdkafka gives out messages as the first member of its own, and refers what is unparsed in the response
    // of which the message holds a part.
    unsafe {
        let read = message.ptr().cast::<Read>().cast_const();
        if (*read).flags & PRODUCED != 0 || !(*read).headers.is_null() {
            return false;
        }
        let Unparsed { size, bytes } = (*read).unparsed;
        // The number is of variable length; a byte of 0 is 0.
        size <= 0 || size == 1 && !bytes.is_null() && *bytes == 0
    }
}

/// Headers as librdkafka takes them, in order; `None` without any.
pub fn owned<'a>(headers: impl Iterator<Item = Header<'a>>) -> Option<OwnedHeaders> {
    headers.fold(None, |list, (name, value)| {
        let list = list.unwrap_or_else(OwnedHeaders::new);
        let (bytes, size) = value.map_or((ptr::null(), 0), |value| (value.as_ptr(), value.len()));
        // SAFETY: the list is ours, nobody else has a reference into it, and what is borrowed of it stands for the
        // native list (`BorrowedHeaders` has no bytes of its own). Name and value are copied; no slice is longer than
        // isize::MAX. The call has no error.
        unsafe {
            let native = ptr::from_ref(list.as_borrowed()).cast_mut().cast::<rd_kafka_headers_t>();
            rd_kafka_header_add(native, name.as_ptr().cast(), name.len() as isize, bytes.cast(), size as isize);
        }
        Some(list)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pelton_model::record::Batch;
    use pelton_model::settings::Batching;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use rdkafka::ClientConfig;
    use rdkafka::Message as _;
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

    use super::*;
    use crate::kafka::open::Open;

    const PATIENCE: Duration = Duration::from_secs(30);

    type Bytes = Vec<u8>;

    #[derive(Debug, Clone, PartialEq)]
    struct Record {
        key: Option<Bytes>,
        value: Option<Bytes>,
        headers: Vec<(Bytes, Option<Bytes>)>,
    }

    /// Bytes as clients of other languages write them: any, NUL among them, and text.
    fn bytes() -> impl Strategy<Value = Bytes> {
        prop_oneof![
            vec(any::<u8>(), 0..12),
            vec(prop_oneof![Just(0), Just(0xff), Just(b'a')], 0..5),
            any::<String>().prop_map(String::into_bytes),
        ]
    }

    fn record() -> impl Strategy<Value = Record> {
        let headers = vec((bytes(), option::of(bytes())), 0..5);
        (option::of(bytes()), option::of(bytes()), headers).prop_map(|(key, value, headers)| Record {
            key,
            value,
            headers,
        })
    }

    fn of_batch(batch: &Batch, i: usize) -> Record {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        let headers = batch.headers.of(i).map(|(name, value)| (name.to_vec(), owned(value)));
        Record { key: owned(batch.keys.get(i)), value: owned(batch.values.get(i)), headers: headers.collect() }
    }

    /// A topic of librdkafka's own broker: records go over the wire in Kafka's format.
    struct Rig {
        producer: BaseProducer,
        consumer: BaseConsumer,
        _cluster: MockCluster<'static, rdkafka::producer::DefaultProducerContext>,
    }

    impl Rig {
        fn new() -> Self {
            let cluster = MockCluster::new(1).unwrap();
            cluster.create_topic("in", 1, 1).unwrap();
            let config = |more: &[(&str, &str)]| {
                let mut config = ClientConfig::new();
                config.set("bootstrap.servers", cluster.bootstrap_servers()).set("linger.ms", "1");
                for (key, value) in more {
                    config.set(*key, *value);
                }
                config
            };
            let producer = config(&[]).create().unwrap();
            let consumer: BaseConsumer = config(&[("group.id", "g"), ("fetch.wait.max.ms", "5")]).create().unwrap();
            let mut from = TopicPartitionList::new();
            from.add_partition_offset("in", 0, Offset::Beginning).unwrap();
            consumer.assign(&from).unwrap();
            Self { producer, consumer, _cluster: cluster }
        }

        /// Sends records, and reads them back as the source does.
        fn read_back(&self, records: &[Record]) -> Batch {
            for record in records {
                let mut message = BaseRecord::<[u8], [u8]>::to("in").partition(0);
                (message.key, message.payload) = (record.key.as_deref(), record.value.as_deref());
                message.headers = owned(record.headers.iter().map(|(name, value)| (&**name, value.as_deref())));
                self.producer.send(message).map_err(|(error, _)| error).unwrap();
            }
            self.producer.flush(PATIENCE).unwrap();
            let mut open = Open::new(&"in".into(), 0);
            for _ in records {
                // A poll also ends, without a record, when it has served something else.
                let polled = (0..100).find_map(|_| self.consumer.poll(PATIENCE));
                let message = polled.expect("nothing came").unwrap();
                assert!(message.topic() == "in");
                open.push(&message, &Batching::default());
            }
            open.cut()
        }
    }

    #[test]
    fn whatever_bytes_a_record_has_come_whole_into_the_batch() {
        let rig = Rig::new();
        let config = ProptestConfig { cases: 200, ..ProptestConfig::default() };
        proptest!(config, |(records in vec(record(), 1..20))| {
            let batch = rig.read_back(&records);
            let read: Vec<_> = (0..batch.len()).map(|i| of_batch(&batch, i)).collect();
            prop_assert_eq!(&read, &records);
            prop_assert!(batch.keys.check(records.len()).is_ok() && batch.values.check(records.len()).is_ok());
            prop_assert!(batch.headers.values.check(batch.headers.names.len()).is_ok());
        });
    }

    #[test]
    fn a_name_is_not_cut_at_a_nul_whether_its_value_is_null_or_not() {
        let names: [&[u8]; 4] = [b"a\0b", b"\0", b"", b"\xff\0\xfe"];
        let values = [None, Some(Vec::new()), Some(b"v\0".to_vec())];
        let headers: Vec<_> =
            names.iter().flat_map(|name| values.iter().map(|value| (name.to_vec(), value.clone()))).collect();
        let record = Record { key: None, value: None, headers };
        assert_eq!(of_batch(&Rig::new().read_back(std::slice::from_ref(&record)), 0), record);
    }
}
