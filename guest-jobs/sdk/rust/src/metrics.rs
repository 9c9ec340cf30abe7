//! A job's own metrics, shown on the host's `/metrics` with the job's name. Each call crosses into the host: count per
//! event that matters, not per record. In native tests they go nowhere.

/// Adds to a counter. Names match `[a-zA-Z_][a-zA-Z0-9_]*`.
pub fn count(name: &str, increment: u64) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::pelton::job::metrics::count(name, increment);
    #[cfg(not(target_arch = "wasm32"))]
    let _ = (name, increment);
}

/// Sets a gauge.
pub fn gauge(name: &str, value: f64) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::pelton::job::metrics::gauge(name, value);
    #[cfg(not(target_arch = "wasm32"))]
    let _ = (name, value);
}
