//! `wasi:sockets`: every way to get a socket or an address is denied. What works on sockets is left undefined, since
//! nobody has one.

use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Val};

use super::io::resource;
use crate::guest::Guest;

/// `wasi:sockets/network#network`: a name for the network, which opens nothing.
struct Network;

/// The other resources of `wasi:sockets`, each of a type of its own: nobody gets one.
struct Socket<const NUMBER: u8>;

/// Defines a function that answers `error-code.access-denied`.
fn denied(at: &mut LinkerInstance<'_, Guest>, name: &str) -> wasmtime::Result<()> {
    at.func_new(name, |_, _, _, results| {
        results.fill(Val::Result(Err(Some(Box::new(Val::Enum("access-denied".to_owned()))))));
        Ok(())
    })
}

pub(super) fn network(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    resource::<Network>(at, "network")
}

pub(super) fn instance_network(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    at.func_wrap("instance-network", |mut store: StoreContextMut<'_, Guest>, (): ()| {
        Ok((store.data_mut().wasi.hold(Network)?,))
    })
}

pub(super) fn ip_name_lookup(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    resource::<Socket<0>>(at, "resolve-address-stream")?;
    denied(at, "resolve-addresses")
}

pub(super) fn tcp(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    resource::<Socket<1>>(at, "tcp-socket")
}

pub(super) fn tcp_create_socket(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    denied(at, "create-tcp-socket")
}

pub(super) fn udp(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    resource::<Socket<2>>(at, "udp-socket")?;
    resource::<Socket<3>>(at, "incoming-datagram-stream")?;
    resource::<Socket<4>>(at, "outgoing-datagram-stream")
}

pub(super) fn udp_create_socket(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    denied(at, "create-udp-socket")
}
