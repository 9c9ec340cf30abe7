//! Lines for the job's log. The host cuts lines over 4 KiB and drops what goes beyond 100 a second, so log what an
//! operator needs, not every record. In native tests they go to standard error.

pub use crate::bindings::pelton::job::log::Level;

/// Writes one line.
pub fn log(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::pelton::job::log::log(level, message);
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level:?}: {message}");
}

/// Something failed, and an operator must act.
pub fn error(message: &str) {
    log(Level::Error, message);
}

/// Something is off, and the job goes on.
pub fn warn(message: &str) {
    log(Level::Warn, message);
}

/// Something worth knowing happened.
pub fn info(message: &str) {
    log(Level::Info, message);
}

/// Something that helps to find a fault.
pub fn debug(message: &str) {
    log(Level::Debug, message);
}

/// Every step.
pub fn trace(message: &str) {
    log(Level::Trace, message);
}
