//! Rows on their way to Postgres, and which delivery they belong to.

use std::sync::Arc;

use pelton_delivery::budget::Charge;
use pelton_delivery::delivery::Delivery;

use super::encode::EncodedRows;

/// Rows of one delivery for one sink.
#[derive(Debug)]
pub struct RowChunk {
    /// Where they come from. One acknowledgement must have been announced for the chunk.
    pub delivery: Arc<Delivery>,
    /// The rows.
    pub rows: EncodedRows,
    _charge: Charge,
}

impl RowChunk {
    /// Rows that are charged to the job until they are written or given up.
    pub fn new(delivery: &Arc<Delivery>, rows: EncodedRows) -> Self {
        let charge = delivery.charge(rows.bytes());
        Self { delivery: Arc::clone(delivery), rows, _charge: charge }
    }

    pub(super) fn is_revoked(&self) -> bool {
        self.delivery.ledger().is_closed()
    }
}
