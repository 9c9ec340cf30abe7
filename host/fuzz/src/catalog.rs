//! The files of the catalog: whatever stands in one, it is a job's record, which is then as good as before after it was
//! written again, or it is told as damaged, and the others are served.

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use pelton_control::catalog::files::Files;
use pelton_control::catalog::{Catalog, Error, Revision};
use pelton_control::record::JobRecord;
use tempfile::TempDir;

struct Data {
    folder: TempDir,
    files: Files,
}

thread_local! {
    static DATA: RefCell<Data> = RefCell::new(data());
}

fn data() -> Data {
    // In memory where there is such a folder: records are written durably.
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let files = Files::open(folder.path().to_owned()).unwrap();
    files.put(&JobRecord { name: "other".to_owned(), ..JobRecord::default() }, None).unwrap();
    Data { folder, files }
}

/// Takes the file of the job `job`.
pub fn run(bytes: &[u8]) {
    DATA.with_borrow(|data| {
        let path = data.folder.path().join("jobs/job.json");
        fs::write(&path, bytes).unwrap();
        match data.files.get("job") {
            Ok(Some(entry)) => {
                assert_eq!(entry.record.name, "job");
                // A revision that leaves no room for the next is none that this host has given.
                if entry.revision.0 < u64::MAX {
                    let revision = data.files.put(&entry.record, Some(entry.revision)).unwrap();
                    let again = data.files.get("job").unwrap().unwrap();
                    assert_eq!((again.revision, again.record), (revision, entry.record));
                    data.files.remove("job", revision).unwrap();
                }
            }
            Ok(None) => panic!("the file is there"),
            // What a newer version has written stays as it is.
            Err(Error::Newer { .. }) => {
                let record = JobRecord { name: "job".to_owned(), ..JobRecord::default() };
                assert!(data.files.put(&record, None).is_err());
                assert_eq!(fs::read(&path).unwrap(), bytes);
            }
            Err(error) => {
                assert!(error.is_damaged(), "{error}");
                assert!(error.to_string().len() < 10_000, "{error}");
                let listing = data.files.list().unwrap();
                assert_eq!((listing.entries.len(), listing.unreadable.len()), (1, 1));
                // A submit moves it aside.
                let record = JobRecord { name: "job".to_owned(), ..JobRecord::default() };
                let revision = data.files.put(&record, None).unwrap();
                assert_ne!(revision, Revision::default());
                data.files.remove("job", revision).unwrap();
                let _ = fs::remove_file(path.with_extension("json.damaged"));
            }
        }
        let _ = fs::remove_file(&path);
    });
}
