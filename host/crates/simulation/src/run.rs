//! One run: a seeded schedule of records, outages, rebalances, verbs and crashes, and what must be true meanwhile and
//! at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pelton_connect::memory::{Memory, Record};
use pelton_control::catalog::Catalog;
use pelton_control::catalog::memory::{Death, Memory as MemoryCatalog};
use pelton_control::types::{Hold, Reload, Rollback, Scale};
use pelton_model::parallelism::Parallelism;

use crate::defects::Defect;
use crate::guest::{FORWARDED, INPUT, MADE, ROWS, parse};
use crate::world::{GROUP, Host, JOB, World, component};

/// How long everything may take to be delivered once nothing is in the way any more.
const PATIENCE: Duration = Duration::from_secs(3600);
/// What a job can be on a host: its version's component, its parallelism, and whether it is held; none where there is
/// no job.
type Desired = Option<(String, Parallelism, bool)>;

/// A run under way.
pub struct Run {
    world: World,
    hosts: Vec<(MemoryCatalog, Option<Host>)>,
    partitions: usize,
    /// The number of the next record.
    next: i64,
    /// By partition, up to which offset everything was seen to be there.
    seen: BTreeMap<i32, i64>,
    /// What happened, for a run that fails.
    told: String,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// How often threads took turns: the same for the same seed.
    pub turns: u64,
    /// How many records there were.
    pub records: i64,
}

/// Runs a seed.
///
/// # Errors
/// What was not as it must be, with all that happened before.
pub fn run(seed: u64, defect: Option<Defect>) -> Result<Ended, String> {
    let partitions = 1 + (seed % 3) as usize;
    let world = World::new(seed, partitions, defect);
    let mut run = Run { world, hosts: Vec::new(), partitions, next: 0, seen: BTreeMap::new(), told: String::new() };
    let result = run.all(seed);
    // Whatever goes on ends.
    for (_, host) in std::mem::take(&mut run.hosts) {
        host.into_iter().for_each(|host| run.world.crash(host));
    }
    result.map_err(|error| format!("seed {seed}: {error}\n{}", run.told))
}

impl Run {
    fn all(&mut self, seed: u64) -> Result<Ended, String> {
        let count = 1 + (seed / 3 % 2) as usize;
        for number in 0..count {
            let catalog = MemoryCatalog::default();
            let host = self.world.start(&catalog);
            host.submit(1, Parallelism::Of(1 + number)).map_err(|error| format!("the first submit failed: {error}"))?;
            self.hosts.push((catalog, Some(host)));
        }
        self.produce(20);
        for _ in 0..40 {
            self.step()?;
            let time = self.world.schedule.below(400);
            self.world.pass(Duration::from_millis(time));
            self.committed_is_there()?;
        }
        self.heal()?;
        self.settle()?;
        self.in_order(FORWARDED)?;
        Ok(Ended { turns: self.world.schedule.turns(), records: self.next })
    }

    fn tell(&mut self, what: &str) {
        let _ = writeln!(self.told, "{:?} {what}", self.world.schedule.now());
    }

    /// Writes up to `most` records.
    fn produce(&mut self, most: u64) {
        let count = self.world.schedule.below(most) + 1;
        for _ in 0..count {
            let kinds = match self.world.schedule.below(24) {
                0 => "t",
                1 => "T",
                2 => "x",
                3 => "fb",
                4 => "fq",
                5..8 => "r",
                8..11 => "m",
                11..15 => "f",
                _ => "fmr",
            };
            let partition = self.world.schedule.below(self.partitions as u64) as i32;
            let record = Record { partition, ..Record::new(format!("{}:{kinds}", self.next)) };
            self.world.memory.append(INPUT, record);
            self.next += 1;
        }
        self.tell(&format!("{count} records"));
    }

