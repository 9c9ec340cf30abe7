//! `wasi:cli`: no arguments, no environment, no input, no terminal; output goes to the job's log.

use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource};

use super::io::resource;
use super::state::refused;
use super::state::{Input, Output};
use crate::guest::Guest;

/// `wasi:cli/terminal-input#terminal-input` and its like: nobody gets one.
struct Terminal<const OUTPUT: bool>;

pub(super) fn environment(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    at.func_wrap("get-environment", |_, (): ()| Ok((Vec::<(String, String)>::new(),)))?;
    at.func_wrap("get-arguments", |_, (): ()| Ok((Vec::<String>::new(),)))?;
    at.func_wrap("initial-cwd", |_, (): ()| Ok((None::<String>,)))
}

pub(super) fn exit(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    at.func_wrap("exit", |_, (status,): (Result<(), ()>,)| -> wasmtime::Result<()> {
        let status = if status.is_ok() { "success" } else { "failure" };
        Err(refused(format!("the job exited, with {status}")))
    })?;
    at.func_wrap("exit-with-code", |_, (code,): (u8,)| -> wasmtime::Result<()> {
        Err(refused(format!("the job exited, with status {code}")))
    })
}

pub(super) fn stdin(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    at.func_wrap("get-stdin", |mut store: StoreContextMut<'_, Guest>, (): ()| {
        Ok((store.data_mut().wasi.hold(Input)?,))
    })
}

pub(super) fn stdout(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    at.func_wrap("get-stdout", |mut store: StoreContextMut<'_, Guest>, (): ()| {
        Ok((store.data_mut().wasi.hold(Output::Out)?,))
    })
}

pub(super) fn stderr(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    at.func_wrap("get-stderr", |mut store: StoreContextMut<'_, Guest>, (): ()| {
        Ok((store.data_mut().wasi.hold(Output::Err)?,))
    })
}

pub(super) fn terminal_input(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    resource::<Terminal<false>>(at, "terminal-input")
}

pub(super) fn terminal_output(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    resource::<Terminal<true>>(at, "terminal-output")
}

pub(super) fn terminal_stdin(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    at.func_wrap("get-terminal-stdin", |_, (): ()| Ok((None::<Resource<Terminal<false>>>,)))
}

pub(super) fn terminal_stdout(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    at.func_wrap("get-terminal-stdout", |_, (): ()| Ok((None::<Resource<Terminal<true>>>,)))
}

pub(super) fn terminal_stderr(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    at.func_wrap("get-terminal-stderr", |_, (): ()| Ok((None::<Resource<Terminal<true>>>,)))
}
