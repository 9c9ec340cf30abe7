//! What is to be done so that a job is what its record says. Nothing is done here.

use crate::catalog::{Entry, Revision};
use crate::record::JobRecord;

/// What is there of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Actual {
    /// What it was last told to be.
    pub record: JobRecord,
    /// The revision of the record that has been carried out, all of it.
    pub revision: Revision,
    /// Whether it was told to end: then it can't go on any more.
    pub ends: bool,
    /// Whether it has ended.
    pub is_over: bool,
}

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Have the job run, or be held, as the record says.
    Start,
    /// Put the record's version and parameters to work.
    Version,
    /// Have the record's number of instances.
    Scale,
    /// Hold the job, or let it go on.
    Hold(bool),
    /// Note that the record has been carried out.
    Adopt(Revision),
    /// Tell the job to end.
    Stop,
    /// Delete the record of a job that has ended.
    Remove(Revision),
    /// Forget what has ended.
    Forget,
}

/// The next steps, in order. A step that can't be done breaks off; the others are planned anew. Where there is none,
/// either all is as it is to be, or the job is about to end and a plan is due once it has.
pub fn plan(desired: Option<&Entry>, actual: Option<&Actual>) -> Vec<Action> {
    let end = |actual: &Actual| match (actual.is_over, actual.ends) {
        (true, _) => vec![Action::Forget],
        (false, true) => Vec::new(),
        (false, false) => vec![Action::Stop],
    };
    match (desired, actual) {
        (None, None) => Vec::new(),
        (None, Some(actual)) => end(actual),
        (Some(entry), None) if entry.record.cancelled => vec![Action::Remove(entry.revision)],
        (Some(_), None) => vec![Action::Start],
        (Some(entry), Some(actual)) if entry.record.cancelled && entry.record.is_of_one_submit(&actual.record) => {
            let mut steps = end(actual);
            // Whoever waits for the end of the job sees that it is gone from the catalog as well.
            if actual.is_over {
                steps.insert(0, Action::Remove(entry.revision));
            }
            steps
        }
        (Some(entry), Some(actual))
            if actual.is_over || actual.ends || !entry.record.is_of_one_submit(&actual.record) =>
        {
            end(actual)
        }
        (Some(entry), Some(actual)) => differences(entry, actual),
    }
}

