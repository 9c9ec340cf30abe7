//! Redrive: dead letters go through the job's present version once more, as the records that they were.
//!
//! Letters are read in the order of their offsets and cut into batches of one source partition. A batch runs through a
//! pipeline of its own into the job's sinks; once everything of it is acknowledged, its letters are
//! marked, and a marked letter is never redriven again. So a letter is redriven once; after a crash, or when
//! another host's redrive cuts in, the letters of one batch may be redriven twice. A record that fails again becomes a
//! dead letter again; the old letter counts as redriven.
//!
//! What runs is a record, not a letter: all letters of one record (one for each row that was refused, one more after a
//! crash) are redriven by one run, and marked together.

mod run;

pub use run::RedriveJob;

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::BuildHasher;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use pelton_connect::letters::letter::REDRIVEN_FROM;
use pelton_connect::letters::list::{broken, no_such_letter};
use pelton_connect::letters::marks::Marks;
use pelton_connect::letters::types::{Redrive, Redriven};
use pelton_connect::letters::{Filter, Item, Letter, LetterLog, Letters, LettersError, MarkError, Marker, Place};
use pelton_model::record::Batch;
use pelton_model::settings::Batching;

use crate::error::Error;
use run::Run;

/// A redrive that was ended.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct RedriveError {
    /// Why.
    pub error: Error,
    /// Letters that were redriven before that, and are marked so.
    pub redriven: u64,
}

impl<E: Into<Error>> From<E> for RedriveError {
    fn from(error: E) -> Self {
        Self { error: error.into(), redriven: 0 }
    }
}

/// Redrives what is asked for. Blocks until it is done, fails, or `stop` is set.
///
/// # Errors
/// What ended it, and what was redriven before.
pub fn redrive(
    job: &RedriveJob,
    letters: &Letters,
    request: &Redrive,
    stop: &AtomicBool,
) -> Result<Redriven, RedriveError> {
    let chosen = Chosen::new(letters, request)?;
    let run = Run::start(job, stop)?;
    let mut redrive = Redriving { job, run, stop, counts: Redriven::default(), records: HashSet::new() };
    let hasher = RandomState::new();
    let result = redrive.log(letters, &chosen, &hasher).and_then(|()| redrive.files(letters, &chosen, &hasher));
    let Redriving { run, mut counts, .. } = redrive;
    counts.again = run.finish();
    tracing::info!(
        job.name = &*job.job.name,
        "redrove {} dead letters of {}, {} became dead letters again",
        counts.redriven,
        job.job.name,
        counts.again
    );
    match result {
        Ok(()) => Ok(counts),
        Err(error) => Err(RedriveError { error, redriven: counts.redriven }),
    }
}

/// Which letters are asked for.
enum Chosen {
    These(BTreeSet<Place>),
    Fitting(Filter),
}

impl Chosen {
    fn new(letters: &Letters, request: &Redrive) -> Result<Self, Error> {
        let filter = Filter::from(request);
        match (request.letters.is_empty(), request.all) {
            (true, true) => Ok(Self::Fitting(filter)),
            (false, false) if filter.is_empty() => {
                Ok(Self::These(request.letters.iter().map(|which| letters.place(which)).collect::<Result<_, _>>()?))
            }
            _ => Err(Error::WhichLetters),
        }
    }

    fn has(&self, letter: &Letter<'_>) -> bool {
        match self {
            Self::These(places) => places.contains(&letter.place),
            Self::Fitting(filter) => filter.fits(letter),
        }
    }
}

/// A letter of the topic, as short as it can be said: a topic may have millions.
struct Entry {
    offset: i64,
    /// The hash of the record's coordinates and time. Random for each redrive, so nobody can make two collide.
    record: u64,
    partition: i32,
    is_chosen: bool,
}

/// What is to be done with the topic: for each first letter of a record all unmarked letters of that record.
type Plan = BTreeMap<(i32, i64), Vec<(i32, i64)>>;

struct Redriving<'a> {
    job: &'a RedriveJob,
    run: Run<'a>,
    stop: &'a AtomicBool,
    counts: Redriven,
    /// The records that have been run.
    records: HashSet<u64>,
}

