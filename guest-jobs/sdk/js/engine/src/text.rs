//! Text and bytes between QuickJS and Rust.

use rquickjs::{Ctx, Error, Result, String as JsString, TypedArray, Value, qjs};
use std::{ffi::c_char, marker::PhantomData, ptr::NonNull, slice};

/// The text of a string.
pub(crate) struct Text<'js>(Held<'js>);

enum Held<'js> {
    /// QuickJS's own, without a copy; valid UTF-8.
    Borrowed {
        ctx: NonNull<qjs::JSContext>,
        start: *const c_char,
        length: usize,
        of: PhantomData<Ctx<'js>>,
    },
    Owned(String),
}

impl<'js> Text<'js> {
    /// The text of a value that is a string; of any other value, what it is as one. Half of a surrogate pair becomes U+FFFD,
    /// as in a `TextEncoder`.
    pub(crate) fn of(value: &Value<'js>) -> Result<Self> {
        let ctx = value.ctx().as_raw();
        let mut length = 0;
        // SAFETY: the context and the value live; a null pointer is an exception.
        let start = unsafe { qjs::JS_ToCStringLen2(ctx.as_ptr(), &raw mut length, value.as_raw(), false) };
        if start.is_null() {
            return Err(Error::Exception);
        }
        let text = Held::Borrowed { ctx, start, length: length as usize, of: PhantomData };
        let surrogates = match str::from_utf8(text.bytes()) {
            Ok(_) => None,
            Err(_) => Some(without_surrogates(text.bytes())),
        };
        Ok(Self(surrogates.map_or(text, Held::Owned)))
    }

    /// Whether it has no half of a surrogate pair.
    pub(crate) fn is_well_formed(&self) -> bool {
        matches!(self.0, Held::Borrowed { .. })
    }

    pub(crate) fn as_str(&self) -> &str {
        match &self.0 {
            // SAFETY: it was checked when it was made.
            Held::Borrowed { .. } => unsafe { str::from_utf8_unchecked(self.0.bytes()) },
            Held::Owned(text) => text,
        }
    }
}

impl Held<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            // SAFETY: QuickJS gave so many, which live until they are freed.
            Self::Borrowed { start, length, .. } => unsafe { slice::from_raw_parts(start.cast(), *length) },
            Self::Owned(text) => text.as_bytes(),
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Self::Borrowed { ctx, start, .. } = self {
            // SAFETY: it is QuickJS's own, and freed once.
            unsafe { qjs::JS_FreeCString(ctx.as_ptr(), *start) }
        }
    }
}

/// Halves of surrogate pairs are three bytes each, of which Rust's own replacement would make three characters.
fn without_surrogates(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        let valid = match str::from_utf8(rest) {
            Ok(_) => rest.len(),
            Err(error) => error.valid_up_to(),
        };
        let (start, after) = rest.split_at(valid);
        text.push_str(str::from_utf8(start).unwrap_or_default());
        if after.is_empty() {
            return text;
        }
        text.push(char::REPLACEMENT_CHARACTER);
        rest = after.get(3..).unwrap_or_default();
    }
}

/// A string of text.
pub(crate) fn string<'js>(ctx: &Ctx<'js>, text: &str) -> Result<Value<'js>> {
    JsString::from_str(ctx.clone(), text).map(JsString::into_value)
}

/// A copy of bytes, as a `Uint8Array`.
pub(crate) fn bytes<'js>(ctx: &Ctx<'js>, bytes: &[u8]) -> Result<Value<'js>> {
    TypedArray::new_copy(ctx.clone(), bytes).map(TypedArray::into_value)
}

/// The same of bytes that are there, else null.
pub(crate) fn nullable<'js>(ctx: &Ctx<'js>, item: Option<&[u8]>) -> Result<Value<'js>> {
    item.map_or_else(|| Ok(Value::new_null(ctx.clone())), |item| bytes(ctx, item))
}

/// A copy of the bytes of a `Uint8Array`; nothing for any other value.
pub(crate) fn copied(value: &Value<'_>) -> Option<Vec<u8>> {
    let array = value.as_object()?.as_typed_array::<u8>()?;
    // SAFETY: no JavaScript runs that could change or free them.
    unsafe { array.as_bytes() }.map(<[u8]>::to_vec)
}

/// Any value as `String(value)` shows it.
pub(crate) fn shown(value: &Value<'_>) -> String {
    match Text::of(value) {
        Ok(text) => text.as_str().to_owned(),
        Err(_) => {
            value.ctx().catch();
            format!("a value of type {}", value.type_name())
        }
    }
}
