//! What a component is once it is compiled.

use wasmtime::Module;
use wasmtime::component::Component;

/// A compiled component, and the runtimes that it imports.
pub(super) struct Compiled {
    pub(super) component: Component,
    pub(super) runtimes: Vec<Runtime>,
}

/// The runtime of a language, compiled.
pub(super) struct Runtime {
    /// What the component imports it by.
    pub(super) name: String,
    /// Of its code.
    pub(super) digest: String,
    pub(super) module: Module,
}