fn differences(entry: &Entry, Actual { record: is, revision, .. }: &Actual) -> Vec<Action> {
    let wanted = &entry.record;
    let mut steps = Vec::new();
    if wanted.paused != is.paused {
        steps.push(Action::Hold(wanted.paused));
    }
    if wanted.parallelism != is.parallelism {
        steps.push(Action::Scale);
    }
    if !wanted.is_version_of(is) {
        steps.push(Action::Version);
    }
    if entry.revision != *revision {
        steps.push(Action::Adopt(entry.revision));
    }
    steps
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::{DateTime, Duration};
    use proptest::prelude::*;

    use super::*;
    use pelton_model::parallelism::Parallelism;

    fn record() -> impl Strategy<Value = JobRecord> {
        let (submit, version, parameter) = (0..2i64, 1..4u32, 0..3u8);
        (submit, version, parameter, 1..4usize, any::<bool>(), any::<bool>()).prop_map(
            |(submit, version, parameter, parallelism, paused, cancelled)| JobRecord {
                name: "a".to_owned(),
                submitted: DateTime::UNIX_EPOCH + Duration::seconds(submit),
                version,
                digest: format!("d{version}"),
                parameters: BTreeMap::from([("p".to_owned(), parameter.to_string())]).into(),
                parallelism: Parallelism::Of(parallelism),
                paused,
                cancelled,
                ..JobRecord::default()
            },
        )
    }

    fn entry() -> impl Strategy<Value = Option<Entry>> {
        proptest::option::of((1..5u64, record()).prop_map(|(n, record)| Entry { revision: Revision(n), record }))
    }

    fn actual() -> impl Strategy<Value = Option<Actual>> {
        let actual = (0..5u64, record(), any::<bool>(), any::<bool>()).prop_map(|(n, mut record, ends, is_over)| {
            record.cancelled = false;
            Actual { record, revision: Revision(n), ends, is_over }
        });
        proptest::option::of(actual)
    }

    /// Does a step as the supervisor does it.
    fn act(action: Action, desired: &mut Option<Entry>, actual: &mut Option<Actual>) {
        let is = |actual: &mut Option<Actual>, change: &dyn Fn(&mut Actual)| change(actual.as_mut().unwrap());
        let wanted = desired.as_ref().map(|entry| entry.record.clone()).unwrap_or_default();
        match action {
            Action::Start => {
                assert!(actual.is_none() && !wanted.cancelled);
                let revision = desired.as_ref().unwrap().revision;
                *actual = Some(Actual { record: wanted, revision, ends: false, is_over: false });
            }
            Action::Version => is(actual, &|actual| {
                actual.record.version = wanted.version;
                actual.record.digest.clone_from(&wanted.digest);
                actual.record.parameters.clone_from(&wanted.parameters);
            }),
            Action::Scale => is(actual, &|actual| actual.record.parallelism = wanted.parallelism),
            Action::Hold(paused) => is(actual, &|actual| actual.record.paused = paused),
            Action::Adopt(revision) => is(actual, &|actual| {
                actual.record = wanted.clone();
                actual.revision = revision;
            }),
            Action::Stop => is(actual, &|actual| actual.ends = true),
            Action::Remove(revision) => {
                assert!(actual.as_ref().is_none_or(|actual| actual.is_over), "it still runs");
                let removed = desired.take().unwrap();
                assert!(removed.revision == revision && removed.record.cancelled, "nobody has cancelled it");
            }
            Action::Forget => assert!(actual.take().unwrap().is_over, "it still runs"),
        }
    }

    proptest! {
        /// Whatever is there, and whichever steps fail, all becomes as it is to be, and then nothing more is done.
        #[test]
        fn it_converges(
            mut desired in entry(), mut actual in actual(),
            failures in proptest::collection::vec(any::<bool>(), 0..8),
        ) {
            let wanted = desired.clone();
            let mut failures = failures.into_iter();
            for _ in 0..40 {
                for action in plan(desired.as_ref(), actual.as_ref()) {
                    if failures.next().unwrap_or(false) {
                        break;
                    }
                    act(action, &mut desired, &mut actual);
                }
                // What was told to end does so at some time.
                if let Some(actual) = actual.as_mut().filter(|actual| actual.ends) {
                    actual.is_over = true;
                }
            }
            prop_assert_eq!(plan(desired.as_ref(), actual.as_ref()), vec![]);
            match wanted.filter(|entry| !entry.record.cancelled) {
                None => prop_assert!(desired.is_none() && actual.is_none()),
                Some(entry) => {
                    let is = actual.unwrap();
                    prop_assert_eq!((&is.record, is.revision), (&entry.record, entry.revision));
                    prop_assert!(!is.ends && !is.is_over);
                    prop_assert_eq!(desired, Some(entry));
                }
            }
        }

        /// A job that is to run and runs is never ended by a change of it.
        #[test]
        fn a_change_ends_nothing(entry in record(), is in record()) {
            let entry = Entry { revision: Revision(2), record: JobRecord { cancelled: false, ..entry } };
            let is = JobRecord { submitted: entry.record.submitted, cancelled: false, ..is };
            let actual = Actual { record: is, revision: Revision(1), ends: false, is_over: false };
            let steps = plan(Some(&entry), Some(&actual));
            let ends = |step: &Action| {
                matches!(step, Action::Stop | Action::Forget | Action::Start | Action::Remove(_))
            };
            prop_assert!(!steps.iter().any(ends));
            prop_assert_eq!(steps.last(), Some(&Action::Adopt(Revision(2))));
        }
    }
}
