//! `wasi:io`: streams that end in the job's log, and waiting.

use std::time::Instant;

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource, ResourceType};

use super::state::{Input, Output, Pollable, WRITE, refused};
use crate::guest::Guest;

/// `wasi:io/error#error`: nobody gets one, since nothing fails but by its end.
pub(super) struct Error;

#[derive(ComponentType, Lower, Lift)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<Error>),
    #[component(name = "closed")]
    Closed,
}

/// Registers a resource whose handles are in the table.
pub(super) fn resource<T: Send + 'static>(at: &mut LinkerInstance<'_, Guest>, name: &str) -> wasmtime::Result<()> {
    at.resource(name, ResourceType::host::<T>(), |mut store, rep| {
        store.data_mut().wasi.table.delete(Resource::<T>::new_own(rep))?;
        Ok(())
    })
}

pub(super) fn error(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    resource::<Error>(at, "error")
}

pub(super) fn poll(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    resource::<Pollable>(at, "pollable")?;
    at.func_wrap("[method]pollable.ready", |store: StoreContextMut<'_, Guest>, (pollable,): (Resource<Pollable>,)| {
        let ready = store.data().wasi.table.get(&pollable)?.0;
        Ok((ready.is_some_and(|ready| ready <= Instant::now()),))
    })?;
    at.func_wrap("[method]pollable.block", |store: StoreContextMut<'_, Guest>, (pollable,): (Resource<Pollable>,)| {
        let wasi = &store.data().wasi;
        let ready = wasi.table.get(&pollable)?.0;
        wasi.wait(ready.unwrap_or(wasi.deadline))
    })?;
    at.func_wrap("poll", |store: StoreContextMut<'_, Guest>, (pollables,): (Vec<Resource<Pollable>>,)| {
        let wasi = &store.data().wasi;
        if pollables.is_empty() {
            return Err(refused("the job polled nothing"));
        }
        let ready = pollables.iter().map(|p| Ok(wasi.table.get(p)?.0)).collect::<wasmtime::Result<Vec<_>>>()?;
        wasi.wait(ready.iter().flatten().min().copied().unwrap_or(wasi.deadline))?;
        let now = Instant::now();
        let due = (0u32..).zip(&ready).filter(|(_, ready)| ready.is_some_and(|ready| ready <= now));
        Ok((due.map(|(index, _)| index).collect::<Vec<_>>(),))
    })
}

pub(super) fn streams(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    resource::<Input>(at, "input-stream")?;
    resource::<Output>(at, "output-stream")?;
    type Read = (Resource<Input>, u64);
    for name in ["read", "blocking-read"] {
        at.func_wrap(&format!("[method]input-stream.{name}"), |_, _: Read| {
            Ok((Err::<Vec<u8>, _>(StreamError::Closed),))
        })?;
    }
    for name in ["skip", "blocking-skip"] {
        at.func_wrap(&format!("[method]input-stream.{name}"), |_, _: Read| Ok((Err::<u64, _>(StreamError::Closed),)))?;
    }
    for name in ["splice", "blocking-splice"] {
        type Splice = (Resource<Output>, Resource<Input>, u64);
        at.func_wrap(&format!("[method]output-stream.{name}"), |_, _: Splice| {
            Ok((Err::<u64, _>(StreamError::Closed),))
        })?;
    }
    at.func_wrap("[method]input-stream.subscribe", |mut store: StoreContextMut<'_, Guest>, _: (Resource<Input>,)| {
        ready_now(store.data_mut())
    })?;
    at.func_wrap(
        "[method]output-stream.subscribe",
        |mut store: StoreContextMut<'_, Guest>, _: (Resource<Output>,)| ready_now(store.data_mut()),
    )?;
    at.func_wrap("[method]output-stream.check-write", |_, _: (Resource<Output>,)| Ok((Ok::<_, StreamError>(WRITE),)))?;
    for name in ["flush", "blocking-flush"] {
        at.func_wrap(&format!("[method]output-stream.{name}"), |_, _: (Resource<Output>,)| {
            Ok((Ok::<(), StreamError>(()),))
        })?;
    }
    for name in ["write", "blocking-write-and-flush"] {
        at.func_wrap(
            &format!("[method]output-stream.{name}"),
            |mut store: StoreContextMut<'_, Guest>, (stream, bytes): (Resource<Output>, Vec<u8>)| {
                store.data_mut().write(&stream, &bytes)?;
                Ok((Ok::<(), StreamError>(()),))
            },
        )?;
    }
    for name in ["write-zeroes", "blocking-write-zeroes-and-flush"] {
        // Lines have no use for them.
        at.func_wrap(&format!("[method]output-stream.{name}"), |_, _: (Resource<Output>, u64)| {
            Ok((Ok::<(), StreamError>(()),))
        })?;
    }
    Ok(())
}

fn ready_now(guest: &mut Guest) -> wasmtime::Result<(Resource<Pollable>,)> {
    Ok((guest.wasi.hold(Pollable(Some(Instant::now())))?,))
}