    /// Something happens.
    fn step(&mut self) -> Result<(), String> {
        let which = self.world.schedule.below(self.hosts.len() as u64) as usize;
        match self.world.schedule.below(20) {
            0..7 => self.produce(15),
            7 => {
                self.tell("topics are away");
                self.world.memory.set_topics_away(Some("away"));
            }
            8 => {
                self.tell("tables are away");
                self.world.memory.set_tables_away(Some("away"));
            }
            9 | 10 => {
                self.tell("topics and tables are back");
                self.world.memory.set_topics_away(None);
                self.world.memory.set_tables_away(None);
            }
            11 => {
                self.tell("rebalance");
                self.world.memory.rebalance(GROUP);
            }
            12 => {
                self.tell("members are taken for dead");
                self.world.memory.expel(GROUP);
            }
            13 | 14 => self.crash(which)?,
            _ => self.verb(which)?,
        }
        Ok(())
    }

    /// What a host's catalog says of the job.
    fn desired(&self, which: usize) -> Desired {
        let entry = self.hosts[which].0.get(JOB).unwrap()?;
        let record = entry.record;
        (!record.cancelled).then_some((record.digest, record.parallelism, record.paused))
    }

    /// A verb on a host, which may die meanwhile at one of its writes.
    fn verb(&mut self, which: usize) -> Result<(), String> {
        let before = self.desired(which);
        let dies = self.world.one_in(4);
        let number = self.world.schedule.below(8);
        let version = 1 + self.world.schedule.below(3) as u32;
        let instances = match self.world.schedule.below(4) {
            0 => Parallelism::Auto,
            number => Parallelism::Of(number as usize),
        };
        let Some(host) = self.hosts[which].1.take() else { return Ok(()) };
        if dies {
            let write = host.catalog.writes() + self.world.schedule.below(2);
            host.catalog.die(if self.world.one_in(2) { Death::Before(write) } else { Death::After(write) });
        }
        self.world.verb.store(true, Ordering::Release);
        // What it is to be afterwards, where it goes well.
        let mut after = before.clone();
        let (what, result) = match number {
            0..3 => {
                let wasm = component(version);
                let result = host.jobs.upload(&wasm).and_then(|uploaded| {
                    host.jobs.reload(JOB, &Reload { digest: Some(uploaded.digest), ..Reload::default() })
                });
                after = after.map(|(_, instances, paused)| (pelton_model::digest::digest(&wasm), instances, paused));
                (format!("reload to version {version}"), result.map(drop))
            }
            3 => {
                let result = host.jobs.rollback(JOB, &Rollback::default());
                // Whichever was the one before.
                if result.is_ok() {
                    after = self.desired(which);
                }
                ("rollback".to_owned(), result.map(drop))
            }
            4 => {
                after = after.map(|(digest, _, paused)| (digest, instances, paused));
                let result = host.jobs.scale(JOB, &Scale { parallelism: instances, force: false, by: None });
                (format!("scale to {instances}"), result.map(drop))
            }
            5 => {
                after = after.map(|(digest, instances, _)| (digest, instances, true));
                ("pause".to_owned(), host.jobs.pause(JOB, &Hold::default()).map(drop))
            }
            6 => {
                after = after.map(|(digest, instances, _)| (digest, instances, false));
                ("resume".to_owned(), host.jobs.resume(JOB, &Hold::default()).map(drop))
            }
            _ if before.is_some() => {
                after = None;
                ("cancel".to_owned(), host.jobs.cancel(JOB, None).map(drop))
            }
            _ => {
                after = Some((pelton_model::digest::digest(&component(1)), instances, false));
                ("submit".to_owned(), host.submit(1, instances))
            }
        };
        self.world.verb.store(false, Ordering::Release);
        let is_dead = host.catalog.is_dead();
        let ended = match &result {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.to_string(),
        };
        self.tell(&format!("host {}: {what}: {ended}{}", host.life, if is_dead { ", and it died" } else { "" }));
        if is_dead {
            self.world.crash(host);
        } else {
            host.catalog.live();
            self.hosts[which].1 = Some(host);
        }
        // An automatic rollback may have come meanwhile: then the version is another one that the job had.
        let found = self.desired(which);
        let is_version = |state: &Desired| {
            state.as_ref().map(|(_, instances, paused)| (*instances, *paused))
                == found.as_ref().map(|(_, instances, paused)| (*instances, *paused))
        };
        let allowed =
            if result.is_ok() && !is_dead { is_version(&after) } else { is_version(&before) || is_version(&after) };
        if !allowed {
            return Err(format!("after {what} the job is {found:?}, neither {before:?} nor {after:?}"));
        }
        if is_dead {
            self.restart(which)?;
        }
        Ok(())
    }

