//! The jobs of a host, from a verb to what runs, on a catalog in memory and with runners that move nothing.

mod crashes;
pub(crate) mod fake;
mod mapped;
mod seek;
mod verbs;
