//! The seam between the pipeline and what runs in it: compiled components, and, in tests and benchmarks, native code.

use std::sync::Arc;

use crate::failure::Failure;
use crate::host::Host;
use pelton_model::record::{Batch, Outcome};
use pelton_model::spec::Spec;

/// Something that handles batches, ready to be instantiated any number of times.
pub trait Program: Send + Sync {
    /// What it declares.
    fn spec(&self) -> &Arc<Spec>;
    /// The same with another declaration, of which only topics and tables differ: its instances read and write those.
    fn mapped(&self, spec: Arc<Spec>) -> Arc<dyn Program>;
    /// A fresh instance with these parameters.
    fn instantiate(&self, parameters: &[(String, String)], host: Arc<dyn Host>) -> Result<Box<dyn Process>, Failure>;
}

/// One instance of a [`Program`].
pub trait Process: Send {
    /// Handles one batch. After an error the instance must be dropped.
    fn process(&mut self, batch: &Batch) -> Result<Outcome, Failure>;
    /// Bytes of memory that it takes.
    fn memory(&self) -> usize {
        0
    }
}
