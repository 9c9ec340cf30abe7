//! What makes progress durable.
//!
//! A source asks its [`Committer`] to commit the heads of its ledgers: while it reads, before it gives partitions up,
//! and when it closes. At least once is the committer without a transaction: it has the source's own store keep the
//! offsets. One with a transaction puts them where the outputs are, in a transaction of a producer or a row beside the
//! job's rows, and tells the source where to go on.

use std::fmt::Debug;
use std::sync::Arc;

use crate::error::Error;

/// How far a partition is acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Head {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The offset after the last record of the contiguous head that every sink has acknowledged.
    pub next: i64,
}

/// What makes progress durable. Called on the source's thread.
pub trait Committer: Send + Sync + Debug {
    /// Takes over partitions; gives those that are to go on elsewhere than at the offsets of the source's own store.
    ///
    /// # Errors
    /// Where to go on can't be told: nothing of these partitions may be read.
    fn assigned(&self, partitions: &[(Arc<str>, i32)]) -> Result<Vec<Head>, Error> {
        let _ = partitions;
        Ok(Vec::new())
    }

    /// Commits heads, or sees that they are soon. It gets a head once. `offsets` is the source's own store.
    ///
    /// # Errors
    /// They are not committed; their records may be read again.
    fn commit(&self, heads: &[Head], offsets: &dyn Offsets) -> Result<(), Error>;
}

/// A source's own store of offsets, such as that of a consumer group.
pub trait Offsets {
    /// Keeps them, at the latest with the next commit interval, and in any case when the partition is given up.
    ///
    /// # Errors
    /// They are refused: the partition is no longer this member's.
    fn store(&self, heads: &[Head]) -> Result<(), Error>;
}

/// At least once: offsets move after everything before them was acknowledged, and in no transaction with it.
#[derive(Debug, Clone, Copy, Default)]
pub struct AtLeastOnce;

impl Committer for AtLeastOnce {
    fn commit(&self, heads: &[Head], offsets: &dyn Offsets) -> Result<(), Error> {
        offsets.store(heads)
    }
}
