//! What a process has on this machine for as long as it lives: any server on a [`leash`], a Postgres, temporary
//! folders. All of it goes with the process, however that ends. For the demo and for tests; `pelton run` has nothing of
//! it.

pub mod error;
pub mod folder;
pub mod leash;
pub mod postgres;
