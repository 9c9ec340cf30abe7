//! `wasi:random`: the host's generator, a bounded number of bytes at a time.

use rand::Rng as _;
use wasmtime::component::LinkerInstance;

use super::state::refused;
use crate::guest::Guest;

/// Bytes in one call.
const BYTES: u64 = 64 << 10;

fn bytes(length: u64) -> wasmtime::Result<(Vec<u8>,)> {
    if length > BYTES {
        return Err(refused(format!("the job asked for {length} random bytes in one call; {BYTES} are allowed")));
    }
    let mut bytes = vec![0; length as usize];
    rand::rng().fill_bytes(&mut bytes);
    Ok((bytes,))
}

pub(super) fn random(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    at.func_wrap("get-random-bytes", |_, (length,): (u64,)| bytes(length))?;
    at.func_wrap("get-random-u64", |_, (): ()| Ok((rand::random::<u64>(),)))
}

pub(super) fn insecure(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    at.func_wrap("get-insecure-random-bytes", |_, (length,): (u64,)| bytes(length))?;
    at.func_wrap("get-insecure-random-u64", |_, (): ()| Ok((rand::random::<u64>(),)))
}

pub(super) fn insecure_seed(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    at.func_wrap("insecure-seed", |_, (): ()| Ok(((rand::random::<u64>(), rand::random::<u64>()),)))
}
