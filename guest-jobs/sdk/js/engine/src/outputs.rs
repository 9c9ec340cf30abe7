//! What a job makes of a batch.

use pelton_job::{Sink, Type, bindings::pelton::job::types::Output};
use rquickjs::{Ctx, Error, Exception, Result, Value, qjs};
use std::{
    cell::RefCell,
    ffi::{CStr, c_void},
    ptr,
    rc::Rc,
};

use crate::{
    native::{self, Call, Class},
    spec::Declared,
    text::Text,
    value::{self, Read},
};

/// The outputs of the batch at hand.
pub(crate) struct Gathered {
    out: pelton_job::Outputs,
    mistake: Option<String>,
}

impl Gathered {
    /// What follows is made from this record of a batch of so many.
    pub(crate) fn turn_to(&mut self, record: usize, records: usize) {
        self.out.turn_to(u32::try_from(record).unwrap_or(u32::MAX), records);
    }

    /// The job's first mistake since the last call.
    pub(crate) fn take_mistake(&mut self) -> Option<String> {
        self.mistake.take().or_else(|| self.out.take_mistake())
    }

    /// Hands over what there is, and is empty again.
    pub(crate) fn finish(&mut self) -> Vec<Output> {
        self.out.finish()
    }
}

/// Takes what a job emits.
pub(crate) struct Outputs {
    sinks: Vec<Known>,
    gathered: Rc<RefCell<Gathered>>,
}

impl Class for Outputs {
    const NAME: &'static CStr = c"Outputs";
    const INDEX: usize = 1;
}

/// A sink, known by the object that the script made for it.
struct Known {
    /// Lives as long as the script, whose `task` lists it.
    object: *const c_void,
    sink: Sink,
    row: Option<Vec<(String, Type)>>,
}

impl Outputs {
    /// For a job that declares this, with these objects as its sinks.
    pub(crate) fn new(declared: &Declared, objects: &[Value<'_>]) -> (Self, Rc<RefCell<Gathered>>) {
        let sinks = declared.sinks();
        let gathered = Rc::new(RefCell::new(Gathered { out: pelton_job::Outputs::new(&sinks), mistake: None }));
        let known = sinks.into_iter().zip(objects).map(|(sink, object)| Known {
            object: address(object),
            row: sink.row(),
            sink,
        });
        (Self { sinks: known.collect(), gathered: gathered.clone() }, gathered)
    }

    fn known<'js>(&self, ctx: &Ctx<'js>, sink: &Value<'js>) -> Result<&Known> {
        self.sinks.iter().find(|known| known.object == address(sink)).ok_or_else(|| {
            let name = sink.as_object().and_then(|sink| sink.get("name").ok());
            self.mistake(ctx, name.unwrap_or("undefined".to_owned()).as_str(), "not among the sinks of the job's spec")
        })
    }

    fn topic<'js>(&self, ctx: &Ctx<'js>, sink: &Value<'js>) -> Result<&Known> {
        let known = self.known(ctx, sink)?;
        if known.row.is_some() {
            return Err(self.mistake(ctx, known.sink.name(), "a table or statement takes rows, not messages"));
        }
        Ok(known)
    }

    /// Notes a mistake, which fails the batch, and throws it, which ends the job's work on the record.
    fn mistake(&self, ctx: &Ctx<'_>, sink: &str, reason: &str) -> Error {
        let reason = format!("sink `{sink}`: {reason}");
        let error = Exception::throw_type(ctx, &reason);
        self.gathered.borrow_mut().mistake.get_or_insert(reason);
        error
    }
}

/// Defines what takes outputs.
pub(crate) fn define(ctx: &Ctx<'_>) -> Result<()> {
    let prototype = native::class::<Outputs>(ctx)?;
    native::method(&prototype, c"forward", 1, |call| call.this::<Outputs>()?.forward(call))?;
    native::method(&prototype, c"send", 3, |call| call.this::<Outputs>()?.send(call))?;
    native::method(&prototype, c"row", 2, |call| call.this::<Outputs>()?.row(call))
}

