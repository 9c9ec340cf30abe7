//! The folder that users drop jobs into: what is in it, and what each file declares.
//!
//! It is looked at several times a second, since a folder that is mounted into a container tells of no changes by
//! itself. A file is read once two looks in a row have found it the same, so one that is still being written never is;
//! what was read is thrown away if the file has changed meanwhile. Reading and compiling go on beside the looking.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::watch;

use crate::components::Components;
use crate::error::Error;
use crate::record::DroppedFile;
use crate::types::Available;
use pelton_model::digest::digest;
use pelton_model::files::Stamp;
use pelton_model::spec::Spec;
use pelton_model::sync::lock;

/// How often the folder is looked at: more seldom where looking takes long, so that it never takes more than a fiftieth
/// of a core.
const LOOK: Duration = Duration::from_millis(100);
const LONGEST_LOOK: Duration = Duration::from_millis(400);
/// How long who asks for a file waits until it has been read.
const SETTLE: Duration = Duration::from_secs(60);
/// Files that are read at once: one that takes long to compile does not hold up the others.
const READERS: usize = 2;
/// Largest file that is read.
const LARGEST: u64 = 256 << 20;

/// The digest and declaration of a job, or why a file is none.
type Found = Result<(String, Spec), String>;

#[derive(Debug, Clone)]
struct File {
    stamp: Stamp,
    /// What was last read, and of which stamp.
    read: Option<(Stamp, Found)>,
    queued: bool,
}

impl File {
    fn is_settled(&self) -> bool {
        self.read.as_ref().is_some_and(|(stamp, _)| *stamp == self.stamp)
    }
}

#[derive(Debug, Default)]
struct Files {
    /// By name.
    files: BTreeMap<String, File>,
    queue: VecDeque<String>,
    /// Why the folder can't be looked at.
    error: Option<String>,
    /// Changes with every look that found something.
    looks: u64,
}

/// The folder, as it was last seen.
#[derive(Debug)]
pub struct AvailableJobs {
    folder: PathBuf,
    files: Mutex<Files>,
    changed: Condvar,
    /// Sent to when the list is another one.
    news: watch::Sender<()>,
}

/// Told of a file that is new or has changed, and of what it declares if it is a job.
pub(crate) type Dropped = Box<dyn Fn(DroppedFile, Option<&Spec>) + Send + Sync>;

impl AvailableJobs {
    /// Of no folder.
    pub(crate) fn none() -> Arc<Self> {
        Self::of(PathBuf::new())
    }

    fn of(folder: PathBuf) -> Arc<Self> {
        let (files, changed, news) = (Mutex::default(), Condvar::new(), watch::Sender::new(()));
        Arc::new(Self { folder, files, changed, news })
    }

    /// Starts to look at a folder, which need not exist. Its threads end with the last reference. `dropped` is told of
    /// every file that has been read: what it declares if it is a job.
    pub(crate) fn watch(
        folder: PathBuf,
        components: Arc<dyn Components>,
        dropped: Dropped,
        each_look: impl Fn() + Send + 'static,
    ) -> Result<Arc<Self>> {
        let this = Self::of(folder);
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
        for _ in 0..READERS {
            let (weak, components, dropped) = (Arc::downgrade(&this), Arc::clone(&components), Arc::clone(&dropped));
            std::thread::Builder::new()
                .name("usr-jobs-read".to_owned())
                .spawn(move || read_all(&weak, &*components, &dropped))
                .context("failed to start a thread that reads usr_jobs")?;
        }
        Ok(this)
    }

    /// Looks once: notes what is there, and queues what has not changed since the last look and was not read.
    fn look(&self) {
        let found = self.scan();
        let mut files = lock(&self.files);
        files.looks += 1;
        let found = match found {
            Ok(found) => {
                files.error = None;
                found
            }
            Err(error) => {
                if files.error.is_none() {
                    tracing::debug!("failed to look at {}: {error}", self.folder.display());
                }
                files.error = Some(error.to_string());
                BTreeMap::new()
            }
        };
        let before = files.files.len();
        files.files.retain(|name, _| found.contains_key(name));
        let mut is_other = files.files.len() != before;
        for (name, stamp) in found {
            let unseen = File { stamp: Stamp::default(), read: None, queued: false };
            let file = files.files.entry(name.clone()).or_insert(unseen);
            let is_still = file.stamp == stamp;
            is_other |= !is_still;
            file.stamp = stamp;
            if is_still && !file.is_settled() && !file.queued {
                file.queued = true;
                files.queue.push_back(name);
            }
        }
        self.changed.notify_all();
        drop(files);
        if is_other {
            self.news.send_replace(());
        }
    }

