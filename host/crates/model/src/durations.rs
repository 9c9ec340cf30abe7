//! Durations in settings as people write them, `5ms` or `1h 30m`: for `#[serde(with = "crate::durations")]`, and with
//! `"crate::durations::option"` for one that may be unset. In the place of humantime-serde, without a release since
//! 2022.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use serde::ser::{Serialize, Serializer};

/// A duration as text.
struct Text(Duration);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Parse)
    }
}

struct Parse;

impl Visitor<'_> for Parse {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"5ms\" or \"1h 30m\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        humantime::parse_duration(text).map(Text).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// Writes a duration.
///
/// # Errors
///
/// Those of the serializer.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    Text(*duration).serialize(serializer)
}

/// Reads a duration.
///
/// # Errors
///
/// Those of the deserializer, and text that is no duration.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Text::deserialize(deserializer).map(|Text(duration)| duration)
}

/// A duration that may be unset.
pub mod option {
    use super::{Deserialize, Deserializer, Duration, Serialize, Serializer, Text};

    /// Writes a duration, if there is one.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        duration.map(Text).serialize(serializer)
    }

    /// Reads a duration, if there is one.
    ///
    /// # Errors
    ///
    /// Those of the deserializer, and text that is no duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Text>::deserialize(deserializer)?.map(|Text(duration)| duration))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Times {
        #[serde(with = "crate::durations")]
        always: Duration,
        #[serde(with = "crate::durations::option")]
        maybe: Option<Duration>,
    }

    fn times(always: u64, maybe: Option<u64>) -> Times {
        Times { always: Duration::from_millis(always), maybe: maybe.map(Duration::from_millis) }
    }

    #[test]
    fn durations_are_text() {
        for (times, json) in [
            (times(5, None), r#"{"always":"5ms","maybe":null}"#),
            (times(5_400_000, Some(1_000)), r#"{"always":"1h 30m","maybe":"1s"}"#),
        ] {
            assert_eq!(serde_json::to_string(&times).unwrap(), json);
            assert_eq!(serde_json::from_str::<Times>(json).unwrap(), times);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for wrong in ["5", "\"soon\"", "null", "\"5\""] {
            let json = format!(r#"{{"always":{wrong},"maybe":null}}"#);
            let error = serde_json::from_str::<Times>(&json).unwrap_err().to_string();
            assert!(error.contains("a duration such as"), "{error}");
        }
    }
}