/// Values are read before anything is borrowed: reading them may run JavaScript, which may emit too.
impl Outputs {
    fn forward<'js>(&self, call: &Call<'_, 'js>) -> Result<Value<'js>> {
        let known = self.topic(call.ctx, &call.argument(0))?;
        self.gathered.borrow_mut().out.forward(&known.sink);
        Ok(Value::new_undefined(call.ctx.clone()))
    }

    fn send<'js>(&self, call: &Call<'_, 'js>) -> Result<Value<'js>> {
        let known = self.topic(call.ctx, &call.argument(0))?;
        let wrong = |what| self.mistake(call.ctx, known.sink.name(), what);
        let key = Read::item(&call.argument(1))?.ok_or_else(|| wrong("a key is a string, a Uint8Array or null"))?;
        let value = Read::item(&call.argument(2))?.ok_or_else(|| wrong("a value is a string, a Uint8Array or null"))?;
        let list = call.argument(3);
        let headers = if list.is_undefined() { Some(Vec::new()) } else { pairs(&list)? };
        let headers = headers.ok_or_else(|| wrong("a header is a name and a string, a Uint8Array or null"))?;
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        self.gathered.borrow_mut().out.send(&known.sink, key.as_bytes(), value.as_bytes(), &headers);
        Ok(Value::new_undefined(call.ctx.clone()))
    }

    fn row<'js>(&self, call: &Call<'_, 'js>) -> Result<Value<'js>> {
        let ctx = call.ctx;
        let known = self.known(ctx, &call.argument(0))?;
        let Some(row) = &known.row else {
            return Err(self.mistake(ctx, known.sink.name(), "a topic takes no rows"));
        };
        let values = call.argument(1);
        let Some(values) = values.as_array() else {
            return Err(self.mistake(ctx, known.sink.name(), "a row is an array of values"));
        };
        if values.len() != row.len() {
            let reason = format!("a row has {} values, not {}", row.len(), values.len());
            return Err(self.mistake(ctx, known.sink.name(), &reason));
        }
        let mut read = Vec::with_capacity(row.len());
        for (at, (label, kind)) in row.iter().enumerate() {
            let value = values.get(at)?;
            let misfit = || self.mistake(ctx, known.sink.name(), &misfit(label, *kind, &value));
            read.push(Read::field(&value, *kind)?.ok_or_else(misfit)?);
        }
        let fields: Vec<_> = read.iter().map(Read::as_field).collect();
        self.gathered.borrow_mut().out.row(&known.sink, &fields);
        Ok(Value::new_undefined(ctx.clone()))
    }
}

/// Where an object lies; nowhere for any other value.
fn address(value: &Value<'_>) -> *const c_void {
    if !value.is_object() {
        return ptr::null();
    }
    // SAFETY: it is an object.
    unsafe { qjs::JS_VALUE_GET_PTR(value.as_raw()) }
}

fn misfit(label: &str, kind: Type, value: &Value<'_>) -> String {
    format!("{label} is {}, not {}", value::wanted(kind), value::found(value))
}

/// Headers: names and values. Nothing where one is of another kind.
fn pairs<'js>(list: &Value<'js>) -> Result<Option<Vec<(Text<'js>, Read<'js>)>>> {
    let Some(list) = list.as_array() else {
        return Ok(None);
    };
    let mut pairs = Vec::with_capacity(list.len());
    for pair in list.iter::<Value<'js>>() {
        let pair = pair?;
        let Some(pair) = pair.as_array() else {
            return Ok(None);
        };
        let (name, value): (Value<'js>, Value<'js>) = (pair.get(0)?, pair.get(1)?);
        match Read::item(&value)? {
            Some(value) if name.is_string() => pairs.push((Text::of(&name)?, value)),
            _ => return Ok(None),
        }
    }
    Ok(Some(pairs))
}
