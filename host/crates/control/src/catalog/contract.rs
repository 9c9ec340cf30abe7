//! What every catalog keeps to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use pelton_model::parallelism::Parallelism;
use pelton_model::spec::{Source, Spec};
use pelton_model::sync::lock;

use super::files::Files;
use super::memory::Memory;
use super::{Catalog, Entry, Error, PAST, Revision};
use crate::record::{JobRecord, Note};

fn record(name: &str, instances: usize) -> JobRecord {
    let parallelism = Parallelism::Of(instances);
    let mut record =
        JobRecord { name: name.to_owned(), group: format!("pelton-{name}"), parallelism, ..JobRecord::default() };
    let spec = Spec { sources: vec![Source { topic: "in".to_owned(), headers: true }], ..Spec::default() };
    let note = Note { by: "ana".to_owned(), why: "because".to_owned(), at: DateTime::UNIX_EPOCH };
    record.parameters = BTreeMap::from([("t".to_owned(), "1".to_owned())]).into();
    record.adopt("d1", &spec, &note);
    record
}

/// Runs a test on each catalog.
fn each(test: impl Fn(&dyn Catalog)) {
    test(&Memory::default());
    let folder = tempfile::tempdir().unwrap();
    test(&Files::open(folder.path().to_owned()).unwrap());
}

fn names(catalog: &dyn Catalog) -> Vec<String> {
    catalog.list().unwrap().entries.into_iter().map(|entry| entry.record.name).collect()
}

#[test]
fn what_is_put_is_there_until_it_is_removed() {
    each(|catalog| {
        assert_eq!(catalog.get("a").unwrap(), None);
        let b = catalog.put(&record("b", 1), None).unwrap();
        let a = catalog.put(&record("a", 2), None).unwrap();
        assert_ne!(a, b);
        assert_eq!(names(catalog), ["a", "b"]);
        assert_eq!(catalog.get("a").unwrap(), Some(Entry { revision: a, record: record("a", 2) }));
        catalog.remove("a", a).unwrap();
        assert_eq!(catalog.get("a").unwrap(), None);
        assert_eq!(names(catalog), ["b"]);
        // What it was is its past, until a later one of that name is, or it is forgotten.
        assert_eq!(catalog.past("a").unwrap(), Some(record("a", 2)));
        assert_eq!(catalog.past("b").unwrap(), None);
        let a = catalog.put(&record("a", 3), None).unwrap();
        assert_eq!(catalog.past("a").unwrap(), Some(record("a", 2)));
        catalog.remove("a", a).unwrap();
        assert_eq!(catalog.past("a").unwrap(), Some(record("a", 3)));
        assert_eq!([catalog.forget("a").unwrap(), catalog.forget("a").unwrap()], [true, false]);
        assert_eq!((catalog.past("a").unwrap(), names(catalog)), (None, vec!["b".to_owned()]));
    });
}

#[test]
fn a_write_is_refused_where_the_record_is_another_one() {
    each(|catalog| {
        let is_conflict = |result: Result<Revision, Error>| result.unwrap_err().is_conflict();
        let first = catalog.put(&record("a", 1), None).unwrap();
        assert!(is_conflict(catalog.put(&record("a", 9), None)), "there is one");
        let second = catalog.put(&record("a", 2), Some(first)).unwrap();
        assert!(is_conflict(catalog.put(&record("a", 9), Some(first))), "it was changed");
        assert!(is_conflict(catalog.put(&record("b", 9), Some(second))), "there is none");
        assert!(catalog.remove("a", first).unwrap_err().is_conflict());
        assert!(catalog.remove("b", first).unwrap_err().is_conflict());
        assert_eq!(catalog.get("a").unwrap(), Some(Entry { revision: second, record: record("a", 2) }));
        // A job that was cancelled and submitted anew is not the one that was read, be it the same otherwise.
        catalog.remove("a", second).unwrap();
        let third = catalog.put(&record("a", 2), None).unwrap();
        assert!(third > second);
        assert!(is_conflict(catalog.put(&record("a", 9), Some(second))));
    });
}

#[test]
fn of_those_who_write_at_once_one_wins_each_time() {
    each(|catalog| {
        catalog.put(&record("a", 0), None).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        loop {
                            let Entry { revision, mut record } = catalog.get("a").unwrap().unwrap();
                            let instances = record.parallelism.number().unwrap();
                            record.parallelism = Parallelism::Of(instances + 1);
                            match catalog.put(&record, Some(revision)) {
                                Ok(_) => break,
                                Err(error) => assert!(error.is_conflict(), "{error}"),
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(catalog.get("a").unwrap().unwrap().record.parallelism, Parallelism::Of(40));
    });
}

#[test]
fn whoever_listens_is_told_of_each_change_once_it_is_there() {
    each(|catalog| {
        let told = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&told);
        catalog.subscribe(Box::new(move |job| lock(&into).push(job.map(str::to_owned))));
        let first = catalog.put(&record("a", 1), None).unwrap();
        catalog.put(&record("a", 2), None).unwrap_err();
        let second = catalog.put(&record("a", 2), Some(first)).unwrap();
        catalog.remove("a", second).unwrap();
        assert_eq!(*lock(&told), vec![Some("a".to_owned()); 3]);
    });
}

#[test]
fn what_a_newer_version_has_added_is_kept() {
    each(|catalog| {
        let mut newer = record("a", 1);
        newer.other.insert("guarantee".to_owned(), "exactly-once".into());
        let revision = catalog.put(&newer, None).unwrap();
        let mut read = catalog.get("a").unwrap().unwrap().record;
        read.paused = true;
        catalog.put(&read, Some(revision)).unwrap();
        assert_eq!(catalog.get("a").unwrap().unwrap().record.other, newer.other);
    });
}

#[test]
fn only_old_components_that_no_version_refers_to_are_deleted() {
    each(|catalog| {
        let [first, second, unused] = [b"first", b"secnd", b"unusd"].map(|wasm| catalog.put_component(wasm).unwrap());
        let mut job = record("a", 1);
        let note = Note { by: "ana".to_owned(), why: "because".to_owned(), at: DateTime::UNIX_EPOCH };
        for digest in [&first, &second] {
            job.adopt(digest, &Spec::default(), &note);
        }
        catalog.put(&job, None).unwrap();
        assert_eq!(catalog.sweep(SystemTime::now() - Duration::from_secs(3600)).unwrap(), 0, "none is old");
        assert_eq!(catalog.sweep(SystemTime::now() + Duration::from_secs(3600)).unwrap(), 1);
        assert_eq!([&first, &second, &unused].map(|digest| catalog.component(digest).is_ok()), [true, true, false]);
        assert!(catalog.component("../../etc/passwd").is_err());

        // Of a job that is gone they are kept for a while.
        let note = Note { at: Utc::now(), ..note };
        let mut gone = record("gone", 1);
        gone.adopt(&catalog.put_component(b"last").unwrap(), &Spec::default(), &note);
        let revision = catalog.put(&gone, None).unwrap();
        catalog.remove("gone", revision).unwrap();
        assert_eq!(catalog.sweep(SystemTime::now() + Duration::from_secs(3600)).unwrap(), 0);
        assert_eq!(catalog.sweep(SystemTime::now() + PAST + Duration::from_secs(3600)).unwrap(), 1);
    });
}
