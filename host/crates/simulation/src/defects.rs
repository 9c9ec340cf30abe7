//! Defects that the simulation must find: each is one that the seams would let through.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use pelton_connect::letters::{LetterLog, LetterStore, Marker};
use pelton_connect::memory::Memory;
use pelton_connect::{
    Committer, Connector, DeadLetters, Error, Finding, Head, Needs, Offsets, Sink, Writers, WritersContext,
};
use pelton_control::catalog::memory::Memory as MemoryCatalog;
use pelton_control::catalog::{Catalog, Entry, Error as CatalogError, Listener, Listing, Revision};
use pelton_control::record::JobRecord;
use pelton_delivery::budget::Budget;
use pelton_delivery::clock::Clock;
use pelton_delivery::delivery::Delivery;
use pelton_delivery::ledger::Ledger;
use pelton_delivery::wake::Wake;
use pelton_model::metrics::JobMetrics;
use pelton_model::record::Output;
use pelton_model::spec;
use pelton_model::stage::Stage;
use pelton_model::sync::lock;

use crate::clock::VirtualClock;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// The offset of a record is committed with that of the one before it.
    EarlyOffset,
    /// What is made of a batch while a reload is under way is acknowledged and not written.
    DroppedAtReload,
    /// The parts of a batch that was halved come in another order.
    HalvedOutOfOrder,
    /// A dead letter is written after its batch was acknowledged.
    LetterAfterAcknowledgement,
    /// A record of a job is changed in two steps.
    HalfVerb,
}

/// Commits one record too much.
#[derive(Debug)]
pub(crate) struct Early;

impl Committer for Early {
    fn commit(&self, heads: &[Head], offsets: &dyn Offsets) -> Result<(), Error> {
        let early: Vec<_> = heads.iter().map(|head| Head { next: head.next + 1, ..head.clone() }).collect();
        offsets.store(&early)
    }
}

/// A catalog that forgets a record before it writes the next one.
#[derive(Debug)]
pub(crate) struct InTwoSteps {
    pub(crate) catalog: Arc<MemoryCatalog>,
    pub(crate) clock: Arc<VirtualClock>,
}

impl Catalog for InTwoSteps {
    fn list(&self) -> Result<Listing, CatalogError> {
        self.catalog.list()
    }

    fn get(&self, job: &str) -> Result<Option<Entry>, CatalogError> {
        self.catalog.get(job)
    }

    fn put(&self, record: &JobRecord, expected: Option<Revision>) -> Result<Revision, CatalogError> {
        if let Some(expected) = expected {
            self.catalog.remove(&record.name, expected)?;
            self.clock.wait(&Wake::default(), Duration::from_millis(20));
        }
        self.catalog.put(record, None)
    }

    fn remove(&self, job: &str, expected: Revision) -> Result<(), CatalogError> {
        self.catalog.remove(job, expected)
    }

    fn past(&self, job: &str) -> Result<Option<JobRecord>, CatalogError> {
        self.catalog.past(job)
    }

    fn forget(&self, job: &str) -> Result<bool, CatalogError> {
        self.catalog.forget(job)
    }

    fn put_component(&self, wasm: &[u8]) -> Result<String, CatalogError> {
        self.catalog.put_component(wasm)
    }

    fn component(&self, digest: &str) -> Result<Vec<u8>, CatalogError> {
        self.catalog.component(digest)
    }

    fn sweep(&self, before: SystemTime) -> Result<usize, CatalogError> {
        self.catalog.sweep(before)
    }

    fn subscribe(&self, listener: Listener) {
        self.catalog.subscribe(listener);
    }
}

/// The servers in memory, as a host with a defect writes to them.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) memory: Arc<Memory>,
    pub(crate) defect: Option<Defect>,
    pub(crate) verb: Arc<AtomicBool>,
}