    fn scan(&self) -> std::io::Result<BTreeMap<String, Stamp>> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(&self.folder)? {
            let Ok(name) = entry?.file_name().into_string() else { continue };
            if name.starts_with('.') || Path::new(&name).extension().is_none_or(|extension| extension != "wasm") {
                continue;
            }
            // It may have gone since.
            let Ok(metadata) = fs::metadata(self.folder.join(&name)) else { continue };
            if metadata.is_file() {
                found.insert(name, Stamp::of(&metadata));
            }
        }
        Ok(found)
    }

    /// All `.wasm` files, by name, as they were last seen.
    pub fn list(&self) -> Vec<Available> {
        let files = lock(&self.files);
        let available = |(name, file): (&String, &File)| {
            let (spec, error) = match &file.read {
                Some((_, Ok((_, spec)))) => (Some(spec.clone()), None),
                Some((_, Err(error))) => (None, Some(error.clone())),
                None => (None, None),
            };
            Available { file: name.clone(), spec, error, checking: !file.is_settled(), jobs: Vec::new() }
        };
        files.files.iter().map(available).collect()
    }

    /// Tells whenever the list is another one.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Whether a file is there; `None` before the first look.
    pub(crate) fn has(&self, name: &str) -> Option<bool> {
        let files = lock(&self.files);
        (files.looks > 0).then(|| files.files.contains_key(name))
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
            return Err(Error::NotAvailable { name: name.to_owned(), folder: self.folder.clone(), has });
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
        let path = self.folder.join(&file);
        let wasm = fs::read(&path).map_err(|error| Error::Internal {
            what: format!("failed to read {}", path.display()),
            cause: error.to_string(),
        })?;
        let dropped = DroppedFile { name: file, digest: digest(&wasm) };
        if dropped.digest != known {
            let what = format!("{} is being written", path.display());
            return Err(Error::Unsettled { what, cause: "it has changed since it was read".to_owned() });
        }
        Ok((wasm, dropped))
    }
}

/// Reads what is queued, until the folder is no longer watched.
fn read_all(weak: &Weak<AvailableJobs>, components: &dyn Components, dropped: &Dropped) {
    while let Some(this) = weak.upgrade() {
        let next = {
            let mut files = lock(&this.files);
            if files.queue.is_empty() {
                files = this.changed.wait_timeout(files, LONGEST_LOOK).unwrap_or_else(PoisonError::into_inner).0;
            }
            files.queue.pop_front()
        };
        let Some(name) = next else { continue };
        let path = this.folder.join(&name);
        let result = read(&path, components);
        let mut files = lock(&this.files);
        let Some(file) = files.files.get_mut(&name) else { continue };
        file.queued = false;
        // What has changed while it was read is read again.
        let Ok((stamp, read)) = result else { continue };
        if stamp != file.stamp {
            continue;
        }
        file.read = Some((stamp, read.clone()));
        this.changed.notify_all();
        drop(files);
        this.news.send_replace(());
        match read {
            Ok((digest, spec)) => dropped(DroppedFile { name, digest }, Some(&spec)),
            Err(error) => {
                tracing::warn!("{} is not a job: {error}", path.display());
                dropped(DroppedFile { name, digest: String::new() }, None);
            }
        }
    }
}

/// Reads a file whole; an error where it has changed meanwhile or is gone.
fn read(path: &Path, components: &dyn Components) -> Result<(Stamp, Found)> {
    let before = fs::metadata(path)?;
    if before.len() > LARGEST {
        return Ok((Stamp::of(&before), Err(format!("it is larger than {} MiB", LARGEST >> 20))));
    }
    let wasm = fs::read(path);
    let after = Stamp::of(&fs::metadata(path)?);
    anyhow::ensure!(after == Stamp::of(&before), "it has changed while it was read");
    let found = match wasm.map_err(|error| error.to_string()).map(|wasm| components.load(&wasm)) {
        Ok(Ok(component)) => Ok((component.digest.to_string(), component.spec().as_ref().clone())),
        Ok(Err(Error::NotAJob { cause, .. } | Error::CompileTime(cause))) => Err(cause),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(error),
    };
    Ok((after, found))
}
