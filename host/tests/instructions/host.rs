//! What the host does beside the guest and its connectors: the ledger and the budget, and the way to the sinks.

use std::sync::Arc;
use std::time::Duration;

use pelton::connect::memory::Memory;
use pelton::connect::{
    Connector, Connectors, DeadLetters, Error, Finding, Needs, Opening, Outputs, Report, Sink, Writers, WritersContext,
};
use pelton::metrics::{JobMetrics, Metrics};
use pelton::pipeline::router::Router;
use pelton::record::{Batch, Outcome, Output, Reject};
use pelton::spec;
use pelton_connect::letters::store::Opened;
use pelton_connect::letters::{LetterLog, LetterStore, Marker};
use pelton_delivery::budget::Budget;
use pelton_delivery::clock::SystemClock;
use pelton_delivery::delivery::Delivery;
use pelton_delivery::ledger::Ledger;
use pelton_testkit::skip::test_name;

use crate::count::{TIMES, hold};
use crate::{article, readings};

/// Batches of one record each, the dearest there are for what is done once for a batch.
const BATCHES: usize = 1000;

/// Whose attempt it is.
pub(crate) fn report() -> Report {
    let metrics: JobMetrics = Arc::new(Metrics::default()).job("counted");
    Report { job: "counted".into(), status: Arc::default(), metrics, fault: Arc::default() }
}

/// Where outputs are opened for a job.
pub(crate) fn context(report: Report) -> WritersContext {
    let folder = std::env::temp_dir();
    WritersContext { report, client: "counted".to_owned(), hold_after: 1000, patience: None, folder }
}

/// The readings as batches of one record, as often as the work is done.
fn batches() -> Vec<Vec<Arc<Batch>>> {
    let all = readings::batch(BATCHES);
    let batches = || (0..BATCHES).map(|i| Arc::new(all.slice(i..i + 1))).collect();
    (0..TIMES).map(|_| batches()).collect()
}

/// A batch enters ledger and budget, its output is charged and awaited, both acknowledgements come, and its offset may
/// be committed.
#[test]
fn ledger() {
    hold(test_name!(), BATCHES, &[], || {
        let (ledger, budget) = (Arc::new(Ledger::default()), Arc::new(Budget::new(64 << 20)));
        let mut batches = batches();
        // To free them is none of the ledger's work.
        std::mem::forget(batches.clone());
        move || {
            // The source is ahead of the sinks by so many.
            let mut on_their_way = std::collections::VecDeque::new();
            for batch in batches.pop().unwrap() {
                let next = batch.offsets[0] + 1;
                assert!(budget.wait(Duration::ZERO));
                let delivery = Delivery::new(batch, Arc::clone(&ledger), Arc::clone(&budget)).unwrap();
                assert!(delivery.has_room());
                delivery.expect(1);
                let charge = delivery.charge(200);
                delivery.acknowledge(1);
                on_their_way.push_back((delivery, charge));
                if on_their_way.len() == 10 {
                    let (delivery, charge) = on_their_way.pop_front().unwrap();
                    delivery.acknowledge(1);
                    drop((delivery, charge));
                    assert_eq!(ledger.committable(), Some(next - 9));
                }
            }
            on_their_way.drain(..).for_each(|(delivery, _)| delivery.acknowledge(1));
            assert!(ledger.is_settled() && budget.used() == 0);
        }
    });
}

/// What a record became, a row, perhaps an alert, and a reject in ten records, goes to sinks that do nothing.
#[test]
fn routing() {
    hold(test_name!(), BATCHES, &[], || {
        let memory = Arc::new(Memory::new(Arc::new(SystemClock), Duration::ZERO));
        let connectors = Connectors::of(Arc::clone(&memory) as _, Arc::new(Nowhere), Arc::new(Nowhere));
        let report = report();
        let opening = Opening { context: context(report.clone()), letter_counts: report.metrics.clone() };
        let outputs = Outputs::open(&Arc::new(connectors), &opening).unwrap();
        let router = Router::new(0, &outputs, &report, &article::sinks()).unwrap();
        let (ledger, budget) = (Arc::new(Ledger::default()), Arc::new(Budget::new(64 << 20)));
        let mut prepared: Vec<Vec<(Arc<Delivery>, Outcome)>> = batches()
            .into_iter()
            .map(|batches| {
                let each = batches.into_iter().enumerate().map(|(n, batch)| {
                    let mut outcome = article::outcome(&batch);
                    if n % 10 == 0 {
                        outcome.rejects.push(Reject { index: 0, reason: "no temperature".to_owned() });
                    }
                    let delivery = Delivery::new(batch, Arc::clone(&ledger), Arc::clone(&budget)).unwrap();
                    (delivery, outcome)
                });
                each.collect()
            })
            .collect();
        let mut done = Vec::with_capacity(TIMES * BATCHES);
        move || {
            for (delivery, outcome) in prepared.pop().unwrap() {
                router.route(&delivery, outcome);
                done.push(delivery);
            }
        }
    });
}

/// Takes everything and does nothing with it.
#[derive(Debug)]
struct Nowhere;

impl Connector for Nowhere {
    fn name(&self) -> &'static str {
        "nowhere"
    }

    fn ping(&self, _: Duration) -> Result<(), Error> {
        Ok(())
    }

    fn check(&self, _: &Needs<'_>) -> Result<Vec<Finding>, Error> {
        Ok(Vec::new())
    }

    fn make(&self, _: &Needs<'_>, _: &mut Vec<String>) -> Result<(), Error> {
        Ok(())
    }

    fn open(&self, _: &WritersContext, _: &Arc<dyn DeadLetters>) -> Result<Arc<dyn Writers>, Error> {
        Ok(Arc::new(Self))
    }
}

impl LetterStore for Nowhere {
    fn open_with_letters(&self, _: &WritersContext, _: &JobMetrics) -> Result<Opened, Error> {
        Ok((Arc::new(Self), Arc::new(Self)))
    }

    fn log(&self, _: &str) -> Result<Option<Box<dyn LetterLog>>, Error> {
        Ok(None)
    }

    fn begin_redrive(&self, _: &str) -> Result<Box<dyn Marker>, Error> {
        panic!("nothing is redriven here")
    }
}

impl Writers for Nowhere {
    fn sink(&self, _: usize, _: &spec::Sink) -> Result<Box<dyn Sink>, Error> {
        Ok(Box::new(Self))
    }

    fn flush(&self, _: Duration) {}
}

impl Sink for Nowhere {
    fn write(&self, _: &Arc<Delivery>, output: Output) {
        // To free it is the work of a sink.
        std::mem::forget(output);
    }

    fn retire(&self) {}

    fn has_ended(&self) -> bool {
        true
    }
}

impl DeadLetters for Nowhere {
    fn send(&self, _: &Arc<Delivery>, _: u32, _: pelton_model::stage::Stage, _: &str) {}
}
