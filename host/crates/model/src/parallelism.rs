//! How many instances a job has, as people write it.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::error::Error;
use crate::text::quoted;

/// The text of an automatic one.
const AUTO: &str = "auto";

/// How many instances share a job's partitions. It is written `auto`, or as a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Parallelism {
    /// As many as the load calls for, from 1.
    #[default]
    Auto,
    /// So many.
    Of(usize),
}

impl Parallelism {
    /// The number, where one is given.
    pub fn number(self) -> Option<usize> {
        match self {
            Self::Auto => None,
            Self::Of(number) => Some(number),
        }
    }

    /// Whether the load decides.
    pub fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

impl fmt::Display for Parallelism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str(AUTO),
            Self::Of(number) => number.fmt(f),
        }
    }
}

impl FromStr for Parallelism {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.parse() {
            _ if text == AUTO => Ok(Self::Auto),
            Ok(number) => Ok(Self::Of(number)),
            Err(_) => Err(Error::Illegal(format!("{} is no parallelism: write auto, or a number", quoted(text)))),
        }
    }
}

impl Serialize for Parallelism {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str(AUTO),
            Self::Of(number) => serializer.serialize_u64(*number as u64),
        }
    }
}

impl<'de> Deserialize<'de> for Parallelism {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Read)
    }
}

struct Read;

impl Visitor<'_> for Read {
    type Value = Parallelism;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a parallelism: \"auto\", or a number")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Parallelism, E> {
        Ok(Parallelism::Of(usize::try_from(number).unwrap_or(usize::MAX)))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Parallelism, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Parallelism, E> {
        if text == AUTO { Ok(Parallelism::Auto) } else { Err(E::invalid_value(de::Unexpected::Str(text), &self)) }
    }
}

impl PartialSchema for Parallelism {
    fn schema() -> RefOr<Schema> {
        let told = "How many instances share the partitions: a number, or `auto`, as many as the load calls for.";
        let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).enum_values(Some([AUTO]));
        let number = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Integer)).minimum(Some(1));
        OneOfBuilder::new().item(text).item(number).description(Some(told)).into()
    }
}

impl ToSchema for Parallelism {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_written() {
        for (parallelism, text, json) in
            [(Parallelism::Auto, "auto", "\"auto\""), (Parallelism::Of(0), "0", "0"), (Parallelism::Of(12), "12", "12")]
        {
            assert_eq!((parallelism.to_string().as_str(), text.parse::<Parallelism>().unwrap()), (text, parallelism));
            assert_eq!(serde_json::to_string(&parallelism).unwrap(), json);
            assert_eq!(serde_json::from_str::<Parallelism>(json).unwrap(), parallelism);
        }
        for text in ["", "Auto", "-1", "1.5", "many", "99999999999999999999"] {
            let told = text.parse::<Parallelism>().unwrap_err().to_string();
            assert!(told.ends_with("is no parallelism: write auto, or a number"), "{told}");
        }
        for json in ["-1", "1.5", "\"2\"", "null", "[1]", "\"many\""] {
            let told = serde_json::from_str::<Parallelism>(json).unwrap_err().to_string();
            assert!(told.contains("expected a parallelism: \"auto\", or a number"), "{told}");
        }
    }
}