/// Records that will run together.
struct Pending {
    /// As the job sees them.
    batch: Batch,
    /// The same, each with the mark of its origin: what is forwarded or becomes a dead letter again.
    marked: Batch,
    origins: Vec<String>,
    letters: Vec<(i32, i64)>,
}

impl Pending {
    fn new(letter: &Letter<'_>) -> Self {
        Self { batch: letter.batch(), marked: letter.batch(), origins: Vec::new(), letters: Vec::new() }
    }

    fn add(&mut self, letter: &Letter<'_>, job: &str) {
        let origin = letter.origin(job);
        letter.add_to(&mut self.batch, &[]);
        letter.add_to(&mut self.marked, &[(REDRIVEN_FROM, &origin)]);
        self.origins.push(origin);
    }

    /// Whether the letter's record can come next in this batch.
    fn takes(&self, letter: &Letter<'_>, batching: &Batching) -> bool {
        *self.batch.topic == letter.source.topic
            && self.batch.partition == letter.source.partition
            && self.batch.offsets.last().is_none_or(|&last| last < letter.source.offset)
            && self.batch.len() < batching.max_records
            && self.batch.bytes() + letter.bytes() <= batching.max_bytes
    }
}

fn record(hasher: &RandomState, letter: &Letter<'_>) -> u64 {
    let source = &letter.source;
    hasher.hash_one((&source.topic, source.partition, source.offset, letter.timestamp))
}

