//! Rows on their way to Postgres, and which delivery they belong to.

use std::sync::Arc;

use pelton_delivery::delivery::Delivery;

use super::encode::EncodedRows;

/// Rows of one delivery for one sink.
#[derive(Debug)]
pub struct RowChunk {
    /// Where they come from. One acknowledgement must have been announced for the chunk.
    pub delivery: Arc<Delivery>,
    /// The rows.
    pub rows: EncodedRows,
}

impl RowChunk {
    pub(super) fn is_revoked(&self) -> bool {
        self.delivery.ledger().is_closed()
    }
}
