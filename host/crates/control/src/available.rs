//! The folder that users drop jobs into: what is in it, and what each file declares.
//!
//! It is looked at several times a second, since a folder that is mounted into a container tells of no changes by
//! itself. A file is read once two looks in a row have found it the same, so one that is still being written never is;
//! what was read is thrown away if the file has changed meanwhile. Reading and compiling go on beside the looking.
//!
//! Whatever is dropped there is told, and holds nothing else up: what is no file is never opened (see `drop_folder.rs`);
//! what is known, or can't be read, is told by a thread that compiles nothing; and of those that are to be compiled the
//! smaller ones come first, each for `limits.compile_time` at most.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::watch;

use crate::components::Components;
use crate::drop_folder::{Changed, DropFolder, Found};
use crate::error::Error;
use crate::record::DroppedFile;
use crate::types::Available;
use pelton_model::digest::{digest, digest_of};
use pelton_model::spec::Spec;
use pelton_model::sync::lock;

/// How often the folder is looked at: more seldom where looking takes long, so that it never takes more than a fiftieth
/// of a core.
const LOOK: Duration = Duration::from_millis(100);
const LONGEST_LOOK: Duration = Duration::from_millis(400);
/// How long who asks for a file waits until it has been read.
const SETTLE: Duration = Duration::from_secs(60);
/// Files that are compiled at once: one that takes long does not hold up the others.
const COMPILERS: usize = 2;

/// The digest and declaration of a job, or why a file is none.
type Declared = Result<(String, Spec), String>;

#[derive(Debug, Clone, Default)]
struct File {
    /// What was found at the last look.
    found: Option<Found>,
    /// What was last read, and where.
    read: Option<(Found, Declared)>,
    queued: bool,
}

impl File {
    fn is_settled(&self) -> bool {
        self.read.as_ref().is_some_and(|(found, _)| self.found.as_ref() == Some(found))
    }
}

#[derive(Debug, Default)]
struct Files {
    /// By name.
    files: BTreeMap<String, File>,
    to_read: VecDeque<String>,
    /// By size.
    to_compile: BTreeSet<(u64, String)>,
    /// Why the folder can't be looked at.
    error: Option<String>,
    /// Changes with every look that found something.
    looks: u64,
}

impl Files {
    fn next_to_read(&mut self) -> Option<String> {
        self.to_read.pop_front()
    }

    fn next_to_compile(&mut self) -> Option<String> {
        self.to_compile.pop_first().map(|(_, name)| name)
    }
}

/// The folder, as it was last seen.
#[derive(Debug)]
pub struct AvailableJobs {
    folder: DropFolder,
    files: Mutex<Files>,
    changed: Condvar,
    /// Sent to when the list is another one.
    news: watch::Sender<()>,
}

/// Told of a file that is new or has changed, and of what it declares if it is a job.
pub(crate) type Dropped = Box<dyn Fn(DroppedFile, Option<&Spec>) + Send + Sync>;

/// Takes a file out of a queue.
type Next = fn(&mut Files) -> Option<String>;
/// What is done with the files of a queue.
type Work = fn(&AvailableJobs, &str, &dyn Components) -> Outcome;

/// What became of a file.
enum Outcome {
    /// It was read.
    Read(Found, Box<Declared>),
    /// It is of this size, and to be compiled.
    Compile(u64),
    /// It is to be looked at again.
    Changed,
}

impl From<Changed> for Outcome {
    fn from(_: Changed) -> Self {
        Self::Changed
    }
}

impl AvailableJobs {
    /// Of no folder.
    pub(crate) fn none() -> Arc<Self> {
        Self::of(PathBuf::new(), false)
    }

    fn of(path: PathBuf, follow_links: bool) -> Arc<Self> {
        let folder = DropFolder { path, follow_links };
        let (files, changed, news) = (Mutex::default(), Condvar::new(), watch::Sender::new(()));
        Arc::new(Self { folder, files, changed, news })
    }

