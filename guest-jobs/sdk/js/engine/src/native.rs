//! Functions for scripts. The binding's own take a third of a microsecond for each call, beside which most of these do little.

use rquickjs::{Ctx, Error, Exception, Object, Result, Value, qjs};
use std::{
    cell::Cell,
    ffi::CStr,
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::Deref,
    ptr::{self, NonNull},
    slice,
};

/// A call from JavaScript.
pub(crate) struct Call<'a, 'js> {
    pub(crate) ctx: &'a Ctx<'js>,
    this: qjs::JSValue,
    arguments: &'a [qjs::JSValue],
}

impl<'js> Call<'_, 'js> {
    /// What it is a method of.
    ///
    /// # Errors
    /// It was called on something else.
    pub(crate) fn this<C: Class>(&self) -> Result<&C> {
        self.of(self.this, "called on what is")
    }

    /// What an argument holds.
    ///
    /// # Errors
    /// It is something else.
    pub(crate) fn held<C: Class>(&self, index: usize) -> Result<&C> {
        self.of(self.arguments.get(index).copied().unwrap_or(qjs::JS_UNDEFINED), "given what is")
    }

    fn of<C: Class>(&self, object: qjs::JSValue, what: &str) -> Result<&C> {
        // SAFETY: an object of this class has such a value, and QuickJS holds the object as long as the call lasts.
        let held = unsafe { qjs::JS_GetOpaque(object, id::<C>()).cast::<C>().as_ref() };
        held.ok_or_else(|| {
            let name = C::NAME.to_string_lossy();
            Exception::throw_type(self.ctx, &format!("{what} no {name}"))
        })
    }

    /// The value that it was called on.
    pub(crate) fn receiver(&self) -> Borrowed<'_, 'js> {
        Borrowed::new(self.ctx, self.this)
    }

    /// An argument: undefined where it was left out.
    pub(crate) fn argument(&self, index: usize) -> Borrowed<'_, 'js> {
        Borrowed::new(self.ctx, self.arguments.get(index).copied().unwrap_or(qjs::JS_UNDEFINED))
    }
}

/// A value that QuickJS holds as long as the call lasts: nothing is counted.
pub(crate) struct Borrowed<'a, 'js>(ManuallyDrop<Value<'js>>, PhantomData<&'a Ctx<'js>>);

impl<'a, 'js> Borrowed<'a, 'js> {
    fn new(ctx: &'a Ctx<'js>, raw: qjs::JSValue) -> Self {
        // SAFETY: neither the copy of the context nor the value is ever dropped, and the call outlives them.
        Self(ManuallyDrop::new(unsafe { Value::from_raw(ptr::read(ctx), raw) }), PhantomData)
    }
}

impl<'js> Deref for Borrowed<'_, 'js> {
    type Target = Value<'js>;

    fn deref(&self) -> &Value<'js> {
        &self.0
    }
}

/// A class of objects that hold a value of Rust.
pub(crate) trait Class: Sized + 'static {
    /// What scripts see of it in messages.
    const NAME: &'static CStr;
    /// Its place among the classes.
    const INDEX: usize;
}

std::thread_local! {
    /// What QuickJS calls the classes, in the one runtime of this thread.
    static IDS: Cell<[qjs::JSClassID; 3]> = const { Cell::new([0; 3]) };
}

fn id<C: Class>() -> qjs::JSClassID {
    IDS.get().get(C::INDEX).copied().unwrap_or_default()
}

/// Makes a class known. Gives the object that all of its objects have the methods of.
pub(crate) fn class<'js, C: Class>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let prototype = Object::new(ctx.clone())?;
    let definition = qjs::JSClassDef {
        class_name: C::NAME.as_ptr(),
        finalizer: Some(finalize::<C>),
        gc_mark: None,
        call: None,
        exotic: ptr::null_mut(),
    };
    let mut ids = IDS.get();
    let raw = ctx.as_raw().as_ptr();
    // SAFETY: the context lives, what is given away is held once more, and the definition is copied.
    let made = unsafe {
        let runtime = qjs::JS_GetRuntime(raw);
        let Some(id) = ids.get_mut(C::INDEX) else {
            return Err(Error::Unknown);
        };
        qjs::JS_NewClassID(runtime, id);
        let made = qjs::JS_NewClass(runtime, *id, &raw const definition);
        qjs::JS_SetClassProto(raw, *id, qjs::JS_DupValue(raw, prototype.as_raw()));
        made
    };
    IDS.set(ids);
    if made < 0 { Err(Error::Exception) } else { Ok(prototype) }
}