impl Servers {
    fn writers(&self, writers: Arc<dyn Writers>) -> Arc<dyn Writers> {
        match self.defect {
            Some(Defect::DroppedAtReload | Defect::HalvedOutOfOrder) => {
                Arc::new(WritersWith { writers, defect: self.defect, verb: Arc::clone(&self.verb) })
            }
            _ => writers,
        }
    }
}

impl Connector for Servers {
    fn name(&self) -> &'static str {
        self.memory.name()
    }

    fn ping(&self, timeout: Duration) -> Result<(), Error> {
        self.memory.ping(timeout)
    }

    fn check(&self, needs: &Needs<'_>) -> Result<Vec<Finding>, Error> {
        self.memory.check(needs)
    }

    fn make(&self, needs: &Needs<'_>, made: &mut Vec<String>) -> Result<(), Error> {
        self.memory.make(needs, made)
    }

    fn open(&self, context: &WritersContext, letters: &Arc<dyn DeadLetters>) -> Result<Arc<dyn Writers>, Error> {
        Ok(self.writers(self.memory.open(context, letters)?))
    }
}

impl LetterStore for Servers {
    fn open_with_letters(
        &self,
        context: &WritersContext,
        counts: &JobMetrics,
    ) -> Result<(Arc<dyn Writers>, Arc<dyn DeadLetters>), Error> {
        let (writers, letters) = self.memory.open_with_letters(context, counts)?;
        let letters = match self.defect {
            Some(Defect::LetterAfterAcknowledgement) => Arc::new(Unacknowledged(letters)),
            _ => letters,
        };
        Ok((self.writers(writers), letters))
    }

    fn log(&self, job: &str) -> Result<Option<Box<dyn LetterLog>>, Error> {
        self.memory.log(job)
    }

    fn begin_redrive(&self, job: &str) -> Result<Box<dyn Marker>, Error> {
        self.memory.begin_redrive(job)
    }
}

/// Dead letters that nobody waits for.
#[derive(Debug)]
struct Unacknowledged(Arc<dyn DeadLetters>);

impl DeadLetters for Unacknowledged {
    fn send(&self, delivery: &Arc<Delivery>, index: u32, stage: Stage, reason: &str) {
        let (batch, budget) = (Arc::clone(delivery.batch()), Arc::new(Budget::new(usize::MAX)));
        if let Some(apart) = Delivery::new(batch, Arc::new(Ledger::default()), budget) {
            self.0.send(&apart, index, stage, reason);
        }
    }
}

#[derive(Debug)]
struct WritersWith {
    writers: Arc<dyn Writers>,
    defect: Option<Defect>,
    verb: Arc<AtomicBool>,
}

impl Writers for WritersWith {
    fn sink(&self, instance: usize, sink: &spec::Sink) -> Result<Box<dyn Sink>, Error> {
        let sink = self.writers.sink(instance, sink)?;
        Ok(Box::new(SinkWith { sink, defect: self.defect, verb: Arc::clone(&self.verb), last: Mutex::default() }))
    }

    fn flush(&self, timeout: Duration) {
        self.writers.flush(timeout);
    }
}

#[derive(Debug)]
struct SinkWith {
    sink: Box<dyn Sink>,
    defect: Option<Defect>,
    verb: Arc<AtomicBool>,
    /// The first offset of the batch that was written last.
    last: Mutex<Option<i64>>,
}

impl Sink for SinkWith {
    fn write(&self, delivery: &Arc<Delivery>, mut output: Output) {
        if self.defect == Some(Defect::DroppedAtReload) && self.verb.load(Ordering::Acquire) {
            return;
        }
        let first = delivery.batch().offsets.first().copied();
        let is_further_part = std::mem::replace(&mut *lock(&self.last), first) == first;
        if self.defect == Some(Defect::HalvedOutOfOrder)
            && is_further_part
            && let Output::Forward { origin, .. } = &mut output
        {
            origin.reverse();
        }
        self.sink.write(delivery, output);
    }

    fn retire(&self) {
        self.sink.retire();
    }

    fn has_ended(&self) -> bool {
        self.sink.has_ended()
    }
}