    /// Starts to look at a folder, which need not exist. Its threads end with the last reference. `dropped` is told of
    /// every file that has been read: what it declares if it is a job. `follow_links` has links lead out of it.
    pub(crate) fn watch(
        folder: PathBuf,
        follow_links: bool,
        components: Arc<dyn Components>,
        dropped: Dropped,
        each_look: impl Fn() + Send + 'static,
    ) -> Result<Arc<Self>> {
        let this = Self::of(folder, follow_links);
        let weak = Arc::downgrade(&this);
        std::thread::Builder::new()
            .name("usr-jobs".to_owned())
            .spawn(move || {
                while let Some(this) = weak.upgrade() {
                    let began = Instant::now();
                    this.look();
                    drop(this);
                    each_look();
                    std::thread::sleep((began.elapsed() * 50).clamp(LOOK, LONGEST_LOOK));
                }
            })
            .context("failed to start the thread that looks at usr_jobs")?;
        let dropped = Arc::new(dropped);
        let read: (_, Work, Next) = ("usr-jobs-read", Self::inspect, Files::next_to_read);
        let compile: (_, Work, Next) = ("usr-jobs-compile", Self::compile, Files::next_to_compile);
        for (name, work, next) in std::iter::once(read).chain([compile; COMPILERS]) {
            let (weak, components, dropped) = (Arc::downgrade(&this), Arc::clone(&components), Arc::clone(&dropped));
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || work_all(&weak, next, |this, file| work(this, file, &*components), &dropped))
                .context("failed to start a thread that reads usr_jobs")?;
        }
        Ok(this)
    }

    /// Looks once: notes what is there, and queues what has not changed since the last look and was not read.
    fn look(&self) {
        let found = self.folder.look();
        let mut guard = lock(&self.files);
        let files = &mut *guard;
        files.looks += 1;
        let found = match found {
            Ok(found) => {
                files.error = None;
                found
            }
            Err(error) => {
                if files.error.is_none() {
                    tracing::debug!("failed to look at {}: {error}", self.folder.path.display());
                }
                files.error = Some(error.to_string());
                BTreeMap::new()
            }
        };
        let before = files.files.len();
        files.files.retain(|name, _| found.contains_key(name));
        let mut is_other = files.files.len() != before;
        for (name, found) in found {
            let file = files.files.entry(name.clone()).or_default();
            let is_still = file.found.as_ref() == Some(&found);
            is_other |= !is_still;
            file.found = Some(found);
            if is_still && !file.is_settled() && !file.queued {
                file.queued = true;
                files.to_read.push_back(name);
            }
        }
        self.changed.notify_all();
        drop(guard);
        if is_other {
            self.news.send_replace(());
        }
    }

    /// Tells what can be told of a file without compiling it.
    fn inspect(&self, name: &str, components: &dyn Components) -> Outcome {
        let found = lock(&self.files).files.get(name).and_then(|file| file.found.clone());
        // Not every one of these can be found by the name that is shown.
        if let Some(found @ Found { unfit: Some(unfit), .. }) = &found {
            return Outcome::Read(found.clone(), Box::new(Err(unfit.clone())));
        }
        match self.folder.read(name, |reader| digest_of(reader)) {
            Ok((found, Ok(digest))) => match components.cached(&digest) {
                Some(component) => Outcome::Read(found, Box::new(Ok((digest, component.spec().as_ref().clone())))),
                None => Outcome::Compile(found.size),
            },
            Ok((found, Err(error))) => Outcome::Read(found, Box::new(Err(error))),
            Err(changed) => changed.into(),
        }
    }

    fn compile(&self, name: &str, components: &dyn Components) -> Outcome {
        let (found, wasm) = match self.folder.bytes(name) {
            Ok(read) => read,
            Err(changed) => return changed.into(),
        };
        let declared = wasm.and_then(|wasm| match components.load(&wasm) {
            Ok(component) => Ok((component.digest.to_string(), component.spec().as_ref().clone())),
            Err(Error::NotAJob { cause, .. } | Error::CompileTime(cause)) => Err(cause),
            Err(error) => Err(error.to_string()),
        });
        Outcome::Read(found, Box::new(declared))
    }

    /// All `.wasm` files, by name, as they were last seen.
    pub fn list(&self) -> Vec<Available> {
        let files = lock(&self.files);
        let available = |(name, file): (&String, &File)| {
            let (digest, spec, error) = match &file.read {
                Some((_, Ok((digest, spec)))) => (Some(digest.clone()), Some(spec.clone()), None),
                Some((_, Err(error))) => (None, None, Some(error.clone())),
                None => (None, None, None),
            };
            Available { file: name.clone(), digest, spec, error, checking: !file.is_settled(), jobs: Vec::new() }
        };
        files.files.iter().map(available).collect()
    }

    /// Tells whenever the list is another one.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Whether a file is there, one that can be read; `None` before the first look.
    pub(crate) fn has(&self, name: &str) -> Option<bool> {
        let files = lock(&self.files);
        let is_file = |file: &File| file.found.as_ref().is_some_and(|found| found.unfit.is_none());
        (files.looks > 0).then(|| files.files.get(name).is_some_and(is_file))
    }

    /// The bytes of a job, by its file's name, with or without `.wasm`, or by the name that it declares. Waits until
    /// what is there has been read.
    pub(crate) fn read(&self, name: &str) -> Result<(Vec<u8>, DroppedFile), Error> {
        let is_file = |file: &str| file == name || Path::new(file).file_stem().is_some_and(|stem| stem == name);
        let deadline = Instant::now() + SETTLE;
        let mut files = lock(&self.files);
        // What was dropped a moment ago is seen by the look that begins after this.
        let seen = files.looks + 2;
        let found = loop {
            let by_file = files.files.iter().find(|(file, _)| is_file(file));
            let declares = |file: &File| {
                file.read.as_ref().is_some_and(|(_, read)| read.as_ref().is_ok_and(|(_, spec)| spec.name == name))
            };
            let by_name = || files.files.iter().find(|(_, file)| declares(file));
            let found = by_file.or_else(by_name).map(|(name, file)| (name.clone(), file.clone()));
            let is_settled = match &found {
                Some((_, file)) => file.is_settled(),
                None => files.files.values().all(File::is_settled),
            };
            if (files.looks >= seen && is_settled) || Instant::now() >= deadline {
                break found;
            }
            files = self.changed.wait_timeout(files, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        };
        let Some((file, found)) = found else {
            let names: Vec<_> = files.files.keys().map(String::as_str).collect();
            let has = match (&files.error, names.is_empty()) {
                (Some(error), _) => format!("can't be read: {error}"),
                (None, true) => "has nothing".to_owned(),
                (None, false) => format!("has {}", names.join(", ")),
            };
            let folder = self.folder.path.clone();
            return Err(Error::NotAvailable { name: name.to_owned(), folder, has });
        };
        drop(files);
        let known = match found.read {
            Some((_, Ok((digest, _)))) => digest,
            Some((_, Err(cause))) => return Err(Error::NotAJob { file: Some(file), cause }),
            None => {
                let what = format!("{file} is still being read");
                let cause = "it is being written, or others are before it".to_owned();
                return Err(Error::Unsettled { what, cause });
            }
        };
        let path = self.folder.path.join(&file);
        let wasm = match self.folder.bytes(&file) {
            Ok((_, Ok(wasm))) => wasm,
            Ok((_, Err(cause))) => {
                return Err(Error::Internal { what: format!("failed to read {}", path.display()), cause });
            }
            // As one that has changed.
            Err(Changed) => Vec::new(),
        };
        let dropped = DroppedFile { name: file, digest: digest(&wasm) };
        if dropped.digest != known {
            let what = format!("{} is being written", path.display());
            return Err(Error::Unsettled { what, cause: "it has changed since it was read".to_owned() });
        }
        Ok((wasm, dropped))
    }
}

