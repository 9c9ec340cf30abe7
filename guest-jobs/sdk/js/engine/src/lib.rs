//! What runs jobs in JavaScript: QuickJS as a Pelton job. It is built once and is the same in every component; a job's
//! script lies in a module of its own beside it, from which it is read when an instance starts.
//!
//! What a record costs is decided here, not in the script: JavaScript without a JIT takes some 10 ns for each step, native code next to
//! nothing. So records and outputs are native objects, JSON becomes objects without becoming text before, and rows go
//! straight into the columns in which they cross.

mod fields;
mod json;
mod native;
mod outputs;
mod record;
mod script;
mod spec;
mod text;
mod value;
mod web;

use pelton_job::bindings::{
    export_component,
    exports::pelton::job::task::Guest,
    pelton::job::types::{Batch, Outcome, Reject, Spec},
};
use pelton_job::{log, runner::log_panics};
use rquickjs::{Context, Ctx, Function, Object, Persistent, Result, Runtime, Value, qjs};
use std::{cell::RefCell, rc::Rc};

use outputs::{Gathered, Outputs};
use record::Record;
use spec::Declared;

/// How much of an error's text and stack reaches the host, in bytes.
const SHOWN: usize = 4096;
/// How deep calls may go, in bytes of stack. The linker gives it 1 MiB; the host's own, which calls take too, is smaller.
const STACK: usize = 100 << 10;

std::thread_local! {
    static ENGINE: RefCell<Option<Engine>> = const { RefCell::new(None) };
}

/// QuickJS, with the job's script run.
struct Engine {
    context: Context,
    task: Persistent<Object<'static>>,
    declared: Declared,
    configured: Option<Configured>,
}

/// What a configured job is called with.
struct Configured {
    out: Persistent<Value<'static>>,
    settings: Persistent<Value<'static>>,
    gathered: Rc<RefCell<Gathered>>,
}

impl Engine {
    /// Runs the script. The error is what it threw.
    fn start() -> std::result::Result<Self, String> {
        let failed = |error| format!("the script engine cannot start: {error}");
        let runtime = Runtime::new().map_err(failed)?;
        runtime.set_max_stack_size(STACK);
        let context = Context::full(&runtime).map_err(failed)?;
        context.with(|ctx| {
            let define = || web::define(&ctx).and_then(|()| record::define(&ctx)).and_then(|()| outputs::define(&ctx));
            define().map_err(|error| with_stack(&ctx, error))?;
            let task = script::run(&ctx).map_err(|error| match error {
                rquickjs::Error::WouldBlock => {
                    "the job's top level waits for a promise that nothing settles".to_owned()
                }
                error => format!("the job's top level failed: {}", with_stack(&ctx, error)),
            })?;
            let spec: String = task.get("spec").map_err(failed)?;
            let declared = Declared::read(&spec)?;
            let task = Persistent::save(&ctx, task);
            Ok(Self { context: context.clone(), task, declared, configured: None })
        })
    }

    fn configure(&mut self, parameters: Vec<(String, String)>) -> std::result::Result<(), String> {
        self.configured = None;
        let configured = self.context.with(|ctx| {
            let configure = || {
                let task = self.task.clone().restore(&ctx)?;
                let sinks: Vec<Value<'_>> = task.get("sinks")?;
                let (out, gathered) = Outputs::new(&self.declared, &sinks);
                let out = native::object(&ctx, out)?;
                let pairs: Vec<Vec<String>> = parameters.into_iter().map(|(name, value)| vec![name, value]).collect();
                let settings: Value<'_> = task.get::<_, Function<'_>>("configure")?.call((pairs,))?;
                Ok((Persistent::save(&ctx, out), Persistent::save(&ctx, settings), gathered))
            };
            match configure() {
                Ok((out, settings, gathered)) => Ok(Configured { out, settings, gathered }),
                Err(error) => Err(reason(&ctx, error)),
            }
        })?;
        self.configured = Some(configured);
        Ok(())
    }

    fn process(&mut self, batch: Batch) -> std::result::Result<Outcome, String> {
        let Some(configured) = &self.configured else {
            return Err("process was called before configure succeeded".to_owned());
        };
        self.context.with(|ctx| {
            let processed = Job::of(&ctx, &self.task, configured)
                .map_err(|error| reason(&ctx, error))
                .and_then(|job| job.process(batch));
            // A batch that failed leaves nothing behind.
            let outputs = configured.gathered.borrow_mut().finish();
            processed.map(|rejects| Outcome { outputs, rejects })
        })
    }
}

/// A job's objects, while a batch is at hand.
struct Job<'js> {
    ctx: Ctx<'js>,
    task: Object<'js>,
    job: Object<'js>,
    process: Function<'js>,
    reject: Object<'js>,
    out: Value<'js>,
    settings: Value<'js>,
    gathered: Rc<RefCell<Gathered>>,
}

impl<'js> Job<'js> {
    fn of(ctx: &Ctx<'js>, task: &Persistent<Object<'static>>, configured: &Configured) -> Result<Self> {
        let task = task.clone().restore(ctx)?;
        let job: Object<'js> = task.get("job")?;
        Ok(Self {
            ctx: ctx.clone(),
            process: job.get("process")?,
            reject: web::rejects(ctx)?.into_inner().into_inner(),
            out: configured.out.clone().restore(ctx)?,
            settings: configured.settings.clone().restore(ctx)?,
            gathered: configured.gathered.clone(),
            job,
            task,
        })
    }

