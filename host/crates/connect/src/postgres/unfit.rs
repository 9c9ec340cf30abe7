//! Rows with values that their columns can't have: dead letters, unless none fits any more. Then the sink is held, as
//! where Postgres refuses every row: what the job makes is wrong, and a topic in the dead letters helps nobody.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use pelton_delivery::delivery::Delivery;
use pelton_delivery::streak::Streak;
use pelton_model::stage::Stage;
use pelton_model::status::{Part, State, Status};
use pelton_model::sync::lock;

use crate::dead_letters::DeadLetters;
use crate::refusals;

/// What ends a hold. What is held is in flight, and beyond `delivery.in_flight_mib` of that nothing more is read.
const UNTIL: &str = "; it goes on with a row that fits, among those that it may read meanwhile \
                     (delivery.in_flight_mib), or with another version of the job";

/// The rows of a sink that don't fit.
#[derive(Debug)]
pub(super) struct Unfit {
    sink: String,
    part: Part,
    status: Arc<Status>,
    letters: Arc<dyn DeadLetters>,
    doubts: Mutex<Doubts>,
}

#[derive(Debug)]
struct Doubts {
    streak: Streak,
    /// Those after too many, by record, each with its first reason: so they are no more than the records, which the
    /// budget bounds. Their deliveries are not complete meanwhile, nor is anything behind them.
    held: Vec<(Arc<Delivery>, BTreeMap<u32, String>)>,
}

impl Unfit {
    /// Of a sink of one instance, which is held after so many in a row.
    pub(super) fn new(
        sink: &str,
        instance: usize,
        hold_after: u32,
        status: Arc<Status>,
        letters: Arc<dyn DeadLetters>,
    ) -> Self {
        let part = Part::Refusing(format!("values of {sink} in instance {instance}"));
        let doubts = Mutex::new(Doubts { streak: Streak::new(hold_after), held: Vec::new() });
        Self { sink: sink.to_owned(), part, status, letters, doubts }
    }

    /// Has rows that don't fit, each of a record and with its reason, become dead letters, or be held. One that `fits`
    /// beside or behind them says that they are bad by themselves. Call it while another acknowledgement of the delivery
    /// is pending.
    pub(super) fn settle(&self, delivery: &Arc<Delivery>, refused: Vec<(u32, String)>, fits: bool) {
        let mut doubts = lock(&self.doubts);
        if fits {
            for (delivery, records) in doubts.held.drain(..) {
                for (origin, reason) in records {
                    self.letters.send(&delivery, origin, Stage::Sink, &reason);
                }
                delivery.acknowledge(1);
            }
            // Nothing is told where the last one fitted, too.
            if !doubts.streak.is_over() {
                self.status.clear(&self.part);
            }
            doubts.streak.good();
        }
        // Whoever has their partition by now reads them again.
        if doubts.held.first().is_some_and(|(delivery, ..)| delivery.ledger().is_closed()) {
            doubts.held.retain(|(delivery, ..)| !delivery.ledger().is_closed());
        }
        for (origin, reason) in refused {
            let position = delivery.batch().position(origin as usize);
            if fits || !doubts.streak.bad(position) {
                self.letters.send(delivery, origin, Stage::Sink, &reason);
                if !fits && doubts.streak.is_long() {
                    self.tell(&doubts, delivery, origin, &reason, false);
                }
            } else {
                if doubts.held.is_empty() {
                    self.tell(&doubts, delivery, origin, &reason, true);
                }
                if doubts.held.last().is_none_or(|(last, _)| !Arc::ptr_eq(last, delivery)) {
                    delivery.expect(1);
                    doubts.held.push((Arc::clone(delivery), BTreeMap::new()));
                }
                if let Some((_, records)) = doubts.held.last_mut() {
                    records.entry(origin).or_insert(reason);
                }
            }
        }
    }

    fn tell(&self, doubts: &Doubts, delivery: &Arc<Delivery>, origin: u32, reason: &str, is_held: bool) {
        let what = format!("no row of sink `{}` fits its columns", self.sink);
        let row = format!("a row of {}", delivery.batch().place(origin as usize));
        let told = refusals::told(&what, &doubts.streak, is_held, reason, &row);
        let (state, until) = match is_held {
            true => (State::Failed, UNTIL),
            false => (State::Failing, ""),
        };
        if self.status.raise(&self.part, state, format!("{told}{until}")) {
            tracing::error!("{}: {told}{until}", self.part);
        }
    }
}

impl Drop for Unfit {
    fn drop(&mut self) {
        self.status.clear(&self.part);
    }
}

#[cfg(test)]
mod tests {
    use pelton_delivery::budget::Budget;
    use pelton_delivery::ledger::Ledger;
    use pelton_model::record::Batch;

    use super::*;

    #[derive(Debug, Default)]
    struct Letters(Mutex<Vec<u32>>);

    impl DeadLetters for Letters {
        fn send(&self, _: &Arc<Delivery>, index: u32, _: Stage, _: &str) {
            lock(&self.0).push(index);
        }
    }

    #[test]
    fn what_never_fits_is_held_until_something_does() {
        let (letters, status) = (Arc::<Letters>::default(), Arc::<Status>::default());
        status.set(State::Running);
        let unfit = Unfit::new("t", 0, 100, Arc::clone(&status), Arc::clone(&letters) as _);
        let ledger = Arc::new(Ledger::default());
        let batch = Batch { topic: "in".into(), offsets: (0..200).collect(), ..Batch::default() };
        let delivery = Delivery::new(batch, Arc::clone(&ledger), Arc::new(Budget::new(usize::MAX))).unwrap();
        let bad = |n: u32| vec![(n, "column `price`: `abc` is not a number".to_owned())];
        for n in 0..30 {
            unfit.settle(&delivery, bad(n), false);
            let (state, conditions) = status.get();
            match n {
                0..9 => assert_eq!(state, State::Running, "{n}"),
                9 => assert_eq!(state, State::Failing, "{n}"),
                _ => {
                    assert!(state == State::Failed && status.is_held(), "{n}");
                    let told = "no row of sink `t` fits its columns, 11 in a row, so it is held, and nothing more becomes \
                                a dead letter: column `price`: `abc` is not a number, a row of in/";
                    assert!(conditions[0].reason.starts_with(told), "{}", conditions[0].reason);
                }
            }
        }
        assert_eq!(*lock(&letters.0), (0..10).collect::<Vec<_>>());
        // One that fits behind them: they were bad by themselves, and all of them are told.
        unfit.settle(&delivery, bad(30), true);
        assert_eq!(*lock(&letters.0), (0..31).collect::<Vec<_>>());
        assert_eq!(status.get().0, State::Running);
        // However many rows a record makes, it is one.
        (0..200).for_each(|_| unfit.settle(&delivery, bad(50), false));
        assert!(!status.is_held());
        unfit.settle(&delivery, Vec::new(), true);
        // Of a partition that was given up nothing is kept.
        (0..200).for_each(|n| unfit.settle(&delivery, bad(n), false));
        assert!(status.is_held());
        ledger.close();
        unfit.settle(&delivery, Vec::new(), false);
        assert!(lock(&unfit.doubts).held.is_empty());
        drop(unfit);
        assert_eq!(status.get().0, State::Running);
    }
}