impl Redriving<'_> {
    fn log(&mut self, letters: &Letters, chosen: &Chosen, hasher: &RandomState) -> Result<(), Error> {
        let Some(before) = &letters.log else { return Ok(()) };
        if matches!(chosen, Chosen::These(places) if !places.iter().any(|place| matches!(place, Place::Topic { .. }))) {
            return Ok(());
        }
        // In this order: what a redrive before has marked is seen, and it marks nothing from now on.
        let store = self.job.environment.connectors.letters();
        let marker = store.begin_redrive(&letters.job).map_err(LettersError::Unreachable)?;
        let log = store
            .log(&letters.job)
            .map_err(LettersError::Unreachable)?
            .ok_or_else(|| no_such_letter(&letters.job, format!("the topic {} is gone", before.name())))?;
        let plan = self.plan(&*log, letters, chosen, hasher)?;
        let starts = plan.keys().rev().map(|&(partition, offset)| (partition, offset)).collect();
        let mut left = plan;
        let mut pending: Option<Pending> = None;
        let mut failed = None;
        let read = log.read_from(&starts, &mut |item| {
            let Item::Letter(letter) = item else { return ControlFlow::Continue(()) };
            let Place::Topic { partition, offset } = letter.place else { return ControlFlow::Continue(()) };
            let Some(siblings) = left.remove(&(partition, offset)) else { return ControlFlow::Continue(()) };
            match self.take(&mut pending, &letter, siblings, &*marker) {
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
                Ok(()) if left.is_empty() => ControlFlow::Break(()),
                Ok(()) => ControlFlow::Continue(()),
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        read.map_err(LettersError::Unreachable)?;
        pending.map_or(Ok(()), |pending| self.flush(pending, &*marker))
    }

    /// Looks through the topic for what is to be done.
    fn plan(
        &mut self,
        log: &dyn LetterLog,
        letters: &Letters,
        chosen: &Chosen,
        hasher: &RandomState,
    ) -> Result<Plan, Error> {
        let mut marks = Marks::default();
        let mut entries = Vec::new();
        let read = log.read(&mut |item| {
            match item {
                Item::Letter(letter) => {
                    if let Place::Topic { partition, offset } = letter.place {
                        let record = record(hasher, &letter);
                        entries.push(Entry { offset, record, partition, is_chosen: chosen.has(&letter) });
                    }
                }
                Item::Mark(mark) => marks.add(&mark),
                Item::Foreign(..) => {}
            }
            ControlFlow::Continue(())
        });
        read.map_err(LettersError::Unreachable)?;
        if let Chosen::These(places) = chosen {
            let found: HashSet<_> = entries.iter().map(|entry| (entry.partition, entry.offset)).collect();
            for place in places {
                if let Place::Topic { partition, offset } = place
                    && !found.contains(&(*partition, *offset))
                {
                    let detail = format!("the record {place} is not a dead letter, or was purged");
                    return Err(no_such_letter(&letters.job, detail).into());
                }
            }
        }
        let is_marked = |entry: &Entry| marks.get(entry.partition, entry.offset).is_some();
        self.counts.skipped += entries.iter().filter(|entry| entry.is_chosen && is_marked(entry)).count() as u64;
        entries.retain(|entry| !is_marked(entry));
        let wanted: HashSet<u64> = entries.iter().filter(|entry| entry.is_chosen).map(|entry| entry.record).collect();
        let mut first: HashMap<u64, (i32, i64)> = HashMap::new();
        let mut plan = Plan::new();
        for entry in entries.iter().filter(|entry| wanted.contains(&entry.record)) {
            let place = (entry.partition, entry.offset);
            plan.entry(*first.entry(entry.record).or_insert(place)).or_default().push(place);
        }
        self.records.extend(wanted);
        Ok(plan)
    }

    /// Takes a letter's record into the batch, and runs what was pending where it doesn't fit in.
    fn take(
        &mut self,
        pending: &mut Option<Pending>,
        letter: &Letter<'_>,
        letters: Vec<(i32, i64)>,
        marker: &dyn Marker,
    ) -> Result<(), Error> {
        if !self.reads(letter) {
            self.counts.not_read += letters.len() as u64;
            return Ok(());
        }
        if let Some(full) = pending.take_if(|pending| !pending.takes(letter, &self.job.environment.config.batch)) {
            self.flush(full, marker)?;
        }
        let pending = pending.get_or_insert_with(|| Pending::new(letter));
        pending.add(letter, &self.job.job.name);
        pending.letters.extend(letters);
        Ok(())
    }

    /// Runs a batch and marks its letters.
    fn flush(&mut self, pending: Pending, marker: &dyn Marker) -> Result<(), Error> {
        self.check_stop()?;
        let Pending { batch, marked, origins, letters } = pending;
        self.run.run(&batch, marked, &origins)?;
        let mut places: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
        for &(partition, offset) in &letters {
            places.entry(partition).or_default().push(offset);
        }
        marker.mark(places).map_err(|error| match error {
            MarkError::Fenced => Error::Fenced,
            MarkError::NotTaken(_) => Error::NotMarked { cause: error.to_string().into(), letters: letters.len() },
        })?;
        self.counts.redriven += letters.len() as u64;
        Ok(())
    }

    /// Redrives files, one after the other: each is large.
    fn files(&mut self, letters: &Letters, chosen: &Chosen, hasher: &RandomState) -> Result<(), Error> {
        let names = match chosen {
            Chosen::Fitting(_) => letters.files.names().map_err(broken)?,
            Chosen::These(places) => places
                .iter()
                .filter_map(|place| if let Place::File(name) = place { Some(name.clone()) } else { None })
                .collect(),
        };
        for name in names {
            let letter = match (letters.files.read(&name), chosen) {
                (Ok(letter), _) => letter,
                (Err(error), Chosen::These(_)) => return Err(broken(error).into()),
                // The list tells of it.
                (Err(_), Chosen::Fitting(_)) => continue,
            };
            if !chosen.has(&letter) {
                continue;
            }
            if letter.redriven.is_some() {
                self.counts.skipped += 1;
                continue;
            }
            if !self.reads(&letter) {
                self.counts.not_read += 1;
                continue;
            }
            // Another letter of the same record may have run it already.
            if self.records.insert(record(hasher, &letter)) {
                self.check_stop()?;
                let mut pending = Pending::new(&letter);
                pending.add(&letter, &self.job.job.name);
                self.run.run(&pending.batch, pending.marked, &pending.origins)?;
            }
            letters.files.mark(&letter).map_err(broken)?;
            self.counts.redriven += 1;
        }
        Ok(())
    }

    /// Whether the job's version reads the letter's topic.
    fn reads(&self, letter: &Letter<'_>) -> bool {
        self.job.version.job.spec().sources.iter().any(|source| source.topic == letter.source.topic)
    }

    fn check_stop(&self) -> Result<(), Error> {
        if self.stop.load(Ordering::Acquire) { Err(Error::Stopping) } else { Ok(()) }
    }
}
