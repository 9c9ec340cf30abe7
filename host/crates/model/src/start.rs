//! Where a job starts, or a topic is looked into, as people write it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::bounds;
use crate::error::Error;
use crate::text::quoted;

/// What may be written.
const FORMS: &str = "write earliest, latest, a time such as 2026-11-29T10:00Z, how long ago such as -2h, or offsets \
                     such as sensors/0=17,sensors/1=42";
/// The length of a time to the minute, `2026-11-29T10:00`.
const MINUTE: usize = 16;

/// Where a job starts. It is written, also in JSON, as one text: `earliest`, `latest`, a time
/// (`2026-11-29T10:00:00Z`), how long ago (`-2h`; read as the time that it was then), or offsets by partition
/// (`sensors/0=17,sensors/1=42`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartFrom {
    /// With the records written from now on.
    Latest,
    /// With the oldest records that the topic still has.
    Earliest,
    /// In each partition with the first record of this or a later timestamp, to the millisecond; where there is none,
    /// at the end.
    Time(DateTime<Utc>),
    /// At these offsets, by topic and partition; never empty. A partition that is not named goes on from where its
    /// group is, and starts at the earliest where it is nowhere.
    Offsets(BTreeMap<(String, i32), i64>),
}

impl StartFrom {
    /// Reads what somebody has written at this time.
    ///
    /// # Errors
    /// It is none of the forms, or a time before 1970.
    pub fn parse(text: &str, now: DateTime<Utc>) -> Result<Self, Error> {
        match text {
            "latest" => Ok(Self::Latest),
            "earliest" => Ok(Self::Earliest),
            _ if text.contains('=') => offsets(text).map(Self::Offsets),
            _ => match text.strip_prefix('-') {
                Some(ago) => past(text, ago, now).map(Self::Time),
                None => time(text).map(Self::Time),
            },
        }
    }
}

fn refused<T>(text: &str, why: &str) -> Result<T, Error> {
    Err(Error::Illegal(format!("{} is no place to start from: {why}", quoted(text))))
}

/// To the millisecond, as Kafka keeps them.
fn since_1970(text: &str, time: Option<DateTime<Utc>>) -> Result<DateTime<Utc>, Error> {
    let millis = time.map(|time| time.timestamp_millis()).filter(|millis| *millis >= 0);
    match millis.and_then(DateTime::from_timestamp_millis) {
        Some(time) => Ok(time),
        None => refused(text, "it is before 1970"),
    }
}

fn past(text: &str, ago: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
    match humantime::parse_duration(ago) {
        Ok(ago) => since_1970(text, TimeDelta::from_std(ago).ok().and_then(|ago| now.checked_sub_signed(ago))),
        Err(_) => refused(text, "after the sign a duration is expected, such as -30m, -2h or -7d"),
    }
}

fn time(text: &str) -> Result<DateTime<Utc>, Error> {
    let read = |text: &str| DateTime::parse_from_rfc3339(text).ok();
    let to_the_minute = || {
        let (minute, zone) = (text.get(..MINUTE)?, text.get(MINUTE..)?);
        read(&format!("{minute}:00{zone}"))
    };
    match read(text).or_else(to_the_minute) {
        Some(time) => since_1970(text, Some(time.with_timezone(&Utc))),
        None if read(&format!("{text}Z")).is_some() || read(&format!("{text}:00Z")).is_some() => {
            refused(text, "it has no time zone; add Z for UTC, or an offset such as +01:00")
        }
        None => refused(text, FORMS),
    }
}

fn offsets(text: &str) -> Result<BTreeMap<(String, i32), i64>, Error> {
    let mut found = BTreeMap::new();
    for part in text.split(',') {
        let read = || {
            let (place, offset) = part.trim().split_once('=')?;
            let (topic, partition) = place.rsplit_once('/')?;
            bounds::topic(topic).ok()?;
            let number =
                |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?;
            Some(((topic.to_owned(), i32::try_from(number(partition)?).ok()?), number(offset)?))
        };
        let Some((place, offset)) = read() else {
            return refused(part, "an offset is written TOPIC/PARTITION=OFFSET, several with commas");
        };
        let named = format!("{}/{}", place.0, place.1);
        if found.insert(place, offset).is_some() {
            return refused(text, &format!("{named} is there twice"));
        }
    }
    Ok(found)
}

impl fmt::Display for StartFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Earliest => f.write_str("earliest"),
            Self::Time(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            Self::Offsets(offsets) => {
                for (i, ((topic, partition), offset)) in offsets.iter().enumerate() {
                    let comma = if i == 0 { "" } else { "," };
                    write!(f, "{comma}{topic}/{partition}={offset}")?;
                }
                Ok(())
            }
        }
    }
}

/// As of now.
impl FromStr for StartFrom {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text, Utc::now())
    }
}

impl Serialize for StartFrom {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StartFrom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Read)
    }
}

struct Read;

impl Visitor<'_> for Read {
    type Value = StartFrom;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a place to start from, such as \"earliest\" or \"-2h\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<StartFrom, E> {
        text.parse().map_err(E::custom)
    }
}

impl PartialSchema for StartFrom {
    fn schema() -> RefOr<Schema> {
        let told = "Where to start: `earliest`, `latest`, a time such as `2026-11-29T10:00Z` (the first records of \
                    this or a later timestamp; the end where there are none), how long ago such as `-2h`, or offsets \
                    by partition such as `sensors/0=17,sensors/1=42` (a partition that is not named goes on from where \
                    the group is, and starts at the earliest where it is nowhere).";
        let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).description(Some(told));
        text.examples(["earliest", "2026-11-29T10:00Z", "-2h", "sensors/0=17,sensors/1=42"]).into()
    }
}

