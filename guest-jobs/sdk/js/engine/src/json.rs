//! JSON straight into objects: `JSON.parse` of QuickJS takes four times as long in WebAssembly.

use memchr::memchr2;
use rquickjs::{Ctx, Exception, Result, Value, qjs};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::{cell::RefCell, fmt, mem};

/// What `JSON.parse` makes of a text. What the parser here refuses (halves of surrogate pairs, numbers beyond a double's range,
/// what is no JSON, and what lies 128 deep) is left to QuickJS's, so that the two agree. But its stack has no end that it would
/// see: JSON of more levels is refused.
pub(crate) fn parse<'js>(ctx: &Ctx<'js>, text: &str) -> Result<Value<'js>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Place(ctx).deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    match value {
        // SAFETY: it is owned, and of this context.
        Ok(value) => Ok(unsafe { Value::from_raw(ctx.clone(), value.into_raw()) }),
        Err(_) if is_too_deep(text) => Err(Exception::throw_syntax(ctx, "nested too deeply")),
        Err(_) => ctx.json_parse(text),
    }
}

/// How deep arrays and objects may lie in each other, in every SDK.
const MAX_DEPTH: i32 = 128;

/// Whether brackets, as far as they stand outside of strings, open deeper than that.
pub(crate) fn is_too_deep(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

/// The text of a member of an object, of valid JSON: the last of the name. Nothing where there is none, or the text is no object.
pub(crate) fn raw<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let bytes = text.as_bytes();
    if !text.trim_ascii_start().starts_with('{') {
        return None;
    }
    let (mut at, mut depth, mut found) = (0, 0, None);
    // The string before, and where a value of the name starts.
    let (mut last, mut start) = (0..0, None);
    while let Some(byte) = bytes.get(at) {
        let here = at;
        at += 1;
        match byte {
            b'"' => {
                at = end_of_string(bytes, at);
                if depth == 1 {
                    last = here..at;
                }
            }
            b'{' | b'[' => depth += 1,
            b':' if depth == 1 => start = is_string(text.get(last.clone())?, name).then_some(at),
            b',' | b'}' | b']' => {
                if depth == 1
                    && let Some(start) = start.take()
                {
                    found = text.get(start..here);
                }
                depth -= i32::from(*byte != b',');
            }
            _ => {}
        }
    }
    found.map(str::trim_ascii)
}

/// Where a string ends that starts before `at`.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes.get(at) == Some(&b'"') {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

/// Whether a string of JSON is this text.
fn is_string(quoted: &str, text: &str) -> bool {
    let plain = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    plain == text && !plain.contains('\\')
        || plain.contains('\\') && serde_json::from_str::<String>(quoted).is_ok_and(|unescaped| unescaped == text)
}

/// Makes a value of what comes next.
#[derive(Clone, Copy)]
struct Place<'a, 'js>(&'a Ctx<'js>);

/// A value in the making: freed where the rest of its text turns out to be no JSON.
struct Made<'a, 'js>(&'a Ctx<'js>, qjs::JSValue);

impl<'a, 'js> Made<'a, 'js> {
    /// # Errors
    /// The value is an exception: out of memory.
    fn new<E: Error>(ctx: &'a Ctx<'js>, raw: qjs::JSValue) -> std::result::Result<Self, E> {
        // SAFETY: only the tag is looked at.
        if unsafe { qjs::JS_IsException(raw) } { Err(E::custom("out of memory")) } else { Ok(Self(ctx, raw)) }
    }

    fn into_raw(self) -> qjs::JSValue {
        let raw = self.1;
        mem::forget(self);
        raw
    }
}

impl Drop for Made<'_, '_> {
    fn drop(&mut self) {
        // SAFETY: it is owned here.
        unsafe { qjs::JS_FreeValue(self.0.as_raw().as_ptr(), self.1) }
    }
}

impl<'de, 'a, 'js> DeserializeSeed<'de> for Place<'a, 'js> {
    type Value = Made<'a, 'js>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, 'a, 'js> Visitor<'de> for Place<'a, 'js> {
    type Value = Made<'a, 'js>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> std::result::Result<Self::Value, E> {
        Made::new(self.0, qjs::JS_NULL)
    }

    fn visit_bool<E: Error>(self, value: bool) -> std::result::Result<Self::Value, E> {
        Made::new(self.0, if value { qjs::JS_TRUE } else { qjs::JS_FALSE })
    }

    fn visit_u64<E: Error>(self, value: u64) -> std::result::Result<Self::Value, E> {
        match i32::try_from(value) {
            Ok(value) => Made::new(self.0, qjs::JS_MKVAL(qjs::JS_TAG_INT, value)),
            Err(_) => self.visit_f64(value as f64),
        }
    }

