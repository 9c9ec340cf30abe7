//! Where outputs go. A sink acknowledges to the delivery, never to the source.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pelton_delivery::delivery::Delivery;
use pelton_model::record::{Output, Rows};
use pelton_model::spec;

use crate::context::Report;
use crate::error::Error;

/// One declared sink of one instance.
pub trait Sink: Send + Debug {
    /// Takes what a job made of a delivery's records, in order; never waits. It [expects](Delivery::expect) one
    /// acknowledgement at least, and gives it once all of the output is written or with the dead letters. Call it while
    /// another acknowledgement of the delivery is pending. Outputs of a partition that is given up may be dropped.
    fn write(&self, delivery: &Arc<Delivery>, output: Output);

    /// Lets it end once it has written what it was given. Keep it until then: dropping it forgets what is not written,
    /// which is thus not acknowledged.
    fn retire(&self);

    /// Whether a retired one has ended.
    fn has_ended(&self) -> bool;
}

/// What a connector writes with in one attempt of a job: its sinks share it.
pub trait Writers: Send + Sync + Debug {
    /// The sink of one instance.
    ///
    /// # Errors
    /// The target is not the connector's.
    fn sink(&self, instance: usize, sink: &spec::Sink) -> Result<Box<dyn Sink>, Error>;

    /// Waits until everything that it was given is written or `timeout` is over.
    fn flush(&self, timeout: Duration);
}

/// What the writers of an attempt need of it.
#[derive(Debug, Clone)]
pub struct WritersContext {
    /// Whose they are, and where they tell how they fare.
    pub report: Report,
    /// How they are called at the other side.
    pub client: String,
    /// How many outputs a sink may refuse in a row before it is held; 0: it never is.
    pub hold_after: u32,
    /// How long one output may take before that is a fault; for ever where there is none.
    pub patience: Option<Duration>,
    /// The folder for dead letters that can't be kept elsewhere.
    pub folder: PathBuf,
}

/// What a target can't hold of rows, by itself.
pub trait RowCheck: Send + Sync + Debug {
    /// Why row `n` can't be held; nothing where it can, as far as that can be told without asking.
    fn refusal(&self, rows: &Rows, n: usize) -> Option<String>;
}
