//! What scripts expect to be there beside the language: the host's interfaces as `pelton`, and of the web's `console`,
//! `TextEncoder` and `TextDecoder`.

use memchr::memchr_iter;
use pelton_job::bindings::pelton::job::{log, metrics};
use pelton_job::{python, time};
use rquickjs::{
    Ctx, Error, Exception, Function, Object, Result, Value,
    function::{Constructor, This},
};

use crate::{
    fields, json,
    native::{self, Call},
    text::{self, Text, copied},
    value,
};

const LEVELS: [(&str, log::Level); 5] = [
    ("trace", log::Level::Trace),
    ("debug", log::Level::Debug),
    ("info", log::Level::Info),
    ("warn", log::Level::Warn),
    ("error", log::Level::Error),
];

/// Defines them, before any script runs.
pub(crate) fn define(ctx: &Ctx<'_>) -> Result<()> {
    let native = Object::new(ctx.clone())?;
    native.set("log", Function::new(ctx.clone(), write)?)?;
    native.set("count", Function::new(ctx.clone(), count)?)?;
    native.set("gauge", Function::new(ctx.clone(), |name: String, value: f64| metrics::gauge(&name, value))?)?;
    native.set("decode", Function::new(ctx.clone(), decode)?)?;
    native::method(&native, c"encode", 1, |call| {
        text::bytes(call.ctx, Text::of(&call.argument(0))?.as_str().as_bytes())
    })?;
    // `JSON.parse` without a function to call.
    native::method(&native, c"parse", 1, |call| json::parse(call.ctx, Text::of(&call.argument(0))?.as_str()))?;
    native::method(&native, c"microseconds", 1, microseconds)?;
    native::method(&native, c"isText", 1, |call| {
        let value = call.argument(0);
        let is_text = value.is_string() && {
            let text = Text::of(&value)?;
            text.is_well_formed() && !text.as_str().as_bytes().contains(&0)
        };
        Ok(Value::new_bool(call.ctx.clone(), is_text))
    })?;
    native.set("python", python(ctx)?)?;
    fields::define(ctx, &native)?;
    search(ctx, &native)?;
    ctx.globals().set("pelton", native)?;
    ctx.eval::<(), _>(include_str!("web.js"))
}

/// `includes` and `indexOf` of strings: QuickJS's own compare at each character, by calls, which takes 20 ns for each.
fn search<'js>(ctx: &Ctx<'js>, native: &Object<'js>) -> Result<()> {
    let strings: Object<'js> = ctx.globals().get::<_, Object<'js>>("String")?.get("prototype")?;
    for name in ["includes", "indexOf"] {
        native.set(name, strings.get::<_, Value<'js>>(name)?)?;
    }
    native::method(&strings, c"includes", 1, |call| match found(call)? {
        Some(at) => Ok(Value::new_bool(call.ctx.clone(), at.is_some())),
        None => slowly(call, "includes"),
    })?;
    native::method(&strings, c"indexOf", 1, |call| match found(call)? {
        Some(at) => Ok(Value::new_int(call.ctx.clone(), at.map_or(Ok(-1), i32::try_from).unwrap_or(i32::MAX))),
        None => slowly(call, "indexOf"),
    })?;
    // They are not among the properties of a string that are listed.
    ctx.eval("for (const name of ['includes', 'indexOf']) Object.defineProperty(String.prototype, name, { enumerable: false })")
}

/// Where a string holds another, in UTF-16. Nothing for all but the plain case: two strings, from the start.
fn found(call: &Call<'_, '_>) -> Result<Option<Option<usize>>> {
    let (all, part) = (call.receiver(), call.argument(0));
    if !all.is_string() || !part.is_string() || !call.argument(1).is_undefined() {
        return Ok(None);
    }
    let (all, part) = (Text::of(&all)?, Text::of(&part)?);
    if !all.is_well_formed() || !part.is_well_formed() {
        return Ok(None);
    }
    let (all, part) = (all.as_str(), part.as_str());
    let at = match part.as_bytes() {
        [] => Some(0),
        [first, ..] => memchr_iter(*first, all.as_bytes()).find(|at| {
            let rest = all.as_bytes().get(*at..);
            rest.is_some_and(|rest| rest.starts_with(part.as_bytes()))
        }),
    };
    Ok(Some(at.map(|at| all.get(..at).map_or(0, |before| before.encode_utf16().count()))))
}