impl ToSchema for StartFrom {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-30T12:00:00Z".parse().unwrap()
    }

    fn read(text: &str) -> Result<StartFrom, String> {
        StartFrom::parse(text, now()).map_err(|error| error.to_string())
    }

    #[test]
    fn it_is_read_as_people_write_it() {
        let time = |text: &str| Ok(StartFrom::Time(text.parse().unwrap()));
        assert_eq!(read("earliest"), Ok(StartFrom::Earliest));
        assert_eq!(read("latest"), Ok(StartFrom::Latest));
        for (text, is) in [
            ("2026-11-29T10:00Z", "2026-11-29T10:00:00Z"),
            ("2026-11-29T10:00:07Z", "2026-11-29T10:00:07Z"),
            ("2026-11-29T10:00:07.1239+01:00", "2026-11-29T09:00:07.123Z"),
            ("2026-11-29T10:00-05:30", "2026-11-29T15:30:00Z"),
            ("-2h", "2026-11-30T10:00:00Z"),
            ("-30m", "2026-11-30T11:30:00Z"),
            ("-7d", "2026-11-23T12:00:00Z"),
            ("-1h 30m", "2026-11-30T10:30:00Z"),
            ("-0s", "2026-11-30T12:00:00Z"),
        ] {
            assert_eq!(read(text), time(is), "{text}");
        }
        let offsets = |all: &[(&str, i32, i64)]| {
            Ok(StartFrom::Offsets(all.iter().map(|(topic, n, offset)| (((*topic).to_owned(), *n), *offset)).collect()))
        };
        assert_eq!(read("sensors/0=17"), offsets(&[("sensors", 0, 17)]));
        let both = offsets(&[("a.b-c_d", 1, 0), ("sensors", 12, i64::MAX)]);
        assert_eq!(read(&format!("sensors/12={}, a.b-c_d/1=0", i64::MAX)), both);
    }

    #[test]
    fn what_is_refused_says_how_to_write_it() {
        for (text, why) in [
            ("now", "write earliest, latest, a time such as"),
            ("", "write earliest, latest"),
            ("Earliest", "write earliest, latest"),
            ("2026-11-29", "write earliest, latest"),
            ("2026-02-30T10:00Z", "write earliest, latest"),
            ("17", "write earliest, latest"),
            ("2026-11-29T10:00", "add Z for UTC"),
            ("2026-11-29T10:00:00.5", "add Z for UTC"),
            ("1969-12-31T23:59:59Z", "it is before 1970"),
            ("-60y", "it is before 1970"),
            ("-99999999999999y", "after the sign a duration"),
            ("-", "after the sign a duration"),
            ("--create", "after the sign a duration"),
            ("-2", "after the sign a duration"),
            ("sensors=1", "TOPIC/PARTITION=OFFSET"),
            ("sensors/0=", "TOPIC/PARTITION=OFFSET"),
            ("sensors/0=-1", "TOPIC/PARTITION=OFFSET"),
            ("sensors/+0=1", "TOPIC/PARTITION=OFFSET"),
            ("sensors/0=9223372036854775808", "TOPIC/PARTITION=OFFSET"),
            ("sensors/2147483648=1", "TOPIC/PARTITION=OFFSET"),
            ("sensors/0=1,", "TOPIC/PARTITION=OFFSET"),
            ("__consumer_offsets/0=1", "TOPIC/PARTITION=OFFSET"),
            ("a\u{1b}/0=1", "TOPIC/PARTITION=OFFSET"),
            ("sensors/0=1,sensors/0=2", "sensors/0 is there twice"),
        ] {
            let refused = read(text).expect_err(text);
            assert!(refused.contains(why), "{text}: {refused}");
            assert!(!refused.contains('\u{1b}'), "{refused:?}");
        }
    }

    fn any_start() -> impl Strategy<Value = StartFrom> {
        let place = ("[a-z0-9._-]{1,9}x", 0..=i32::MAX);
        prop_oneof![
            Just(StartFrom::Latest),
            Just(StartFrom::Earliest),
            // Up to the year 9999.
            (0..253_402_300_799_999_i64)
                .prop_map(|millis| StartFrom::Time(DateTime::from_timestamp_millis(millis).unwrap())),
            proptest::collection::btree_map(place, 0..=i64::MAX, 1..9).prop_map(StartFrom::Offsets),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(from in any_start()) {
            prop_assert_eq!(read(&from.to_string()), Ok(from.clone()));
            let json = serde_json::to_string(&from).unwrap();
            prop_assert_eq!(serde_json::from_str::<StartFrom>(&json).unwrap(), from);
        }

        #[test]
        fn any_text_is_a_start_or_is_refused_in_a_line(
            text in prop_oneof![
                "[-a-z0-9:TZ+./=, ]{0,24}",
                "-[0-9]{1,20}[smhdwMy]",
                "[0-9]{4,6}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}.{0,8}",
                ".{0,40}",
            ],
        ) {
            match read(&text) {
                Ok(from) => prop_assert_eq!(read(&from.to_string()), Ok(from)),
                Err(refused) => prop_assert!(refused.len() < 1000 && !refused.contains(crate::text::is_unsafe)),
            }
        }

        /// How long ago is counted back from the time at which it is written, and never lands after it.
        #[test]
        fn ago_is_before_now(seconds in 0_i64..1_700_000_000) {
            let StartFrom::Time(time) = read(&format!("-{seconds}s")).unwrap() else { panic!("no time") };
            prop_assert_eq!((now() - time).num_seconds(), seconds);
        }
    }
}
