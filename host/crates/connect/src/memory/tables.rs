//! Tables and statements in memory as sinks: a writer for each sink of an instance.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pelton_delivery::budget::Charge;
use pelton_delivery::clock::Task;
use pelton_delivery::delivery::Delivery;
use pelton_delivery::wake::Wake;
use pelton_model::metrics::SinkMetrics;
use pelton_model::record::{Output, Rows};
use pelton_model::spec::{self, Conflict, Target};
use pelton_model::stage::Stage;
use pelton_model::status::{Part, State as JobState};
use pelton_model::sync::lock;

use super::away::NAME;
use super::table::{Table, row};
use super::world::Memory;
use crate::context::Report;
use crate::dead_letters::DeadLetters;
use crate::error::Error;
use crate::sink::{Sink, Writers};

/// As good as for ever.
const LONG: Duration = Duration::from_secs(3600);

/// The tables of one attempt of a job.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) memory: Memory,
    pub(super) report: Report,
    pub(super) letters: Arc<dyn DeadLetters>,
}

impl Writers for Tables {
    fn sink(&self, instance: usize, sink: &spec::Sink) -> Result<Box<dyn Sink>, Error> {
        let (table, on_conflict) = match &sink.target {
            Target::Table(table) => (table.name.clone(), table.on_conflict),
            Target::Statement(statement) => (statement.sql.clone(), Conflict::Fail),
            Target::Topic(_) => return Err(Error::NotTaken { connector: NAME, sink: sink.name.clone() }),
        };
        let writer = Arc::new(Writer {
            memory: self.memory.clone(),
            report: self.report.clone(),
            part: Part::Sink { sink: sink.name.clone(), instance },
            name: sink.name.clone(),
            table,
            on_conflict,
            metrics: self.report.metrics.sink(&sink.name),
            letters: Arc::clone(&self.letters),
            chunks: Mutex::default(),
            wake: Wake::default(),
        });
        let runs = Arc::clone(&writer);
        let task = self.memory.clock.spawn("memory-table", Box::new(move || runs.run()));
        let task = task.map_err(|error| Error::unavailable(NAME, error.to_string()))?;
        Ok(Box::new(TableSink { writer, task }))
    }

    fn flush(&self, _: Duration) {}
}

/// Rows of one delivery.
#[derive(Debug)]
struct Chunk {
    delivery: Arc<Delivery>,
    rows: Rows,
    _charge: Charge,
}

#[derive(Debug, Default)]
struct Chunks {
    waiting: VecDeque<Chunk>,
    /// Whether it is to end once all is written.
    retires: bool,
    /// Whether it is to end at once.
    is_closed: bool,
}

#[derive(Debug)]
struct Writer {
    memory: Memory,
    report: Report,
    part: Part,
    name: String,
    table: String,
    on_conflict: Conflict,
    metrics: SinkMetrics,
    letters: Arc<dyn DeadLetters>,
    chunks: Mutex<Chunks>,
    wake: Wake,
}

impl Writer {
    fn run(&self) {
        let _listening = self.memory.listen(&self.wake);
        loop {
            let away = self.memory.look(|state| state.tables_away.clone());
            let next = {
                let mut chunks = lock(&self.chunks);
                // The next owner of the partition reads them again.
                chunks.waiting.retain(|chunk| !chunk.delivery.ledger().is_closed());
                if chunks.is_closed || self.memory.has_crashed() || chunks.retires && chunks.waiting.is_empty() {
                    return;
                }
                if away.is_some() { None } else { chunks.waiting.pop_front() }
            };
            match &away {
                Some(reason) => drop(self.report.status.raise(&self.part, JobState::Degraded, reason)),
                None => drop(self.report.status.clear(&self.part)),
            }
            match next {
                None => self.memory.clock.wait(&self.wake, LONG),
                Some(chunk) => {
                    self.memory.clock.wait(&Wake::default(), self.memory.latency);
                    self.write(chunk);
                }
            }
        }
    }

    fn write(&self, Chunk { delivery, rows, _charge }: Chunk) {
        if self.memory.has_crashed() {
            return;
        }
        let mut refused = Vec::new();
        self.memory.with(|state| {
            let rules = state.rules.row.clone();
            // A statement has no table of its own.
            let table = state.tables.entry(self.table.clone()).or_insert_with(Table::default);
            for (n, &index) in rows.origin.iter().enumerate() {
                let row = row(&rows, n);
                let refusal = rules.as_ref().and_then(|refuses| refuses(&self.table, &row));
                match refusal.map_or_else(|| table.write(row, self.on_conflict), Err) {
                    Ok(()) => drop(self.metrics.records.inc()),
                    Err(reason) => refused.push((index, reason)),
                }
            }
        });
        // A moment passes until the answer is there.
        self.memory.clock.wait(&Wake::default(), self.memory.latency);
        if self.memory.has_crashed() {
            return;
        }
        for (index, reason) in refused {
            self.letters.send(&delivery, index, Stage::Sink, &format!("sink `{}`: {reason}", self.name));
        }
        delivery.acknowledge(1);
    }
}

/// A table or statement that one instance writes to.
#[derive(Debug)]
struct TableSink {
    writer: Arc<Writer>,
    task: Task,
}

impl Sink for TableSink {
    fn write(&self, delivery: &Arc<Delivery>, output: Output) {
        let bytes = output.bytes(delivery.batch());
        let Output::Rows { rows, .. } = output else {
            return self.writer.report.fault.set(format!("an output for sink {} that it does not take", output.sink()));
        };
        if rows.origin.is_empty() {
            return;
        }
        delivery.expect(1);
        lock(&self.writer.chunks).waiting.push_back(Chunk {
            delivery: Arc::clone(delivery),
            rows,
            _charge: delivery.charge(bytes),
        });
        self.writer.wake.call();
    }

    fn retire(&self) {
        lock(&self.writer.chunks).retires = true;
        self.writer.wake.call();
    }

    fn has_ended(&self) -> bool {
        self.task.is_over()
    }
}

impl Drop for TableSink {
    fn drop(&mut self) {
        let forgotten = {
            let mut chunks = lock(&self.writer.chunks);
            chunks.is_closed = true;
            std::mem::take(&mut chunks.waiting)
        };
        drop(forgotten);
        self.writer.wake.call();
        if !self.has_ended() {
            self.writer.report.status.clear(&self.writer.part);
        }
    }
}