    /// Calls the job with each record. The error is the reason why the whole batch failed.
    fn process(&self, batch: Batch) -> std::result::Result<Vec<Reject>, String> {
        let batch = Rc::new(batch);
        let records = record::count(&batch);
        let mut rejects = Vec::new();
        for index in 0..records {
            self.gathered.borrow_mut().turn_to(index, records);
            let called = self.call(&batch, index);
            if let Some(mistake) = self.gathered.borrow_mut().take_mistake() {
                // What it threw is about the same.
                self.ctx.catch();
                return Err(format!("{mistake} (at offset {})", record::offset(&batch, index)));
            }
            match called {
                Ok(returned) if returned.is_promise() => {
                    return Err(self.failed(&batch, index, "process returned a promise, and nobody waits for it: a job's code runs at once, without `async`"));
                }
                Ok(_) => {}
                Err(rquickjs::Error::Exception) => {
                    let thrown = self.ctx.catch();
                    let reason = match thrown.as_object() {
                        Some(object) if object.is_instance_of(&self.reject) => object.get::<_, String>("reason").ok(),
                        _ => None,
                    };
                    match (reason, u32::try_from(index)) {
                        (Some(reason), Ok(index)) => rejects.push(Reject { index, reason }),
                        _ => return Err(self.failed(&batch, index, &self.describe(thrown))),
                    }
                }
                Err(error) => return Err(self.failed(&batch, index, &error.to_string())),
            }
        }
        while self.ctx.execute_pending_job() {}
        Ok(rejects)
    }

    fn call(&self, batch: &Rc<Batch>, index: usize) -> Result<Value<'js>> {
        let record = native::object(&self.ctx, Record::new(batch, index))?;
        let mut arguments = [record.as_raw(), self.out.as_raw(), self.settings.as_raw()];
        let count = arguments.len() as i32;
        // SAFETY: all of them live, and are not given away; what it gives is owned.
        let returned = unsafe {
            let ctx = self.ctx.as_raw().as_ptr();
            let raw = qjs::JS_Call(ctx, self.process.as_raw(), self.job.as_raw(), count, arguments.as_mut_ptr());
            Value::from_raw(self.ctx.clone(), raw)
        };
        if returned.is_exception() { Err(rquickjs::Error::Exception) } else { Ok(returned) }
    }

    /// What was thrown, with its stack.
    fn describe(&self, thrown: Value<'js>) -> String {
        let describe = || self.task.get::<_, Function<'_>>("describe")?.call((thrown,));
        describe().unwrap_or_else(|error| reason(&self.ctx, error))
    }

    fn failed(&self, batch: &Batch, index: usize, what: &str) -> String {
        let mut text =
            format!("record at partition {} offset {}: {what}", batch.partition, record::offset(batch, index));
        text.truncate(text.floor_char_boundary(SHOWN));
        text
    }
}

/// An error's message, without its stack.
fn reason(ctx: &Ctx<'_>, error: rquickjs::Error) -> String {
    if !matches!(error, rquickjs::Error::Exception) {
        return error.to_string();
    }
    let thrown = ctx.catch();
    match thrown.as_exception().and_then(rquickjs::Exception::message) {
        Some(message) => message,
        None => text::shown(&thrown),
    }
}

/// An error as its type, its message and its stack.
fn with_stack(ctx: &Ctx<'_>, error: rquickjs::Error) -> String {
    if !matches!(error, rquickjs::Error::Exception) {
        return error.to_string();
    }
    let thrown = ctx.catch();
    let stack = thrown.as_exception().and_then(rquickjs::Exception::stack);
    let text = format!("{}\n{}", text::shown(&thrown), stack.unwrap_or_default());
    text.trim_end().to_owned()
}

struct Component;

impl Guest for Component {
    fn describe() -> Spec {
        log_panics();
        let described = engine(|engine| Ok(engine.declared.spec()));
        match described {
            Ok(spec) => spec,
            Err(reason) => {
                // The last error line before a trap is its reason to the host.
                log::error(&reason);
                std::process::abort()
            }
        }
    }

    fn configure(parameters: Vec<(String, String)>) -> std::result::Result<(), String> {
        log_panics();
        engine(|engine| engine.configure(parameters))
    }

    fn process(batch: Batch) -> std::result::Result<Outcome, String> {
        engine(|engine| engine.process(batch))
    }
}

/// Calls with the engine, which the first call starts.
fn engine<R>(call: impl FnOnce(&mut Engine) -> std::result::Result<R, String>) -> std::result::Result<R, String> {
    ENGINE.with(|slot| {
        let mut slot = slot.borrow_mut();
        match &mut *slot {
            Some(engine) => call(engine),
            empty => call(empty.insert(Engine::start()?)),
        }
    })
}

/// Tells the host that this module is the same in each component, so that it compiles it once.
#[unsafe(export_name = "pelton:runtime")]
extern "C" fn runtime() {}

export_component!(Component with_types_in pelton_job::bindings);
