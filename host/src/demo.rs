//! What `pelton demo` needs beside the host: servers of its own that leave nothing behind.

pub mod leash;
pub mod postgres;