/// An object that holds a value.
pub(crate) fn object<'js, C: Class>(ctx: &Ctx<'js>, held: C) -> Result<Value<'js>> {
    // SAFETY: the context lives; what it gives is owned, or an exception.
    let object = unsafe { Value::from_raw(ctx.clone(), qjs::JS_NewObjectClass(ctx.as_raw().as_ptr(), id::<C>())) };
    if !object.is_object() {
        return Err(Error::Exception);
    }
    // SAFETY: it is of this class, whose finalizer takes the value back.
    unsafe { qjs::JS_SetOpaque(object.as_raw(), Box::into_raw(Box::new(held)).cast()) };
    Ok(object)
}

unsafe extern "C" fn finalize<C: Class>(_: *mut qjs::JSRuntime, object: qjs::JSValue) {
    // SAFETY: QuickJS calls it once, with an object of this class.
    let held = unsafe { qjs::JS_GetOpaque(object, id::<C>()) }.cast::<C>();
    if !held.is_null() {
        // SAFETY: it is the box that the object was made with.
        drop(unsafe { Box::from_raw(held) });
    }
}

/// What a function does. It holds nothing, so that its type is all that QuickJS must keep of it.
pub(crate) trait Native: for<'a, 'js> Fn(&Call<'a, 'js>) -> Result<Value<'js>> {}

impl<F: for<'a, 'js> Fn(&Call<'a, 'js>) -> Result<Value<'js>>> Native for F {}

/// Makes a function.
pub(crate) fn function<'js, F: Native>(ctx: &Ctx<'js>, name: &CStr, length: i32, _: F) -> Result<Value<'js>> {
    const { assert!(size_of::<F>() == 0) };
    let kind = qjs::JSCFunctionEnum_JS_CFUNC_generic;
    // SAFETY: the context lives, and copies the name.
    let raw = unsafe { qjs::JS_NewCFunction2(ctx.as_raw().as_ptr(), Some(enter::<F>), name.as_ptr(), length, kind, 0) };
    // SAFETY: it is owned, or an exception.
    let function = unsafe { Value::from_raw(ctx.clone(), raw) };
    if function.is_function() { Ok(function) } else { Err(Error::Exception) }
}

/// Defines a method.
pub(crate) fn method<F: Native>(object: &Object<'_>, name: &CStr, length: i32, native: F) -> Result<()> {
    object.set(name.to_string_lossy().as_ref(), function(object.ctx(), name, length, native)?)
}

/// Defines a property that a function reads.
pub(crate) fn getter<F: Native>(object: &Object<'_>, name: &CStr, native: F) -> Result<()> {
    let ctx = object.ctx().as_raw().as_ptr();
    let getter = function(object.ctx(), name, 0, native)?;
    // SAFETY: the context and the object live; the getter is held once more, to be given away, and the name is freed.
    let defined = unsafe {
        let name = qjs::JS_NewAtom(ctx, name.as_ptr());
        let getter = qjs::JS_DupValue(ctx, getter.as_raw());
        let flags = qjs::JS_PROP_CONFIGURABLE as i32;
        let defined = qjs::JS_DefinePropertyGetSet(ctx, object.as_raw(), name, getter, qjs::JS_UNDEFINED, flags);
        qjs::JS_FreeAtom(ctx, name);
        defined
    };
    if defined < 0 { Err(Error::Exception) } else { Ok(()) }
}

unsafe extern "C" fn enter<F: Native>(
    ctx: *mut qjs::JSContext,
    this: qjs::JSValue,
    count: i32,
    arguments: *mut qjs::JSValue,
) -> qjs::JSValue {
    let Some(raw) = NonNull::new(ctx) else {
        return qjs::JS_EXCEPTION;
    };
    // SAFETY: the context calls, so it lives, and nobody else is in it.
    let ctx = unsafe { Ctx::from_raw(raw) };
    let arguments = match usize::try_from(count) {
        Ok(count) if count > 0 => {
            // SAFETY: QuickJS gives so many, which it holds as long as the call lasts.
            unsafe { slice::from_raw_parts(arguments, count) }
        }
        _ => &[],
    };
    // SAFETY: a type without content, of which there was a value, has one everywhere.
    let native = unsafe { NonNull::<F>::dangling().as_ref() };
    match native(&Call { ctx: &ctx, this, arguments }) {
        Ok(value) => {
            let given = ManuallyDrop::new(value).as_raw();
            // SAFETY: the value held the context, which `ctx` holds too. QuickJS takes the value.
            unsafe { qjs::JS_FreeContext(raw.as_ptr()) };
            given
        }
        Err(error) => thrown(&ctx, error),
    }
}

fn thrown(ctx: &Ctx<'_>, error: Error) -> qjs::JSValue {
    if !matches!(error, Error::Exception) {
        Exception::throw_type(ctx, &error.to_string());
    }
    qjs::JS_EXCEPTION
}
