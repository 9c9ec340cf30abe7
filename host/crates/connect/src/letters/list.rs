//! Finding dead letters: lists with counts, and one letter whole.
//!
//! A list reads the whole topic, as it is at that moment. Memory is bounded: of each letter 16 bytes are kept for the
//! counts, of the newest that fit up to `MOST_LETTERS` with `LIST_BYTES` each of their parts, and of reasons
//! `MOST_REASONS`.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use std::path::Path;

use chrono::{DateTime, Utc};
use pelton_model::stage::Stage;
use pelton_model::text::quoted;

use super::error::{FileError, LettersError};
use super::files::Files;
use super::letter::{Letter, Place, head};
use super::marks::Marks;
use super::reason::group;
use super::store::{Item, LetterLog, LetterStore};
use super::types::{DeadLetter, DeadLetterList, ListDeadLetters, ReasonCount, Redrive, Which};

/// Most letters of one list.
const MOST_LETTERS: usize = 1000;
/// Letters of a list that doesn't say how many.
const LETTERS: usize = 100;
/// Most bytes in a list of a key, a value, a reason, and of all headers of one letter.
const LIST_BYTES: usize = 1024;
/// Most reasons that are told apart.
const MOST_REASONS: usize = 10_000;
/// Most reasons of a list.
const LIST_REASONS: usize = 100;
/// The first bytes of a reason that tell it from others.
const REASON_BYTES: usize = 200;
/// What is shorter than this is no beginning of a digest.
const DIGEST_BEGINNING: usize = 7;
/// What stands for the reasons beyond [`MOST_REASONS`].
const OTHERS: &str = "(other reasons)";

/// Which letters are meant.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    stage: Option<Stage>,
    reason: Option<String>,
    version: Option<String>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
}

impl Filter {
    /// Whether a letter is meant.
    pub fn fits(&self, letter: &Letter<'_>) -> bool {
        self.stage.is_none_or(|stage| letter.stage == stage)
            && self.reason.as_ref().is_none_or(|reason| is_reason(letter, reason))
            && self.version.as_ref().is_none_or(|version| is_version(letter, version))
            && self.since.is_none_or(|since| letter.at >= since)
            && self.until.is_none_or(|until| letter.at < until)
    }

    /// Whether every letter is meant.
    pub fn is_empty(&self) -> bool {
        self.stage.is_none()
            && self.reason.is_none()
            && self.version.is_none()
            && self.since.is_none()
            && self.until.is_none()
    }
}

/// Whether a text is of what is told of a letter, or of the group that it is counted in.
fn is_reason(letter: &Letter<'_>, text: &str) -> bool {
    letter.told.contains(text) || {
        let reason = letter.reason();
        reason.text.contains(text) || head(&group(&reason, letter.stage), REASON_BYTES).contains(text)
    }
}

/// Whether a letter is of a version: as that is declared, or the beginning of its digest.
fn is_version(letter: &Letter<'_>, version: &str) -> bool {
    letter.version == version || (version.len() >= DIGEST_BEGINNING && letter.digest.starts_with(version))
}

impl From<&ListDeadLetters> for Filter {
    fn from(list: &ListDeadLetters) -> Self {
        let ListDeadLetters { stage, reason, version, since, until, .. } = list.clone();
        Self { stage, reason, version, since, until }
    }
}

impl From<&Redrive> for Filter {
    fn from(redrive: &Redrive) -> Self {
        let Redrive { stage, reason, version, since, until, .. } = redrive.clone();
        Self { stage, reason, version, since, until }
    }
}

/// All dead letters of one job that this host can reach.
#[derive(Debug)]
pub struct Letters {
    /// The job's name.
    pub job: String,
    /// Those that are records, where there ever were any.
    pub log: Option<Box<dyn LetterLog>>,
    /// The files.
    pub files: Files,
}

/// The data folder can't be used.
pub fn broken(error: FileError) -> LettersError {
    tracing::error!("dead letters in the data folder: {error}");
    LettersError::Folder { cause: error }
}

impl Letters {
    /// Looks for the letters of a job, whether or not it is submitted: in `store`, and in `folder`, which is that of
    /// all jobs' dead letters.
    ///
    /// # Errors
    /// The store can't be asked.
    pub fn open(store: &dyn LetterStore, folder: &Path, job: &str) -> Result<Self, LettersError> {
        let log = store.log(job).map_err(LettersError::Unreachable)?;
        Ok(Self { job: job.to_owned(), log, files: Files::new(folder, job) })
    }

