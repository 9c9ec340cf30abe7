//! What the import of a job may take: as much memory as an instance on a host, which begins with what the import leaves,
//! and as much time as a compile. Where it takes long that is said; where it is over Python raises an exception, and
//! where that doesn't end it, it is broken off. What it had come to is told either way.

use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result};
use pelton_model::settings::Limits;
use pelton_runtime::{Meter, TICK};
use wasmtime::{Store, Trap, UpdateDeadline};

use super::wasi::Guest;

/// How often the time is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long an import may be silent.
const STILL: Duration = Duration::from_secs(5);
/// How long it has to end by an exception.
const GRACE: Duration = Duration::from_secs(2);
/// What telling where it was may take: memory, MiB, and time.
const TELL_MIB: usize = 16;
const TELL: Duration = Duration::from_secs(2);
/// Prints where Python is, the innermost last, without what isn't the job's.
const STACK: &str = r#"
import os, sys
def _stack(frame):
    lines = []
    while frame:
        code = frame.f_code
        if code.co_filename.endswith("pelton_engine.py"):
            break
        if not code.co_filename.startswith("<"):
            lines.append(f'  File "{code.co_filename}", line {frame.f_lineno}, in {code.co_name}\n')
        frame = frame.f_back
    os.write(2, "".join(reversed(lines[:20])).encode())
_stack(sys._getframe().f_back)
"#;

/// Counts what the store takes, and sets no bound to its time yet: what runs before the import is Pelton's own.
pub(super) fn set(store: &mut Store<Guest>) {
    store.limiter(|guest| &mut guest.meter);
    store.set_epoch_deadline(u64::MAX / 2);
}

/// Has what runs from now on end in time.
pub(super) fn start(store: &mut Store<Guest>, limits: &Limits) {
    let (time, began) = (limits.compile_time, Instant::now());
    let (mut told, mut is_raised) = (STILL, false);
    store.epoch_deadline_callback(move |mut store| {
        let elapsed = began.elapsed();
        if elapsed >= time.saturating_add(GRACE) {
            return Err(wasmtime::format_err!("it did not end in time"));
        }
        if elapsed >= time && !is_raised {
            store.data().notes.add(too_long(time));
            if let Some(interrupt) = store.data().interrupt.clone() {
                // This is not called while that runs.
                store.set_epoch_deadline(ticks(GRACE));
                is_raised = interrupt.time_out(&mut store)?;
            }
        } else if elapsed >= told {
            told += STILL;
            tracing::info!("importing the job: {} s so far", elapsed.as_secs());
        }
        Ok(UpdateDeadline::Continue(ticks(LOOK)))
    });
    store.set_epoch_deadline(ticks(LOOK));
}

/// What an import has failed with, and what explains it.
pub(super) fn explained(what: &str, store: &Store<Guest>, limits: &Limits) -> Error {
    let guest = store.data();
    let mut told = vec![what.trim_end().to_owned()];
    told.extend(guest.notes.all());
    if guest.meter.denied() {
        told.push(format!(
            "the import may take {} MiB of memory, as an instance may on a host, which begins with what it leaves: build \
             less when job.py is imported, or raise limits.memory_mib, here and on the hosts",
            limits.memory_mib
        ));
    }
    Error::msg(told.join("\n"))
}

/// Why an import was broken off, with where it was, as far as Python can still tell.
pub(super) fn broken_off(cause: &wasmtime::Error, store: &mut Store<Guest>, limits: &Limits) -> Error {
    let why = match cause.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => "it calls itself without end, deeper than the stack".to_owned(),
        Some(Trap::UnreachableCodeReached) => "Python itself gave up, as it does at os.abort".to_owned(),
        Some(trap) => format!("Python failed: {trap}"),
        None => cause.root_cause().to_string(),
    };
    let explained = explained(&format!("importing the job was broken off: {why}"), store, limits);
    match stack(store, limits) {
        Ok(stack) if !stack.is_empty() => Error::msg(format!("Traceback (most recent call last):\n{stack}{explained}")),
        _ => explained,
    }
}

fn too_long(time: Duration) -> String {
    format!(
        "importing the job took more than {} s, as long as a compile may take: what loops or waits when job.py is imported \
         belongs into configure or process; or raise limits.compile_time",
        time.as_secs_f64()
    )
}

fn stack(store: &mut Store<Guest>, limits: &Limits) -> Result<String> {
    let guest = store.data_mut();
    let (malloc, memory) = (guest.malloc.clone().context("no allocator")?, guest.memory.context("no memory")?);
    let (run, interrupt) = (guest.run.clone().context("no interpreter")?, guest.interrupt.clone());
    guest.meter = Meter::new(&Limits { memory_mib: limits.memory_mib.saturating_add(TELL_MIB), ..limits.clone() });
    guest.printed = Some(Vec::new());
    store.epoch_deadline_trap();
    store.set_epoch_deadline(ticks(TELL));
    // What C code hasn't let it raise would end this.
    if let Some(interrupt) = interrupt {
        interrupt.forget(&mut *store)?;
    }
    let text = format!("{STACK}\0");
    let address = malloc.call(&mut *store, i32::try_from(text.len())?)?;
    memory.write(&mut *store, address as u32 as usize, text.as_bytes())?;
    run.call(&mut *store, address)?;
    let printed = store.data_mut().printed.take().unwrap_or_default();
    let text = String::from_utf8_lossy(&printed);
    Ok(text.split_inclusive('\n').filter(|line| line.starts_with("  File \"/")).collect())
}

fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX / 2).max(1)
}