    fn crash(&mut self, which: usize) -> Result<(), String> {
        let before = self.desired(which);
        if let Some(host) = self.hosts[which].1.take() {
            self.tell(&format!("host {} crashes", host.life));
            self.world.crash(host);
        }
        let time = self.world.schedule.below(500);
        self.world.pass(Duration::from_millis(time));
        let found = self.desired(which);
        if found.is_some() != before.is_some() {
            return Err(format!("after a crash the job is {found:?}, and it was {before:?}"));
        }
        self.restart(which)
    }

    fn restart(&mut self, which: usize) -> Result<(), String> {
        let catalog = self.hosts[which].0.beside();
        let host = self.world.start(&catalog);
        self.tell(&format!("host {} begins", host.life));
        if self.desired(which).is_some() && host.jobs.show(JOB).is_err() {
            return Err("what runs after a restart is not what the catalog says".to_owned());
        }
        self.hosts[which].1 = Some(host);
        Ok(())
    }

    /// Nothing is in the way any more, and every host runs the job.
    fn heal(&mut self) -> Result<(), String> {
        self.tell("all is well again");
        self.world.memory.set_topics_away(None);
        self.world.memory.set_tables_away(None);
        for which in 0..self.hosts.len() {
            if self.hosts[which].1.is_none() {
                self.restart(which)?;
            }
            let Some(host) = &self.hosts[which].1 else { continue };
            let goes_on = match self.desired(which) {
                None => {
                    // One that is being cancelled ends first.
                    let mut submitted = host.submit(1, Parallelism::Of(2));
                    for _ in 0..1000 {
                        if submitted.is_ok() {
                            break;
                        }
                        self.world.pass(Duration::from_millis(100));
                        submitted = host.submit(1, Parallelism::Of(2));
                    }
                    submitted
                }
                Some(_) => host.jobs.resume(JOB, &Hold::default()).map(drop),
            };
            goes_on.map_err(|error| format!("the job can't go on at the end: {error}"))?;
        }
        Ok(())
    }

    /// Waits until everything is committed, and sees that everything is there.
    fn settle(&mut self) -> Result<(), String> {
        let began = self.world.schedule.now();
        loop {
            let committed = self.world.memory.group(GROUP).committed;
            let ends = self.ends();
            let is_done = ends.iter().all(|(partition, end)| {
                *end == 0 || committed.get(&(INPUT.to_owned(), *partition)).is_some_and(|next| next >= end)
            });
            if is_done {
                return self.committed_is_there();
            }
            if self.world.schedule.now() - began > PATIENCE {
                let states: Vec<_> =
                    self.hosts.iter().flat_map(|(_, host)| host).map(|host| host.jobs.list()).collect();
                return Err(format!("it stands still at {committed:?} of {ends:?}: {states:#?}"));
            }
            self.world.pass(Duration::from_millis(500));
        }
    }

    fn ends(&self) -> BTreeMap<i32, i64> {
        let mut ends = BTreeMap::new();
        for record in self.world.memory.records(INPUT) {
            ends.insert(record.partition, record.offset + 1);
        }
        ends
    }

