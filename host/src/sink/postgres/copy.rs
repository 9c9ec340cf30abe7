//! Binary COPY straight into the table: the fast way in, for batches without a conflict.
//!
//! COPY has no ON CONFLICT and takes all rows or none, so it is tried first and its refusal is never final: the INSERT
//! decides. A refused COPY leaves dead tuples behind and has cost its time, so after one the next batches go without, twice
//! as many after each further one.

use std::pin::pin;

use bytes::Bytes;
use futures_util::SinkExt;
use tokio_postgres::{Client, Error, Statement};

/// Signature, no flags, no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: &[u8] = b"\xff\xff";

/// Copies the rows in; they are committed if it succeeds outside of a transaction block.
pub(super) async fn copy(
    client: &Client,
    statement: &Statement,
    rows: impl Iterator<Item = Bytes>,
) -> Result<(), Error> {
    let mut sink = pin!(client.copy_in::<_, Bytes>(statement).await?);
    sink.feed(Bytes::from_static(HEADER)).await?;
    for rows in rows {
        sink.feed(rows).await?;
    }
    sink.feed(Bytes::from_static(TRAILER)).await?;
    sink.finish().await?;
    Ok(())
}

/// Whether COPY is worth a try.
#[derive(Debug, Default)]
pub(super) struct Optimism {
    /// Batches to go without.
    wait: u32,
    /// How many those were after the last refusal.
    waited: u32,
}

impl Optimism {
    const FIRST_WAIT: u32 = 4;
    const LONGEST_WAIT: u32 = 1024;

    /// Asked once for each batch.
    pub(super) fn is_worth_it(&mut self) -> bool {
        let now = self.wait == 0;
        self.wait = self.wait.saturating_sub(1);
        now
    }

    pub(super) fn succeeded(&mut self) {
        self.waited /= 2;
    }

    pub(super) fn failed(&mut self) {
        self.waited = (self.waited * 2).clamp(Self::FIRST_WAIT, Self::LONGEST_WAIT);
        self.wait = self.waited;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_in_every_batch_are_met_ever_more_rarely() {
        let mut optimism = Optimism::default();
        let mut tries = Vec::new();
        for batch in 0..4000 {
            if optimism.is_worth_it() {
                tries.push(batch);
                optimism.failed();
            }
        }
        assert_eq!(tries, [0, 5, 14, 31, 64, 129, 258, 515, 1028, 2053, 3078]);
    }

    #[test]
    fn trust_comes_back() {
        let mut optimism = Optimism::default();
        for _ in 0..5 {
            optimism.failed();
        }
        let batches = (0..).take_while(|_| !optimism.is_worth_it()).count();
        assert_eq!(batches, 64);
        for _ in 0..5 {
            assert!(optimism.is_worth_it() || optimism.wait == 0);
            optimism.succeeded();
        }
        optimism.failed();
        assert_eq!(optimism.wait, Optimism::FIRST_WAIT);
    }
}
