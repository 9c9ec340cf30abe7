//! Fields of a record's JSON straight into an object: nothing else of the JSON becomes a value.

use pelton_job::{
    Reject,
    json::{self, Field},
};
use rquickjs::{Ctx, Error, Exception, Object, Result, Value, qjs};
use std::ffi::CStr;

use crate::{
    native::{self, Call, Class},
    text, value, web,
};

/// What a script reads of each record; it lives as long as the script.
pub(crate) struct Fields {
    wanted: Vec<Wanted>,
    /// Where each is, with nothing found.
    paths: Vec<Field<'static>>,
    alike: Vec<u64>,
}

struct Wanted {
    /// The name in the object that is made.
    name: qjs::JSAtom,
    kind: Kind,
    is_nullable: bool,
}

/// Writable, enumerable and configurable, as a member that was assigned.
const ORDINARY: i32 = qjs::JS_PROP_C_W_E as i32;

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Int4,
    Int8,
    Float8,
    Boolean,
    Timestamptz,
    Object,
}

impl Class for Fields {
    const NAME: &'static CStr = c"Fields";
    const INDEX: usize = 2;
}

/// Defines what makes them: a function that takes a list for each, of name, path, kind and whether null passes, which the SDK
/// has checked.
pub(crate) fn define<'js>(ctx: &Ctx<'js>, native: &Object<'js>) -> Result<()> {
    native::class::<Fields>(ctx)?;
    native::method(native, c"fields", 1, |call| {
        let list: Vec<Vec<String>> = call.argument(0).get()?;
        if list.len() > u64::BITS as usize {
            return Err(Exception::throw_range(call.ctx, "at most 64 fields are read at a time"));
        }
        let raw = call.ctx.as_raw().as_ptr();
        // SAFETY: the context lives. The object is never freed: it keeps the shape of those that are made of records, which
        // QuickJS would else make for each.
        let kept = unsafe { qjs::JS_NewObject(raw) };
        let (mut wanted, mut paths, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for strings in list {
            let Ok([name, path, kind, is_nullable]) = <[String; 4]>::try_from(strings) else {
                return Err(Exception::throw_type(call.ctx, "a field is four strings"));
            };
            let kind = Kind::named(&kind).ok_or_else(|| Exception::throw_type(call.ctx, "there is no such kind"))?;
            let is_nullable = is_nullable == "true";
            // SAFETY: the context lives, and copies the bytes. The name is never freed: what reads fields lives as long.
            let name = unsafe {
                let name = qjs::JS_NewAtomLen(raw, name.as_ptr().cast(), name.len() as _);
                qjs::JS_DefinePropertyValue(raw, kept, name, qjs::JS_NULL, ORDINARY);
                name
            };
            wanted.push(Wanted { name, kind, is_nullable });
            let path: &'static str = Box::leak(path.into_boxed_str());
            paths.push(Field::at(path));
            names.push(path);
        }
        native::object(call.ctx, Fields { wanted, paths, alike: json::alike(&names) })
    })
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "text" => Self::Text,
            "int4" => Self::Int4,
            "int8" => Self::Int8,
            "float8" => Self::Float8,
            "boolean" => Self::Boolean,
            "timestamptz" => Self::Timestamptz,
            "object" => Self::Object,
            _ => return None,
        })
    }

    fn read<'js>(self, ctx: &Ctx<'js>, field: &Field<'_>) -> Result<Value<'js>> {
        let rejected = |reject: Reject| web::reject(ctx, reject.reason());
        match self {
            Self::Text => text::string(ctx, &field.text().map_err(rejected)?),
            Self::Object => text::string(ctx, &field.object().map_err(rejected)?),
            Self::Int4 => Ok(Value::new_int(ctx.clone(), field.int4().map_err(rejected)?)),
            Self::Int8 => value::integer(ctx, field.int8().map_err(rejected)?),
            Self::Float8 => Ok(Value::new_number(ctx.clone(), field.float8().map_err(rejected)?)),
            Self::Boolean => Ok(Value::new_bool(ctx.clone(), field.boolean().map_err(rejected)?)),
            Self::Timestamptz => value::integer(ctx, field.timestamptz().map_err(rejected)?),
        }
    }
}

/// The fields that the argument names, of a record's value.
pub(crate) fn read<'js>(call: &Call<'_, 'js>, text: &str) -> Result<Value<'js>> {
    let ctx = call.ctx;
    let known = call.held::<Fields>(0)?;
    let mut fields: Vec<Field<'_>> = known.paths.clone();
    json::find(text, &mut fields, &known.alike).map_err(|reject| web::reject(ctx, reject.reason()))?;
    let raw = ctx.as_raw().as_ptr();
    // SAFETY: the context lives; what it gives is owned.
    let object = unsafe { Value::from_raw(ctx.clone(), qjs::JS_NewObject(raw)) };
    if !object.is_object() {
        return Err(Error::Exception);
    }
    for (field, wanted) in fields.iter().zip(&known.wanted) {
        let value = match wanted.is_nullable && field.optional().is_none() {
            true => Value::new_null(ctx.clone()),
            false => wanted.kind.read(ctx, field)?,
        };
        // SAFETY: both live, and the name is one of this context's; the value is held once more, to be given away.
        let defined = unsafe {
            let value = qjs::JS_DupValue(raw, value.as_raw());
            qjs::JS_DefinePropertyValue(raw, object.as_raw(), wanted.name, value, ORDINARY)
        };
        if defined < 0 {
            return Err(Error::Exception);
        }
    }
    Ok(object)
}
