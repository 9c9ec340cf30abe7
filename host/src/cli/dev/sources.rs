//! The sources of a project, looked at several times a second, as the host looks at `usr_jobs`: a folder that is
//! mounted into a container tells of no changes by itself.
//!
//! Whatever differs from the last build counts once two looks in a row have found it the same, so the files of one
//! save, and the renames with which editors write, lead to one build; and a save during a build leads to one more.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pelton_model::digest::digest;
use pelton_model::regular::{self, COMPONENT_BYTES};

use crate::files::Stamp;

/// How often they are looked at: more seldom where looking takes long, so that it never takes more than a fiftieth of a
/// core.
const LOOK: Duration = Duration::from_millis(50);
const LONGEST_LOOK: Duration = Duration::from_millis(1000);

/// Folders that toolchains write, or fetch, and that hold no sources.
const NO_SOURCES: [&str; 5] = ["node_modules", "target", "usr_jobs", "__pycache__", "venv"];
/// Files that a build may write beside the sources.
const LOCKS: [&str; 3] = ["Cargo.lock", "package-lock.json", "go.sum"];
/// A file that so many builds in a row have changed is none that somebody saves.
const CHANGED_BY_EACH: u32 = 5;

type Seen = BTreeMap<PathBuf, Stamp>;

/// The sources, as they were last seen.
#[derive(Debug)]
pub(super) struct Sources {
    folder: PathBuf,
    last: Seen,
    /// As they were when the last build began.
    built: Seen,
    /// When they were first seen to differ from that.
    differ: Option<Instant>,
    /// What the project's own build command writes, which is no source.
    output: Option<PathBuf>,
    /// What changed during the last build, as it was then, and during how many in a row.
    written: BTreeMap<PathBuf, (String, u32)>,
}

impl Sources {
    /// Of a folder; nothing of it is built yet.
    pub(super) fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            last: Seen::new(),
            built: Seen::new(),
            differ: None,
            output: None,
            written: BTreeMap::new(),
        }
    }

    /// A file that is none, from now on.
    pub(super) fn pass_over(&mut self, output: Option<PathBuf>) {
        self.output = output;
    }

    /// Looks once: since when there is something to build, if there is, and how long to wait before the next look.
    pub(super) fn look(&mut self) -> (Option<Instant>, Duration) {
        let began = Instant::now();
        let now = self.scan();
        let is_still = now == self.last;
        self.last = now;
        if self.last == self.built {
            self.differ = None;
        } else {
            self.differ.get_or_insert(began);
        }
        let saved = self.differ.take_if(|_| is_still);
        if saved.is_some() {
            self.built.clone_from(&self.last);
        }
        (saved, (began.elapsed() * 50).clamp(LOOK, LONGEST_LOOK))
    }

    /// Takes what a build itself may have written as built.
    pub(super) fn pass_over_locks(&mut self) {
        let is_lock = |path: &Path| LOCKS.iter().any(|lock| path.file_name().is_some_and(|name| name == *lock));
        self.built.retain(|path, _| !is_lock(path));
        let now = self.scan();
        self.built.extend(now.into_iter().filter(|(path, _)| is_lock(path)));
    }

    /// Takes what a build command of the project's own writes as built, too: where that goes is not known. It is what is
    /// new since the build began, what was written as the build before has left it, and what each of the last builds has
    /// changed.
    pub(super) fn pass_over_written(&mut self) {
        let mut written = BTreeMap::new();
        for (path, stamp) in self.scan() {
            let before = self.built.get(&path);
            if before == Some(&stamp) {
                continue;
            }
            let content = regular::read(&path, COMPONENT_BYTES).map(|bytes| digest(&bytes)).unwrap_or_default();
            let (is_same, builds) = match self.written.get(&path) {
                Some((last, builds)) => (*last == content, builds + 1),
                None => (false, 1),
            };
            if before.is_none() || is_same || builds >= CHANGED_BY_EACH {
                self.built.insert(path.clone(), stamp);
            }
            written.insert(path, (content, builds));
        }
        self.written = written;
    }

    fn scan(&self) -> Seen {
        let mut seen = scan(&self.folder);
        if let Some(output) = &self.output {
            seen.remove(output);
        }
        seen
    }
}

/// Every source below a folder. What can't be read has gone meanwhile, or is told by the toolchain.
fn scan(folder: &Path) -> Seen {
    let mut seen = Seen::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if !entry.file_name().to_str().is_some_and(|name| is_source(name, kind.is_dir())) {
                continue;
            }
            let path = entry.path();
            if kind.is_dir() {
                folders.push(path);
            } else if let Ok(metadata) = fs::metadata(&path)
                // A link to a folder could lead round in a circle.
                && metadata.is_file()
            {
                seen.insert(path, Stamp::of(&metadata));
            }
        }
    }
    seen
}

