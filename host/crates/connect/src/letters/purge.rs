//! Deleting dead letters for good: records of the log up to an offset, and files.
//!
//! Only what Pelton wrote is deleted: a topic that merely has such a name is left alone.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::error::LettersError;
use super::letter::Place;
use super::list::{Letters, broken};
use super::store::{Item, LetterLog};
use super::types::{Purge, Purged};

/// What a look at one partition finds.
struct Cut {
    /// Everything before this offset is deleted.
    offset: i64,
    letters: u64,
    /// Whether a letter was found that stays.
    stays: bool,
}

/// Deletes all letters, or those before a time: of each partition the head up to the first letter that is not before
/// it. Call it where blocking is allowed.
///
/// # Errors
/// What could not be read or deleted. Records are deleted before files.
pub fn purge(letters: &Letters, request: &Purge) -> Result<Purged, LettersError> {
    let mut purged = Purged::default();
    if let Some(log) = &letters.log {
        let cuts = cuts(&**log, request)?;
        let has_more =
            |partition: &i32, cut: &Cut| log.bounds().get(partition).is_some_and(|&(first, _)| first < cut.offset);
        let cut = cuts.iter().filter(|(partition, cut)| has_more(partition, cut));
        let offsets: BTreeMap<i32, i64> = cut.map(|(&partition, cut)| (partition, cut.offset)).collect();
        if !offsets.is_empty() {
            log.delete_before(&offsets).map_err(LettersError::NotDeleted)?;
        }
        purged.purged += cuts.values().map(|cut| cut.letters).sum::<u64>();
    }
    for name in letters.files.names().map_err(broken)? {
        let is_due = match request.before {
            None => true,
            // One that can't be read has no time.
            Some(before) => letters.files.read(&name).is_ok_and(|letter| letter.at < before),
        };
        if is_due {
            letters.files.remove(&name).map_err(broken)?;
            purged.purged += 1;
        }
    }
    tracing::info!(job.name = letters.job, "purged {} dead letters of {}", purged.purged, letters.job);
    Ok(purged)
}

fn cuts(log: &dyn LetterLog, request: &Purge) -> Result<BTreeMap<i32, Cut>, LettersError> {
    let bounds = log.bounds().iter();
    let mut cuts: BTreeMap<i32, Cut> =
        bounds.map(|(&partition, &(_, end))| (partition, Cut { offset: end, letters: 0, stays: false })).collect();
    let mut foreign = None;
    let read = log.read(&mut |item| {
        match item {
            Item::Letter(letter) => {
                if let Place::Topic { partition, offset } = letter.place
                    && let Some(cut) = cuts.get_mut(&partition).filter(|cut| !cut.stays)
                {
                    if request.before.is_none_or(|before| letter.at < before) {
                        cut.letters += 1;
                    } else {
                        cut.stays = true;
                        cut.offset = offset;
                    }
                }
            }
            Item::Foreign(partition, offset) => {
                if cuts.get(&partition).is_some_and(|cut| !cut.stays) {
                    foreign = Some(format!("{partition}/{offset}"));
                    return ControlFlow::Break(());
                }
            }
            Item::Mark(_) => {}
        }
        ControlFlow::Continue(())
    });
    read.map_err(LettersError::Unreachable)?;
    match foreign {
        Some(place) => Err(LettersError::NotOurs { log: log.name().to_owned(), place }),
        None => Ok(cuts),
    }
}