    /// Everything that is committed is in the sinks or among the dead letters.
    fn committed_is_there(&mut self) -> Result<(), String> {
        let committed = self.world.memory.group(GROUP).committed;
        let there = There::look(&self.world.memory);
        for record in self.world.memory.records(INPUT) {
            let next = committed.get(&(INPUT.to_owned(), record.partition)).copied().unwrap_or(0);
            let seen = self.seen.entry(record.partition).or_default();
            if record.offset < next && record.offset >= *seen {
                let missing = there.misses(&record);
                if let Some(missing) = missing {
                    let value = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
                    return Err(format!(
                        "{INPUT}/{}/{} ({value}) is committed, and {missing} is not there",
                        record.partition, record.offset
                    ));
                }
                *seen = record.offset + 1;
            }
        }
        Ok(())
    }

    /// The first of each output come in the order of their records, partition by partition.
    fn in_order(&self, topic: &str) -> Result<(), String> {
        let mut last: BTreeMap<i32, i64> = BTreeMap::new();
        let mut known = BTreeSet::new();
        for record in self.world.memory.records(topic) {
            let Some((number, kinds)) = record.value.as_deref().and_then(parse) else {
                return Err(format!("{topic} has what no record became: {record:?}"));
            };
            // Versions differ on these.
            if kinds.contains('T') || !known.insert(number) {
                continue;
            }
            let before = last.insert(record.partition, number);
            if before.is_some_and(|before| before > number) {
                return Err(format!("in {topic}/{} record {number} comes after {before:?}", record.partition));
            }
        }
        Ok(())
    }
}

/// What is in the sinks and among the dead letters.
struct There {
    forwarded: BTreeSet<i64>,
    made: BTreeSet<i64>,
    rows: BTreeSet<i64>,
    /// Partition, offset and stage.
    letters: BTreeSet<(String, String, String)>,
}

impl There {
    fn look(memory: &Memory) -> Self {
        let number = |record: &Record, end: char| -> Option<i64> {
            std::str::from_utf8(record.value.as_deref()?).ok()?.split(end).next()?.parse().ok()
        };
        let header = |record: &Record, name: &str| -> String {
            let found = record.headers.iter().rev().find(|(header, _)| **header == *name.as_bytes());
            let value = found.and_then(|(_, value)| value.as_deref()).unwrap_or_default();
            String::from_utf8_lossy(value).into_owned()
        };
        let letter = |record: &Record| {
            let [partition, offset, stage] =
                ["pelton.partition", "pelton.offset", "pelton.stage"].map(|name| header(record, name));
            (partition, offset, stage)
        };
        Self {
            forwarded: memory.records(FORWARDED).iter().filter_map(|record| number(record, ':')).collect(),
            made: memory.records(MADE).iter().filter_map(|record| number(record, '@')).collect(),
            rows: memory.rows(ROWS).iter().filter_map(|row| row.first()?.as_deref()?.parse().ok()).collect(),
            letters: memory.records(&format!("{JOB}.dlq")).iter().map(letter).collect(),
        }
    }

    /// What is missing of a record.
    fn misses(&self, record: &Record) -> Option<String> {
        let (number, kinds) = record.value.as_deref().and_then(parse)?;
        let letter = |stage: &str| {
            self.letters.contains(&(record.partition.to_string(), record.offset.to_string(), stage.to_owned()))
        };
        if kinds.contains('T') && letter("guest") {
            return None;
        }
        let missing = |kind: char| match kind {
            'f' => (!self.forwarded.contains(&number)).then_some("what it was forwarded as"),
            'm' => (!self.made.contains(&number)).then_some("its message"),
            'r' => (!self.rows.contains(&number)).then_some("its row"),
            'q' | 'b' => (!letter("sink")).then_some("the dead letter of what was refused"),
            'x' => (!letter("reject")).then_some("the dead letter of its reject"),
            't' => (!letter("guest")).then_some("its dead letter"),
            _ => None,
        };
        kinds.chars().find_map(missing).map(str::to_owned)
    }
}