/// Works on what is queued, until the folder is no longer watched.
fn work_all(weak: &Weak<AvailableJobs>, next: Next, work: impl Fn(&AvailableJobs, &str) -> Outcome, dropped: &Dropped) {
    while let Some(this) = weak.upgrade() {
        let name = {
            let mut files = lock(&this.files);
            match next(&mut files) {
                Some(name) => Some(name),
                None => {
                    let waited = this.changed.wait_timeout(files, LONGEST_LOOK);
                    next(&mut waited.unwrap_or_else(PoisonError::into_inner).0)
                }
            }
        };
        let Some(name) = name else { continue };
        let outcome = work(&this, &name);
        let mut files = lock(&this.files);
        let Some(file) = files.files.get_mut(&name) else { continue };
        let (found, declared) = match outcome {
            Outcome::Read(found, declared) => (found, *declared),
            Outcome::Compile(size) => {
                files.to_compile.insert((size, name));
                this.changed.notify_all();
                continue;
            }
            Outcome::Changed => {
                file.queued = false;
                continue;
            }
        };
        file.queued = false;
        // What has changed while it was read is read again.
        if file.found.as_ref() != Some(&found) {
            continue;
        }
        file.read = Some((found, declared.clone()));
        this.changed.notify_all();
        drop(files);
        this.news.send_replace(());
        match declared {
            Ok((digest, spec)) => dropped(DroppedFile { name, digest }, Some(&spec)),
            Err(error) => {
                tracing::warn!("{} is not a job: {error}", this.folder.path.join(&name).display());
                dropped(DroppedFile { name, digest: String::new() }, None);
            }
        }
    }
}

#[cfg(test)]
mod tests;