    fn visit_i64<E: Error>(self, value: i64) -> std::result::Result<Self::Value, E> {
        match i32::try_from(value) {
            Ok(value) => Made::new(self.0, qjs::JS_MKVAL(qjs::JS_TAG_INT, value)),
            Err(_) => self.visit_f64(value as f64),
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> std::result::Result<Self::Value, E> {
        Made::new(self.0, qjs::JS_NewFloat64(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> std::result::Result<Self::Value, E> {
        // SAFETY: the context lives, and copies the bytes.
        let raw = unsafe { qjs::JS_NewStringLen(self.0.as_raw().as_ptr(), value.as_ptr().cast(), value.len() as _) };
        Made::new(self.0, raw)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Self::Value, A::Error> {
        let ctx = self.0.as_raw().as_ptr();
        // SAFETY: the context lives.
        let array = Made::new(self.0, unsafe { qjs::JS_NewArray(ctx) })?;
        let mut at = 0;
        while let Some(item) = items.next_element_seed(self)? {
            // SAFETY: both live; the item is given away.
            let defined = unsafe { qjs::JS_DefinePropertyValueUint32(ctx, array.1, at, item.into_raw(), ORDINARY) };
            check(defined)?;
            at += 1;
        }
        Ok(array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> std::result::Result<Self::Value, A::Error> {
        let ctx = self.0.as_raw().as_ptr();
        // SAFETY: the context lives.
        let object = Made::new(self.0, unsafe { qjs::JS_NewObject(ctx) })?;
        let mut shape = Some(Shapes::EMPTY);
        while let Some(name) = members.next_key_seed(Name(self.0, shape))? {
            shape = name.shape;
            let value = members.next_value_seed(self)?;
            // SAFETY: both live, and the name is one of this context's; the value is given away.
            check(unsafe { qjs::JS_DefinePropertyValue(ctx, object.1, name.atom, value.into_raw(), ORDINARY) })?;
        }
        Ok(object)
    }
}

/// Writable, enumerable and configurable, as a member that was assigned.
const ORDINARY: i32 = qjs::JS_PROP_C_W_E as i32;

fn check<E: Error>(defined: i32) -> std::result::Result<(), E> {
    if defined < 0 { Err(E::custom("out of memory")) } else { Ok(()) }
}

/// The name of a member, until it is defined.
struct Known<'a, 'js> {
    ctx: &'a Ctx<'js>,
    atom: qjs::JSAtom,
    /// The object's shape with it; nothing where the name is not kept.
    shape: Option<usize>,
}

impl Drop for Known<'_, '_> {
    fn drop(&mut self) {
        if self.shape.is_none() {
            // SAFETY: it is owned here.
            unsafe { qjs::JS_FreeAtom(self.ctx.as_raw().as_ptr(), self.atom) }
        }
    }
}

/// Reads the name of the next member of an object of a shape.
struct Name<'a, 'js>(&'a Ctx<'js>, Option<usize>);

impl<'de, 'a, 'js> DeserializeSeed<'de> for Name<'a, 'js> {
    type Value = Known<'a, 'js>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a, 'js> Visitor<'_> for Name<'a, 'js> {
    type Value = Known<'a, 'js>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> std::result::Result<Self::Value, E> {
        let known = SHAPES.with_borrow_mut(|shapes| shapes.with(self.0, self.1, name));
        known.ok_or_else(|| E::custom("out of memory"))
    }
}

std::thread_local! {
    /// Of the one context of this thread, which lives as long.
    static SHAPES: RefCell<Shapes> = const { RefCell::new(Shapes(Vec::new())) };
}

/// The shapes that objects had, by the names of their members in order. QuickJS makes a shape for each object, and frees it with
/// the last object of the shape, which would be each record's; so an object of each is kept. The names are found here too.
struct Shapes(Vec<Shape>);

#[derive(Default)]
struct Shape {
    names: Vec<qjs::JSAtom>,
    /// The shapes with one more member.
    next: Vec<Next>,
}

struct Next {
    name: Box<str>,
    atom: qjs::JSAtom,
    shape: usize,
}

impl Shapes {
    /// The shape of an object without members.
    const EMPTY: usize = 0;
    /// Bounds for what is kept: shapes in all, of those that follow one, and bytes of a name.
    const MOST: usize = 1000;
    const MOST_NEXT: usize = 20;
    const LONGEST: usize = 100;

    /// The name, and the shape with one more member of that name. Nothing where memory is out.
    fn with<'a, 'js>(&mut self, ctx: &'a Ctx<'js>, shape: Option<usize>, name: &str) -> Option<Known<'a, 'js>> {
        if self.0.is_empty() {
            self.0.push(Shape::default());
        }
        let before = shape.and_then(|shape| self.0.get(shape));
        if let Some(next) = before.and_then(|before| before.next.iter().find(|next| *next.name == *name)) {
            return Some(Known { ctx, atom: next.atom, shape: Some(next.shape) });
        }
        let raw = ctx.as_raw().as_ptr();
        // SAFETY: the context lives, and copies the bytes.
        let atom = unsafe { qjs::JS_NewAtomLen(raw, name.as_ptr().cast(), name.len() as _) };
        if atom == qjs::JS_ATOM_NULL {
            return None;
        }
        let has_room = self.0.len() < Self::MOST && name.len() <= Self::LONGEST;
        let names = match before {
            Some(before) if has_room && before.next.len() < Self::MOST_NEXT => {
                before.names.iter().copied().chain([atom]).collect::<Vec<_>>()
            }
            _ => {
                return Some(Known { ctx, atom, shape: None });
            }
        };
        // SAFETY: the context lives, and the names are kept. The object is never freed; without memory for it, it has fewer members.
        unsafe {
            let kept = qjs::JS_NewObject(raw);
            for name in &names {
                qjs::JS_DefinePropertyValue(raw, kept, *name, qjs::JS_NULL, ORDINARY);
            }
        }
        let made = self.0.len();
        self.0.push(Shape { names, next: Vec::new() });
        let before = self.0.get_mut(shape?)?;
        before.next.push(Next { name: name.into(), atom, shape: made });
        Some(Known { ctx, atom, shape: Some(made) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rquickjs::{Context, Runtime};
    use serde_json::{Map, Value as Json};

    fn values() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            any::<String>().prop_map(Json::from),
            "[\\\\\"a-c{}:,]{0,6}".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            let name = prop_oneof!["[\\\\\"a-c0-9{}:,]{0,3}", any::<String>(), Just("__proto__".to_owned())];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
                prop::collection::vec((name, inner), 0..5)
                    .prop_map(|members| Json::Object(members.into_iter().collect())),
            ]
        })
    }

    std::thread_local! {
        static CONTEXT: Context = Context::full(&Runtime::new().unwrap()).unwrap();
    }

    /// What both make of a text, as JSON again; nothing where they throw.
    fn both(text: &str) -> [Option<String>; 2] {
        CONTEXT.with(|context| {
            context.with(|ctx| {
                [parse(&ctx, text), ctx.json_parse(text)].map(|value| match value {
                    Ok(value) => Some(ctx.json_stringify(value).unwrap().unwrap().to_string().unwrap_or_default()),
                    Err(_) => {
                        ctx.catch();
                        None
                    }
                })
            })
        })
    }

    proptest! {
        #[test]
        fn it_reads_what_json_parse_reads(value in values(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let [ours, theirs] = both(&text.unwrap());
            prop_assert!(ours.is_some());
            prop_assert_eq!(ours, theirs);
        }

        #[test]
        fn a_byte_changed_is_judged_alike(value in values(), position: prop::sample::Index, byte in 0u8..128) {
            let mut text = serde_json::to_vec(&value).unwrap();
            let position = position.index(text.len());
            *text.get_mut(position).unwrap() = byte;
            if let Ok(text) = String::from_utf8(text) {
                let [ours, theirs] = both(&text);
                prop_assert_eq!(ours, theirs, "{}", text);
            }
        }

        #[test]
        fn a_member_is_as_it_is_written(members in prop::collection::vec(("[\\\\\"a-c{}:,]{0,2}", values()), 0..5), pretty: bool) {
            let object: Map<String, Json> = members.into_iter().collect();
            let text = if pretty { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) }.unwrap();
            for (name, value) in &object {
                let found = raw(&text, name).unwrap();
                prop_assert_eq!(&serde_json::from_str::<Json>(found).unwrap(), value);
                prop_assert_eq!(found.trim(), found);
            }
            prop_assert_eq!(raw(&text, "none"), None);
        }

        #[test]
        fn no_text_is_too_odd_to_look_into(text: String, name: String) {
            raw(&text, &name);
        }
    }

    #[test]
    fn the_last_of_a_name_counts() {
        assert_eq!(raw(r#"{"a":1, "a" : [2] ,"b":{"a":3}}"#, "a"), Some("[2]"));
        assert_eq!(raw(r#" {"\u0061":1.0}"#, "a"), Some("1.0"));
        assert_eq!(raw(r#"[{"a":1}]"#, "a"), None);
    }
}
