//! `wasi:clocks`: the true time, to the millisecond. Finer clocks let a guest measure what others on its machine do.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, LinkerInstance, Lower};

use super::state::Pollable;
use crate::guest::Guest;

const RESOLUTION: Duration = Duration::from_millis(1);

#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

pub(super) fn monotonic(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    at.func_wrap("now", |store: StoreContextMut<'_, Guest>, (): ()| {
        let since = store.data().wasi.started.elapsed();
        // Never zero: Go's runtime takes that for a broken clock.
        Ok(((since.as_millis() as u64 + 1) * RESOLUTION.as_nanos() as u64,))
    })?;
    at.func_wrap("resolution", |_, (): ()| Ok((RESOLUTION.as_nanos() as u64,)))?;
    at.func_wrap("subscribe-instant", |mut store: StoreContextMut<'_, Guest>, (when,): (u64,)| {
        let wasi = &mut store.data_mut().wasi;
        let ready = wasi.started.checked_add(Duration::from_nanos(when));
        Ok((wasi.hold(Pollable(ready))?,))
    })?;
    at.func_wrap("subscribe-duration", |mut store: StoreContextMut<'_, Guest>, (time,): (u64,)| {
        let ready = Instant::now().checked_add(Duration::from_nanos(time));
        Ok((store.data_mut().wasi.hold(Pollable(ready))?,))
    })
}

pub(super) fn wall(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    at.func_wrap("now", |_, (): ()| {
        // A clock set before 1970 reads as 1970.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let nanoseconds = since.subsec_millis() * RESOLUTION.as_nanos() as u32;
        Ok((Datetime { seconds: since.as_secs(), nanoseconds },))
    })?;
    at.func_wrap("resolution", |_, (): ()| Ok((Datetime { seconds: 0, nanoseconds: RESOLUTION.as_nanos() as u32 },)))
}
