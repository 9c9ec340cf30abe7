//! Finding the records that break a job: a failed batch is halved until single records are left.
//!
//! What the good parts answered is kept, in order; each bad record is named with its own failure. Nothing is skipped:
//! every record of the batch ends up in exactly one part or as exactly one bad record.

use std::ops::ControlFlow;

use pelton_model::record::{Batch, Outcome, Output};
use pelton_runtime::Failure;

/// What became of a stretch of the batch.
#[derive(Debug)]
pub enum Isolated {
    /// The job's answer, with indices into the whole batch.
    Good(Outcome),
    /// The record with this index breaks the job.
    Bad(u32, Failure),
}

/// Who runs the job on parts of a batch and takes what comes of them. Either call may break off the search.
pub trait Attempts {
    /// What it breaks off with.
    type Stop;
    /// Runs the job on part of the batch, on a fresh instance after a failure.
    fn attempt(&mut self, part: &Batch) -> ControlFlow<Self::Stop, Result<Outcome, Failure>>;
    /// Takes the parts, in order.
    fn found(&mut self, part: Isolated) -> ControlFlow<Self::Stop>;
}

/// Halves a batch on which the job has just failed with `failure`.
pub fn isolate<A: Attempts>(batch: &Batch, failure: Failure, attempts: &mut A) -> ControlFlow<A::Stop> {
    // A stack of stretches, the first on top; each with its failure where that is known already.
    let mut stretches = vec![(0..batch.len(), Some(failure))];
    while let Some((range, failure)) = stretches.pop() {
        let failure = match failure {
            Some(failure) => failure,
            None => match attempts.attempt(&batch.slice(range.clone()))? {
                Ok(mut outcome) => {
                    shift(&mut outcome, range.start as u32);
                    attempts.found(Isolated::Good(outcome))?;
                    continue;
                }
                Err(failure) => failure,
            },
        };
        if range.len() > 1 {
            let middle = range.start + range.len() / 2;
            stretches.push((middle..range.end, None));
            stretches.push((range.start..middle, None));
        } else {
            attempts.found(Isolated::Bad(range.start as u32, failure))?;
        }
    }
    ControlFlow::Continue(())
}

/// Makes indices into a stretch that begins at record `by` indices into the whole batch.
pub fn shift(outcome: &mut Outcome, by: u32) {
    for output in &mut outcome.outputs {
        let origin = match output {
            Output::Forward { origin, .. } => origin,
            Output::Messages { messages, .. } => &mut messages.origin,
            Output::Rows { rows, .. } => &mut rows.origin,
        };
        origin.iter_mut().for_each(|index| *index += by);
    }
    outcome.rejects.iter_mut().for_each(|reject| reject.index += by);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn batch(records: usize) -> Batch {
        let mut batch = Batch::default();
        for i in 0..records {
            batch.offsets.push(i as i64);
            batch.timestamps.push(0);
            batch.keys.push(None);
            batch.values.push(None);
            batch.headers.end_record();
        }
        batch
    }

    fn trap() -> Failure {
        Failure::Trap("unreachable".to_owned())
    }

    /// A job that fails on any batch with a bad record.
    #[derive(Default)]
    struct Fragile {
        bad: Vec<bool>,
        calls: usize,
        good: Vec<u32>,
        found: Vec<u32>,
        patience: Option<usize>,
    }

    impl Attempts for Fragile {
        type Stop = ();

        fn attempt(&mut self, part: &Batch) -> ControlFlow<(), Result<Outcome, Failure>> {
            self.calls += 1;
            if self.patience.is_some_and(|patience| self.calls > patience) {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(if part.offsets.iter().any(|&o| self.bad[o as usize]) {
                Err(trap())
            } else {
                let origin = (0..part.len() as u32).collect();
                Ok(Outcome { outputs: vec![Output::Forward { sink: 0, origin }], rejects: vec![] })
            })
        }

        fn found(&mut self, part: Isolated) -> ControlFlow<()> {
            match part {
                Isolated::Bad(index, _) => self.found.push(index),
                Isolated::Good(outcome) => {
                    for output in outcome.outputs {
                        let Output::Forward { origin, .. } = output else { unreachable!() };
                        self.good.extend(origin);
                    }
                }
            }
            ControlFlow::Continue(())
        }
    }

    proptest! {
        /// Exactly the bad ones are found, and the good ones forwarded once and in order, within a bounded number of
        /// calls.
        #[test]
        fn finds_exactly_the_bad_records(
            mut bad in proptest::collection::vec(proptest::bool::weighted(0.1), 1..200),
            one in any::<proptest::sample::Index>(),
        ) {
            let one = one.index(bad.len());
            bad[one] = true;
            let mut job = Fragile { bad: bad.clone(), ..Fragile::default() };
            prop_assert!(isolate(&batch(bad.len()), trap(), &mut job).is_continue());
            let all = 0..bad.len() as u32;
            let (expected_bad, expected_good): (Vec<u32>, Vec<u32>) = all.partition(|&i| bad[i as usize]);
            prop_assert_eq!(&job.found, &expected_bad);
            prop_assert_eq!(job.good, expected_good);
            let depth = bad.len().next_power_of_two().trailing_zeros() as usize;
            prop_assert!(job.calls <= 2 * depth * job.found.len());
        }
    }

    #[test]
    fn a_batch_that_fails_only_whole_is_all_good() {
        let mut job = Fragile { bad: vec![false; 5], ..Fragile::default() };
        assert!(isolate(&batch(5), trap(), &mut job).is_continue());
        assert_eq!((job.good, job.found, job.calls), (vec![0, 1, 2, 3, 4], vec![], 2));
    }

    #[test]
    fn breaks_off_when_told() {
        let mut job = Fragile { bad: vec![true; 4], patience: Some(2), ..Fragile::default() };
        assert!(isolate(&batch(4), trap(), &mut job).is_break());
        assert_eq!(job.calls, 3);
    }
}
