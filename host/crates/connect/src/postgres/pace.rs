//! How many rows a transaction has, by how long they take.
//!
//! A trigger that takes 15 ms for each row takes over a minute for a batch of 5,000: it would be given up at the write
//! timeout, or at the server's `statement_timeout`, and tried again for ever. So a transaction that took long makes the
//! next ones smaller, one that was given up halves them, and quick ones let them grow again.

use std::time::Duration;

/// How long a transaction should take: long enough that its own cost doesn't count, short enough that acknowledgements
/// keep coming.
const TARGET: Duration = Duration::from_secs(2);
/// After a time-out the target comes back by this much with each transaction that goes through.
const COMES_BACK: f64 = 1.01;

#[derive(Debug)]
pub(super) struct Pace {
    rows: usize,
    most: usize,
    target: Duration,
    usual: Duration,
}

impl Pace {
    /// For transactions of at most so many rows, which are given up after this time.
    pub(super) fn new(most: usize, timeout: Duration) -> Self {
        let usual = TARGET.min(timeout / 4).max(Duration::from_millis(1));
        Self { rows: most.max(1), most: most.max(1), target: usual, usual }
    }

    /// Rows of the next transaction, at most; never none.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// So many rows took so long.
    pub(super) fn wrote(&mut self, rows: usize, took: Duration) {
        if took > self.target {
            let share = self.target.as_secs_f64() / took.as_secs_f64();
            self.rows = ((rows as f64 * share) as usize).clamp(1, self.most);
        } else if rows >= self.rows && took < self.target / 2 {
            self.rows = self.rows.saturating_mul(2).min(self.most);
        }
        self.target = self.target.mul_f64(COMES_BACK).min(self.usual);
    }

    /// So many rows were given up after this time.
    pub(super) fn timed_out(&mut self, rows: usize, after: Duration) {
        self.rows = (rows / 2).max(1);
        self.target = (after / 2).clamp(Duration::from_millis(1), self.usual);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever a row takes, all of them get through, in transactions that soon fit the timeout.
        #[test]
        fn a_slow_table_gets_through(
            per_row_ms in 0u64..400, timeout_ms in 500u64..60_000, most in 1usize..10_000,
        ) {
            let timeout = Duration::from_millis(timeout_ms);
            let mut pace = Pace::new(most, timeout);
            let (mut written, mut in_vain) = (0, 0);
            for _ in 0..2_000 {
                let rows = pace.rows();
                prop_assert!((1..=most).contains(&rows));
                let takes = Duration::from_millis(per_row_ms * rows as u64);
                if takes > timeout {
                    in_vain += 1;
                    pace.timed_out(rows, timeout);
                } else {
                    written += rows;
                    pace.wrote(rows, takes);
                }
            }
            prop_assert!(in_vain <= 14, "{in_vain} in vain");
            prop_assert!(written >= 1_986);
        }
    }

    #[test]
    fn it_grows_again() {
        let mut pace = Pace::new(5_000, Duration::from_secs(60));
        pace.timed_out(5_000, Duration::from_secs(1));
        assert_eq!(pace.rows(), 2_500);
        for _ in 0..200 {
            pace.wrote(pace.rows(), Duration::from_millis(20));
        }
        assert_eq!((pace.rows(), pace.target), (5_000, TARGET));
    }
}