/// What QuickJS does.
fn slowly<'js>(call: &Call<'_, 'js>, name: &str) -> Result<Value<'js>> {
    let native: Object<'js> = call.ctx.globals().get("pelton")?;
    let own: Function<'js> = native.get(name)?;
    own.call((This(call.receiver().clone()), call.argument(0).clone(), call.argument(1).clone()))
}

/// JSON as Python prints it.
fn python<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let python = Object::new(ctx.clone())?;
    native::method(&python, c"string", 1, |call| {
        let value = Text::of(&call.argument(0))?;
        let mut printed = Vec::with_capacity(value.as_str().len() + 2);
        python::write_string(value.as_str(), &mut printed);
        ascii(call, &printed)
    })?;
    native::method(&python, c"float", 1, |call| {
        let mut printed = Vec::with_capacity(24);
        python::write_float(call.argument(0).as_number().unwrap_or(f64::NAN), &mut printed);
        ascii(call, &printed)
    })?;
    native::method(&python, c"respace", 1, |call| {
        let json = Text::of(&call.argument(0))?;
        let spaced = python::respace(json.as_str());
        // Most is spaced so.
        if spaced == json.as_str() && call.argument(0).is_string() {
            return Ok(call.argument(0).clone());
        }
        text::string(call.ctx, &spaced)
    })?;
    Ok(python)
}

fn ascii<'js>(call: &Call<'_, 'js>, printed: &[u8]) -> Result<Value<'js>> {
    text::string(call.ctx, str::from_utf8(printed).unwrap_or_default())
}

fn microseconds<'js>(call: &Call<'_, 'js>) -> Result<Value<'js>> {
    let text = Text::of(&call.argument(0))?;
    Ok(match time::microseconds(text.as_str()) {
        Some(microseconds) => value::integer(call.ctx, microseconds)?,
        None => Value::new_null(call.ctx.clone()),
    })
}

fn write(level: String, message: Value<'_>) -> Result<()> {
    let level = LEVELS.iter().find(|(name, _)| *name == level).map_or(log::Level::Info, |(_, level)| *level);
    log::log(level, Text::of(&message)?.as_str());
    Ok(())
}

/// Takes a bigint from 0 to 2^64 - 1, as its text.
fn count(ctx: Ctx<'_>, name: String, increment: String) -> Result<()> {
    let increment =
        increment.parse().map_err(|_| Exception::throw_range(&ctx, "a counter goes up by 0 to 2^64 - 1"))?;
    metrics::count(&name, increment);
    Ok(())
}

fn decode<'js>(ctx: Ctx<'js>, bytes: Value<'js>, fatal: bool) -> Result<Value<'js>> {
    let Some(bytes) = copied(&bytes) else {
        return Err(Exception::throw_type(&ctx, "a Uint8Array is due"));
    };
    if fatal && str::from_utf8(&bytes).is_err() {
        return Err(Exception::throw_type(&ctx, "the bytes are not UTF-8"));
    }
    text::string(&ctx, &String::from_utf8_lossy(&bytes))
}

/// The class of what `reject` throws.
pub(crate) fn rejects<'js>(ctx: &Ctx<'js>) -> Result<Constructor<'js>> {
    ctx.globals().get::<_, Object<'_>>("pelton")?.get("Reject")
}

/// Throws what `reject` throws.
pub(crate) fn reject(ctx: &Ctx<'_>, reason: &str) -> Error {
    match rejects(ctx).and_then(|class| class.construct((reason,))) {
        Ok(reject) => ctx.throw(reject),
        Err(error) => error,
    }
}

/// QuickJS's only wish of its surroundings: the time, which a job has none of.
#[unsafe(no_mangle)]
extern "C" fn __rquickjs_host_now_us() -> f64 {
    0.0
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rquickjs::{Context, Runtime};

    proptest! {
        #[test]
        fn strings_are_searched_as_quickjs_does(all in "[ab\u{e9}\u{1f600}]{0,12}", part in "[ab\u{e9}\u{1f600}]{0,3}") {
            let context = Context::full(&Runtime::new().unwrap()).unwrap();
            let script = "[['includes', 'indexOf'].map((name) => all[name](part) === pelton[name].call(all, part))].join()";
            let same = context.with(|ctx| {
                define(&ctx).unwrap();
                ctx.globals().set("all", all).unwrap();
                ctx.globals().set("part", part).unwrap();
                ctx.eval::<String, _>(script).unwrap()
            });
            prop_assert_eq!(same, "true,true");
        }
    }
}
