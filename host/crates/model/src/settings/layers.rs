//! Settings from several places, the later over the earlier, and what is wrong with them: told by key and place,
//! without what was found, for a secret may stand where nobody expects it.

use std::fmt::Display;

use serde::de::value::SeqDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess, Unexpected, Visitor,
};
use toml::{Table, Value};

/// A tree of settings. What is set later counts; tables are joined.
#[derive(Debug, Default)]
pub(super) struct Layers {
    settings: Table,
    /// Where each setting was last set.
    places: Vec<(Vec<String>, String)>,
}

impl Layers {
    /// Sets what stands at a path of keys; `place` is for errors.
    pub(super) fn set(&mut self, path: &[String], value: Value, place: &str) {
        match value {
            Value::Table(table) if !table.is_empty() => {
                for (key, value) in table {
                    self.set(&[path, &[key]].concat(), value, place);
                }
            }
            value => {
                self.put(path, value);
                self.places.push((path.to_vec(), place.to_owned()));
            }
        }
    }

    fn put(&mut self, path: &[String], value: Value) {
        let Some((last, parents)) = path.split_last() else { return };
        let mut table = &mut self.settings;
        for key in parents {
            let inner = table.entry(key).or_insert_with(|| Value::Table(Table::new()));
            if !inner.is_table() {
                *inner = Value::Table(Table::new());
            }
            let Value::Table(inner) = inner else { return };
            table = inner;
        }
        // An empty table takes nothing away.
        if !(value.is_table() && table.get(last).is_some_and(Value::is_table)) {
            table.insert(last.clone(), value);
        }
    }

    /// The settings as a type; an error says the key and the place.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, String> {
        T::deserialize(Found(Value::Table(self.settings))).map_err(|Wrong { what, path, .. }| {
            let place = self.places.iter().rev().find(|(set, _)| set.starts_with(&path) || path.starts_with(set));
            let key = if path.is_empty() { String::new() } else { format!(" for key {:?}", path.join(".")) };
            let place = place.map_or_else(String::new, |(_, place)| format!(" in {place}"));
            format!("{what}{key}{place}")
        })
    }
}

/// A path of keys at which there is no setting.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown {
    /// The setting whose name is the most like it, where one is.
    pub(super) near: Option<Vec<String>>,
}

impl Unknown {
    /// Whether there is none of a type's settings at a path. What is wrong with the value is not looked at.
    pub(super) fn of<T: DeserializeOwned>(path: &[String], value: &Value) -> Option<Self> {
        /// Most letters that are others, left out, or put in.
        const MOST_SLIPS: usize = 2;
        let mut layers = Layers::default();
        layers.set(path, value.clone(), "");
        let wrong = T::deserialize(Found(Value::Table(layers.settings))).err()?;
        let known = wrong.known?;
        let (key, section) = wrong.path.split_last()?;
        let with = |name: &str| [section, &[name.to_owned()]].concat();
        // `PELTON_BATCH_LINGER`, with one underscore where there are two.
        let of_section = known.iter().find_map(|name| {
            let rest = key.strip_prefix(name)?.strip_prefix('_')?;
            let mut is_section = Layers::default();
            is_section.set(&with(name), Value::Table(Table::new()), "");
            let meant = [with(name), vec![rest.to_owned()]].concat();
            (is_section.read::<T>().is_ok() && Self::of::<T>(&meant, value).is_none()).then_some(meant)
        });
        let slips = |name: &&&str| strsim::damerau_levenshtein(key, name);
        let nearest = known.iter().min_by_key(slips).filter(|name| slips(name) <= MOST_SLIPS);
        Some(Self { near: of_section.or_else(|| nearest.map(|name| with(name))) })
    }
}

/// What is wrong with a setting.
#[derive(Debug)]
struct Wrong {
    what: String,
    path: Vec<String>,
    /// Where there is no such key, those that there are.
    known: Option<&'static [&'static str]>,
}

impl Wrong {
    fn at(mut self, key: &str) -> Self {
        self.path.insert(0, key.to_owned());
        self
    }
}

impl Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Wrong {}

impl serde::de::Error for Wrong {
    fn custom<T: Display>(what: T) -> Self {
        Self { what: what.to_string(), path: Vec::new(), known: None }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("invalid type: found {}, expected {expected}", kind(&found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("invalid value: found {}, expected {expected}", kind(&found)))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("unknown variant: expected {}", one_of(expected)))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let what = format_args!("unknown field: found `{field}`, expected {}", one_of(expected));
        Self { known: Some(expected), ..Self::custom(what) }
    }
}

fn one_of(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [only] => only.clone(),
        names => format!("one of {}", names.join(", ")),
    }
}

/// What was found, by its kind.
fn kind(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a truth value",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
        Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) => "text",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a table",
        _ => "something else",
    }
}

/// A value, whose errors are [`Wrong`].
struct Found(Value);

impl IntoDeserializer<'_, Wrong> for Found {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Found {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::String(text) => visitor.visit_string(text),
            Value::Integer(number) => visitor.visit_i64(number),
            Value::Float(number) => visitor.visit_f64(number),
            Value::Boolean(truth) => visitor.visit_bool(truth),
            Value::Datetime(time) => visitor.visit_string(time.to_string()),
            Value::Array(items) => visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Found))),
            Value::Table(table) => visitor.visit_map(Entries { left: table.into_iter(), next: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self.0 {
            Value::String(text) => visitor.visit_enum(text.into_deserializer()),
            _ => self.deserialize_any(visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// The entries of a table, for errors that name them.
struct Entries {
    left: toml::map::IntoIter<String, Value>,
    next: Option<(String, Value)>,
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        self.next = self.left.next();
        let Some((key, _)) = &self.next else { return Ok(None) };
        seed.deserialize(key.as_str().into_deserializer()).map(Some).map_err(|wrong: Wrong| wrong.at(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let (key, value) = self.next.take().ok_or_else(|| serde::de::Error::custom("a value before its key"))?;
        seed.deserialize(Found(value)).map_err(|wrong| wrong.at(&key))
    }
}