    /// Whether there is a topic or a file at all.
    pub fn exist(&self) -> bool {
        self.log.is_some() || self.files.names().is_ok_and(|names| !names.is_empty())
    }

    /// The newest letters that fit, and counts of all of them.
    ///
    /// # Errors
    /// They can't be read, or `before` makes no sense.
    pub fn list(&self, request: &ListDeadLetters) -> Result<DeadLetterList, LettersError> {
        let mut listing = Listing::new(request)?;
        let mut marks = Marks::default();
        if let Some(log) = &self.log {
            let read = log.read(&mut |item| {
                match item {
                    Item::Letter(letter) => listing.add(&letter),
                    Item::Mark(mark) => marks.add(&mark),
                    Item::Foreign(..) => listing.answer.foreign += 1,
                }
                ControlFlow::Continue(())
            });
            read.map_err(LettersError::Unreachable)?;
        }
        for name in self.files.names().map_err(broken)? {
            match self.files.read(&name) {
                Ok(letter) => listing.add(&letter),
                Err(error) => listing.answer.damaged.push(format!("{error:#}")),
            }
        }
        Ok(listing.finish(&marks))
    }

    /// One letter, whole.
    ///
    /// # Errors
    /// There is no such letter, or it can't be read.
    pub fn show(&self, which: &Which) -> Result<DeadLetter, LettersError> {
        let (partition, offset) = match self.place(which)? {
            Place::File(name) => return Ok(self.files.read(&name).map_err(broken)?.view(None)),
            Place::Topic { partition, offset } => (partition, offset),
        };
        let mut found = None;
        let mut marks = Marks::default();
        if let Some(log) = &self.log {
            let read = log.read_from(&BTreeMap::from([(partition, offset)]), &mut |item| {
                match item {
                    Item::Letter(letter) if letter.place == (Place::Topic { partition, offset }) => {
                        found = Some(letter.view(None));
                    }
                    Item::Mark(mark) => marks.add(&mark),
                    _ => {}
                }
                // Its mark, if it has one, comes behind it.
                if found.is_none() || marks.get(partition, offset).is_some() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
            read.map_err(LettersError::Unreachable)?;
        }
        let mut letter = found.ok_or_else(|| {
            no_such_letter(&self.job, format!("the record {partition}/{offset} is not a dead letter, or was purged"))
        })?;
        letter.redriven = marks.get(partition, offset);
        Ok(letter)
    }

    /// Where a letter is that somebody names. Refused where there can be none.
    ///
    /// # Errors
    /// There is none.
    pub fn place(&self, which: &Which) -> Result<Place, LettersError> {
        let (partition, offset) = match which {
            Which::File { file } if self.files.has(file) => return Ok(Place::File(file.clone())),
            Which::File { file } => {
                return Err(no_such_letter(&self.job, format!("there is no file {}", quoted(file))));
            }
            Which::Record { partition, offset } => (*partition, *offset),
        };
        let Some(log) = &self.log else {
            return Err(no_such_letter(&self.job, "it has no dead-letter topic".to_owned()));
        };
        let bounds = log.bounds();
        let partition = match partition {
            Some(partition) => partition,
            None if bounds.len() == 1 => 0,
            None => {
                return Err(LettersError::WhichPartition { log: log.name().to_owned(), partitions: bounds.len() });
            }
        };
        match bounds.get(&partition) {
            Some((first, end)) if (*first..*end).contains(&offset) => Ok(Place::Topic { partition, offset }),
            Some((first, end)) if first == end => {
                Err(no_such_letter(&self.job, format!("{}/{partition} is empty", log.name())))
            }
            Some((first, end)) => {
                let detail = format!("{}/{partition} has the offsets {first} to {}, not {offset}", log.name(), end - 1);
                Err(no_such_letter(&self.job, detail))
            }
            None => Err(no_such_letter(&self.job, format!("{} has no partition {partition}", log.name()))),
        }
    }
}

/// That there is no such letter, and what there is instead.
pub fn no_such_letter(job: &str, why: String) -> LettersError {
    LettersError::NoSuchLetter { job: job.to_owned(), why }
}

/// What letters are ordered by: time, then place.
type Key = (i64, Place);

/// A list on its way.
struct Listing {
    filter: Filter,
    limit: usize,
    before: Option<Key>,
    answer: DeadLetterList,
    newest: BTreeMap<Key, DeadLetter>,
    has_more: bool,
    reasons: HashMap<(Stage, String), usize>,
    counts: Vec<ReasonCount>,
    /// Partition, offset and reason of every letter of the topic that fits.
    fitting: Vec<(i32, u32, i64)>,
}

impl Listing {
    fn new(request: &ListDeadLetters) -> Result<Self, LettersError> {
        let before = request.before.as_deref().map(cursor).transpose()?;
        Ok(Self {
            filter: request.into(),
            limit: request.limit.unwrap_or(LETTERS).min(MOST_LETTERS),
            before,
            answer: DeadLetterList::default(),
            newest: BTreeMap::new(),
            has_more: false,
            reasons: HashMap::new(),
            counts: Vec::new(),
            fitting: Vec::new(),
        })
    }

    fn add(&mut self, letter: &Letter<'_>) {
        if !self.filter.fits(letter) {
            return;
        }
        let reason = self.reason(letter.stage, &group(&letter.reason(), letter.stage));
        if let Some(count) = self.counts.get_mut(reason) {
            count.count += 1;
            count.redriven += u64::from(letter.redriven.is_some());
        }
        if let Place::Topic { partition, offset } = letter.place {
            self.fitting.push((partition, reason as u32, offset));
        }
        let key = (letter.at.timestamp_millis(), letter.place.clone());
        if self.before.as_ref().is_some_and(|before| key >= *before) {
            return;
        }
        let is_among =
            self.newest.len() < self.limit || self.newest.first_key_value().is_some_and(|(first, _)| key > *first);
        if !is_among {
            self.has_more = true;
            return;
        }
        self.newest.insert(key, letter.view(Some(LIST_BYTES)));
        if self.newest.len() > self.limit {
            self.newest.pop_first();
            self.has_more = true;
        }
    }

    /// The index of a reason's count.
    fn reason(&mut self, stage: Stage, reason: &str) -> usize {
        let mut key = (stage, head(reason, REASON_BYTES).to_owned());
        if let Some(&index) = self.reasons.get(&key) {
            return index;
        }
        if self.counts.len() >= MOST_REASONS {
            OTHERS.clone_into(&mut key.1);
            if let Some(&index) = self.reasons.get(&key) {
                return index;
            }
        }
        self.counts.push(ReasonCount { stage, reason: key.1.clone(), count: 0, redriven: 0 });
        self.reasons.insert(key, self.counts.len() - 1);
        self.counts.len() - 1
    }

    fn finish(mut self, marks: &Marks) -> DeadLetterList {
        for (partition, reason, offset) in self.fitting {
            if let (Some(_), Some(count)) = (marks.get(partition, offset), self.counts.get_mut(reason as usize)) {
                count.redriven += 1;
            }
        }
        let mut answer = self.answer;
        answer.total = self.counts.iter().map(|count| count.count).sum();
        answer.redriven = self.counts.iter().map(|count| count.redriven).sum();
        self.counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
        self.counts.truncate(LIST_REASONS);
        answer.reasons = self.counts;
        if let Some(((at, place), _)) = self.newest.first_key_value().filter(|_| self.has_more) {
            answer.next = Some(format!("{at}:{place}"));
        }
        answer.letters = self.newest.into_values().rev().collect();
        for letter in &mut answer.letters {
            if let (Some(partition), Some(offset)) = (letter.partition, letter.offset) {
                letter.redriven = marks.get(partition, offset);
            }
        }
        answer
    }
}

/// Reads what `next` gave.
fn cursor(text: &str) -> Result<Key, LettersError> {
    let read = || {
        let (at, place) = text.split_once(':')?;
        let place = match place.split_once('/') {
            Some((partition, offset)) => {
                Place::Topic { partition: partition.parse().ok()?, offset: offset.parse().ok()? }
            }
            None => Place::File(place.to_owned()),
        };
        Some((at.parse().ok()?, place))
    };
    read().ok_or_else(|| LettersError::NoCursor { before: text.to_owned() })
}