/// Whether a name may be that of a source, or of a folder with some: not hidden, no build's output, no editor's copy.
fn is_source(name: &str, is_folder: bool) -> bool {
    let is_copy = name.ends_with('~') || name.starts_with('#') || name.ends_with(".wasm");
    !name.starts_with('.') && !if is_folder { NO_SOURCES.contains(&name) } else { is_copy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sources_count() {
        for name in ["job.py", "main.go", "Cargo.toml", "package.json", "target", "golden.jsonl", "pelton.h"] {
            assert!(is_source(name, false), "{name}");
        }
        for name in ["src", "sdk", "tests", "targets"] {
            assert!(is_source(name, true), "{name}");
        }
        for name in [".git", ".venv", ".pelton-build-x", "node_modules", "target", "usr_jobs", "__pycache__", "venv"] {
            assert!(!is_source(name, true), "{name}");
        }
        for name in [".job.py.swp", ".#main.go", "#main.go#", "main.go~", "job.wasm"] {
            assert!(!is_source(name, false), "{name}");
        }
    }

    /// A project with a source and everything that is none.
    fn project() -> (tempfile::TempDir, Sources) {
        let folder = tempfile::tempdir().unwrap();
        for path in ["src", "node_modules/x", "target/release", "usr_jobs", "src/__pycache__", ".pelton-build-x"] {
            fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        fs::write(folder.path().join("src/lib.rs"), "1").unwrap();
        let sources = Sources::of(folder.path());
        (folder, sources)
    }

    #[test]
    fn a_change_counts_once_and_when_it_is_still() {
        let (folder, mut sources) = project();
        let mut is_saved = move || sources.look().0.is_some();
        let lib = folder.path().join("src/lib.rs");
        assert_eq!([is_saved(), is_saved(), is_saved()], [false, true, false], "the first build");
        fs::write(&lib, "22").unwrap();
        assert!(!is_saved());
        fs::write(&lib, "333").unwrap();
        assert_eq!([is_saved(), is_saved(), is_saved()], [false, true, false], "it was still being written");
        // As vim and many others save: a new file beside it, then a rename; with a file that tries the folder out.
        fs::write(folder.path().join("src/4913"), "").unwrap();
        assert!(!is_saved());
        fs::remove_file(folder.path().join("src/4913")).unwrap();
        fs::write(folder.path().join("src/lib.rs~"), "4444").unwrap();
        fs::rename(folder.path().join("src/lib.rs~"), &lib).unwrap();
        assert_eq!([is_saved(), is_saved(), is_saved()], [false, true, false], "a rename");
        fs::remove_file(&lib).unwrap();
        assert_eq!([is_saved(), is_saved(), is_saved()], [false, true, false], "a source is gone");
    }

    #[test]
    fn what_a_build_writes_is_no_change() {
        let (folder, mut sources) = project();
        sources.look();
        assert!(sources.look().0.is_some());
        for path in [
            "target/release/job.wasm",
            "usr_jobs/job.wasm",
            "node_modules/x/index.js",
            "src/__pycache__/a.pyc",
            ".pelton-build-x/job.js",
            "Cargo.lock",
            "package-lock.json",
        ] {
            fs::write(folder.path().join(path), "new").unwrap();
        }
        sources.pass_over_locks();
        assert!((0..3).all(|_| sources.look().0.is_none()));
        // One that somebody else writes is.
        fs::write(folder.path().join("Cargo.lock"), "newer").unwrap();
        sources.look();
        assert!(sources.look().0.is_some());
    }

    #[test]
    fn what_a_command_writes_is_no_change() {
        let (folder, mut sources) = project();
        let [output, object, source] = ["job.bin", "src/job.o", "src/lib.rs"].map(|path| folder.path().join(path));
        fs::write(&object, "of an earlier run").unwrap();
        sources.pass_over(Some(output.clone()));
        sources.look();
        assert!(sources.look().0.is_some());
        // The object comes out the same each time.
        let build = |sources: &mut Sources, number: u32| {
            for (path, text) in [(&output, format!("{number}")), (&object, "an object".to_owned())] {
                fs::write(path, text).unwrap();
            }
            fs::write(folder.path().join(format!("src/{number}.tmp")), "").unwrap();
            sources.pass_over_locks();
            sources.pass_over_written();
            (0..3).filter(|_| sources.look().0.is_some()).count()
        };
        assert_eq!([1, 2, 3].map(|number| build(&mut sources, number)), [1, 0, 0]);
        // Saves, between builds and during one after the other.
        fs::write(&object, "by hand").unwrap();
        assert_eq!((0..3).filter(|_| sources.look().0.is_some()).count(), 1);
        for number in 4..7 {
            fs::write(&source, format!("saved during build {number}")).unwrap();
            assert_eq!(build(&mut sources, number), 1, "{number}");
        }
        assert_eq!(build(&mut sources, 7), 0);
        // What is another each time, such as a log, is known in the end.
        let log = folder.path().join("build.log");
        fs::write(&log, "").unwrap();
        assert_eq!((0..3).filter(|_| sources.look().0.is_some()).count(), 1);
        let builds = (8..15).map(|number| {
            fs::write(&log, format!("build {number}")).unwrap();
            build(&mut sources, number)
        });
        assert_eq!(builds.collect::<Vec<_>>(), [1, 1, 1, 1, 0, 0, 0]);
    }

    #[test]
    fn a_save_during_a_build_leads_to_one_more() {
        let (folder, mut sources) = project();
        sources.look();
        assert!(sources.look().0.is_some());
        // While that is built:
        fs::write(folder.path().join("src/lib.rs"), "22").unwrap();
        fs::write(folder.path().join("Cargo.lock"), "new").unwrap();
        sources.pass_over_locks();
        let found: Vec<_> = (0..4).map(|_| sources.look().0.is_some()).collect();
        assert_eq!(found, [false, true, false, false]);
    }

    #[test]
    fn links_lead_to_files_but_not_round_in_circles() {
        let (folder, mut sources) = project();
        let outside = tempfile::NamedTempFile::new().unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("src/round")).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("src/linked.rs")).unwrap();
        sources.look();
        assert!(sources.look().0.is_some());
        fs::write(outside.path(), "more").unwrap();
        sources.look();
        assert!(sources.look().0.is_some());
    }
}
