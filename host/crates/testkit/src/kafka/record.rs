//! Records as tests write and read them.

use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders};

/// One Kafka record. Made with [`Record::new`] or [`Record::tombstone`] to be written, or read from a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// -1 in one to be written: the producer chooses by the key.
    pub partition: i32,
    /// -1 in one to be written.
    pub offset: i64,
    /// Milliseconds since the Unix epoch. -1 in one to be written: now.
    pub timestamp: i64,
    /// `None` is null.
    pub key: Option<Vec<u8>>,
    /// `None` is null.
    pub value: Option<Vec<u8>>,
    /// In their order; a name may come twice.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Record {
    /// One to be written, without a key.
    pub fn new(value: impl Into<Vec<u8>>) -> Self {
        Self { value: Some(value.into()), ..Self::tombstone() }
    }

    /// One to be written, with neither key nor value.
    pub fn tombstone() -> Self {
        Self { partition: -1, offset: -1, timestamp: -1, key: None, value: None, headers: Vec::new() }
    }

    /// The same with a key.
    pub fn key(self, key: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// The same for one partition, whatever the key.
    pub fn partition(self, partition: i32) -> Self {
        Self { partition, ..self }
    }

    /// The same with a time, in milliseconds since the Unix epoch.
    pub fn timestamp(self, timestamp: i64) -> Self {
        Self { timestamp, ..self }
    }

    /// The same with one more header.
    pub fn header(mut self, name: &str, value: Option<&[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.map(<[u8]>::to_vec)));
        self
    }

    /// The value as text; panics where it is null or not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        str::from_utf8(self.value.as_deref().expect("the record has a null value")).unwrap()
    }

    /// The value as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.text()).unwrap()
    }

    /// The value of the first header of that name, as text.
    pub fn header_text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(found, _)| found == name)?;
        Some(str::from_utf8(value.as_deref()?).unwrap())
    }

    pub(super) fn owned_headers(&self) -> OwnedHeaders {
        self.headers.iter().fold(OwnedHeaders::new_with_capacity(self.headers.len()), |headers, (key, value)| {
            headers.insert(Header { key, value: value.as_ref() })
        })
    }

    pub(super) fn read(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().map_or(Vec::new(), |headers| {
            headers.iter().map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec))).collect()
        });
        Self {
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis().unwrap_or(-1),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers,
        }
    }
}
