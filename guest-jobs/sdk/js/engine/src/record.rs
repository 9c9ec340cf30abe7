//! A record as a job sees it.

use pelton_job::bindings::pelton::job::types::Batch;
use rquickjs::{Array, Ctx, Result, Value};
use std::{cell::Cell, ffi::CStr, rc::Rc};

use crate::{
    fields, json,
    native::{self, Call, Class},
    text::{self, Text},
    value, web,
};

/// A record of a batch, which lives as long as a job keeps one of its records.
pub(crate) struct Record {
    batch: Rc<Batch>,
    index: usize,
    /// Whether the value was found to be text, and to be JSON.
    is_text: Cell<bool>,
    is_json: Cell<bool>,
}

impl Class for Record {
    const NAME: &'static CStr = c"Record";
    const INDEX: usize = 0;
}

/// How many records a batch has.
pub(crate) fn count(batch: &Batch) -> usize {
    batch.offsets.len() / size_of::<i64>()
}

/// The Kafka offset of a record.
pub(crate) fn offset(batch: &Batch, index: usize) -> i64 {
    pelton_job::Record::of(batch, index).offset()
}

impl Record {
    pub(crate) fn new(batch: &Rc<Batch>, index: usize) -> Self {
        Self { batch: batch.clone(), index, is_text: Cell::new(false), is_json: Cell::new(false) }
    }

    fn record(&self) -> pelton_job::Record<'_> {
        pelton_job::Record::of(&self.batch, self.index)
    }

    /// The value, or the reject that says why it is no text.
    fn utf8(&self, ctx: &Ctx<'_>) -> Result<&str> {
        if self.is_text.get() {
            // SAFETY: it was checked before, and a batch does not change.
            return Ok(unsafe { str::from_utf8_unchecked(self.record().value().unwrap_or_default()) });
        }
        let text = self.record().text().map_err(|reject| web::reject(ctx, reject.reason()))?;
        self.is_text.set(true);
        Ok(text)
    }
}

/// Defines what a record has.
pub(crate) fn define(ctx: &Ctx<'_>) -> Result<()> {
    let prototype = native::class::<Record>(ctx)?;
    native::method(&prototype, c"text", 0, |call| text::string(call.ctx, call.this::<Record>()?.utf8(call.ctx)?))?;
    native::method(&prototype, c"json", 0, |call| call.this::<Record>()?.json(call.ctx))?;
    native::method(&prototype, c"fields", 1, |call| {
        let record = call.this::<Record>()?;
        fields::read(call, record.utf8(call.ctx)?)
    })?;
    native::method(&prototype, c"raw", 1, |call| {
        call.this::<Record>()?.raw(call.ctx, Text::of(&call.argument(0))?.as_str())
    })?;
    native::method(&prototype, c"keyText", 0, |call| call.this::<Record>()?.key_text(call.ctx))?;
    native::getter(&prototype, c"key", |call| text::nullable(call.ctx, call.this::<Record>()?.record().key()))?;
    native::getter(&prototype, c"value", |call| text::nullable(call.ctx, call.this::<Record>()?.record().value()))?;
    native::getter(&prototype, c"headers", |call| call.this::<Record>()?.headers(call.ctx))?;
    native::getter(&prototype, c"timestamp", |call| match call.this::<Record>()?.record().timestamp() {
        Some(timestamp) => value::integer(call.ctx, timestamp),
        None => Ok(Value::new_null(call.ctx.clone())),
    })?;
    native::getter(&prototype, c"partition", |call| Ok(number(call, call.this::<Record>()?.batch.partition.into())))?;
    native::getter(&prototype, c"offset", |call| value::integer(call.ctx, call.this::<Record>()?.record().offset()))?;
    native::getter(&prototype, c"source", |call| Ok(number(call, call.this::<Record>()?.batch.source.into())))
}

fn number<'js>(call: &Call<'_, 'js>, number: f64) -> Value<'js> {
    Value::new_number(call.ctx.clone(), number)
}

impl Record {
    fn json<'js>(&self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        let text = self.utf8(ctx)?;
        let value = json::parse(ctx, text);
        self.is_json.set(value.is_ok());
        value.map_err(|error| web::reject(ctx, &format!("value is not JSON: {}", crate::reason(ctx, error))))
    }

    fn raw<'js>(&self, ctx: &Ctx<'js>, name: &str) -> Result<Value<'js>> {
        if !self.is_json.get() {
            self.json(ctx)?;
        }
        match json::raw(self.utf8(ctx)?, name) {
            Some(text) => text::string(ctx, text),
            None => Ok(Value::new_undefined(ctx.clone())),
        }
    }

    fn key_text<'js>(&self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        match self.record().key_text().map_err(|reject| web::reject(ctx, reject.reason()))? {
            Some(key) => text::string(ctx, key),
            None => Ok(Value::new_null(ctx.clone())),
        }
    }

    fn headers<'js>(&self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        let list = Array::new(ctx.clone())?;
        for (at, (name, value)) in self.record().headers().enumerate() {
            let header = Array::new(ctx.clone())?;
            header.set(0, text::string(ctx, name)?)?;
            header.set(1, text::nullable(ctx, value)?)?;
            list.set(at, header)?;
        }
        Ok(list.into_value())
    }
}
