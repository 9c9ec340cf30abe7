//! The contract's generated bindings, one module for each version that the host serves.

/// `pelton:job@0.1`: calls with borrowed batches, so that handing one to a guest copies each list once.
pub mod v0_1 {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        world: "job",
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}
