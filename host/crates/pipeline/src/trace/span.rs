//! What is told of the handling of a record.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::SystemTime;

use pelton_model::stage::Stage;
use pelton_model::version::Label;

use super::context::TraceContext;

/// The handling of one record.
#[derive(Debug)]
pub(super) struct Span {
    pub(super) context: TraceContext,
    /// The span that made the record.
    pub(super) parent: Option<u64>,
    /// Who gave up on the record: 0 for nobody, else the place in [`STAGES`], from 1.
    pub(super) gave_up: AtomicU8,
}

/// All stages, by their number.
pub(super) const STAGES: [Stage; 3] = [Stage::Reject, Stage::Guest, Stage::Sink];

impl Span {
    pub(super) fn gave_up(&self) -> Option<Stage> {
        let place = usize::from(self.gave_up.load(Ordering::Relaxed)).checked_sub(1)?;
        STAGES.get(place).copied()
    }
}

/// Spans that are over, of one batch.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) job: Arc<str>,
    pub(super) group: Arc<str>,
    pub(super) version: Arc<Label>,
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) began: SystemTime,
    pub(super) ended: SystemTime,
    /// With the offsets of the records.
    pub(super) spans: Vec<(Span, i64)>,
}
