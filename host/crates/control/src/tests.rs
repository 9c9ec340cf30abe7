//! The jobs of a host, from a verb to what runs, on a catalog in memory and with runners that move nothing.

mod crashes;
mod fake;
mod verbs;
