//! A folder that anybody may drop anything into.
//!
//! What is no regular file is never opened, and nothing is waited for: neither a FIFO's writer nor a device. A link is
//! followed step by step and only within the folder, as those of Kubernetes' mounted volumes are (`job.wasm` leads to
//! `..data/job.wasm`, and `..data` to the folder of the present version); where one leads out, what is there isn't even
//! looked at, unless the settings allow it. What is read is read to a limit, and thrown away where it has changed
//! meanwhile.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use nix::libc;
use pelton_model::files::Stamp;
use pelton_model::regular::{self, COMPONENT_BYTES, kind};
use pelton_model::text::{is_unsafe, line, quoted};

/// Most links on the way to a file: what Linux allows.
const LINKS: usize = 40;
/// Why nothing is read under a name that can't be shown.
const NAME: &str = "its name has control characters, marks of direction, or bytes that are not UTF-8; rename it";

/// What is found under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    stamp: Stamp,
    /// Its size, bytes.
    pub(crate) size: u64,
    /// Why it is never read, where it isn't a file that can be.
    pub(crate) unfit: Option<String>,
}

/// It has changed while it was read, or is gone.
#[derive(Debug)]
pub(crate) struct Changed;

/// The folder.
#[derive(Debug)]
pub(crate) struct DropFolder {
    pub(crate) path: PathBuf,
    /// Whether links may lead out of it.
    pub(crate) follow_links: bool,
}

/// Where a name leads.
enum Way {
    /// To this path below the folder, which has no link in it, and what is there.
    To(PathBuf, Metadata),
    /// To nothing that can be read, and why.
    Astray(String),
    /// There is no such name.
    Gone,
}

impl DropFolder {
    /// Everything whose name ends in `.wasm` and begins with no dot, by a name that can be shown.
    pub(crate) fn look(&self) -> io::Result<BTreeMap<String, Found>> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let is_wasm = Path::new(&name).extension().is_some_and(|extension| extension == "wasm");
            if !is_wasm || name.as_bytes().starts_with(b".") {
                continue;
            }
            match name.to_str().filter(|name| !name.contains(is_unsafe)) {
                Some(name) => found.extend(self.find(name).map(|one| (name.to_owned(), one))),
                // It hides none that can be read.
                None => drop(found.entry(shown(&name)).or_insert_with(|| unfit(None, NAME.to_owned()))),
            }
        }
        Ok(found)
    }

    /// What is there under a name now; `None` where nothing is.
    pub(crate) fn find(&self, name: &str) -> Option<Found> {
        let (metadata, why) = match self.way(name) {
            Way::To(_, metadata) => {
                let why = kind(&metadata);
                (metadata, why)
            }
            Way::Astray(why) => return Some(unfit(fs::symlink_metadata(self.path.join(name)).ok().as_ref(), why)),
            Way::Gone => return None,
        };
        let too_large =
            || (metadata.len() > COMPONENT_BYTES).then(|| format!("it is larger than {} MiB", COMPONENT_BYTES >> 20));
        let unfit = why.map(|kind| format!("it is a {kind}, not a file")).or_else(too_large);
        Some(Found { stamp: Stamp::of(&metadata), size: metadata.len(), unfit })
    }

    /// Reads a file: what was found, and what `take` has made of its bytes, or why it can't be read. An error where it
    /// has changed meanwhile or is gone.
    pub(crate) fn read<T>(
        &self,
        name: &str,
        take: impl FnOnce(&mut dyn Read) -> io::Result<T>,
    ) -> Result<(Found, Result<T, String>), Changed> {
        let found = self.find(name).ok_or(Changed)?;
        if let Some(unfit) = &found.unfit {
            let unfit = unfit.clone();
            return Ok((found, Err(unfit)));
        }
        let read = self.open(name).and_then(|file| {
            let is_it = || -> io::Result<bool> {
                let metadata = file.metadata()?;
                Ok(metadata.is_file() && Stamp::of(&metadata) == found.stamp)
            };
            if !is_it()? {
                return Ok(None);
            }
            let taken = take(&mut (&file).take(found.size + 1))?;
            Ok(is_it()?.then_some(taken))
        });
        if self.find(name).as_ref() != Some(&found) {
            return Err(Changed);
        }
        match read {
            Ok(None) => Err(Changed),
            Ok(Some(taken)) => Ok((found, Ok(taken))),
            Err(error) => Ok((found, Err(format!("it can't be read: {error}")))),
        }
    }

    /// The bytes of a file.
    pub(crate) fn bytes(&self, name: &str) -> Result<(Found, Result<Vec<u8>, String>), Changed> {
        self.read(name, |reader| {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes)?;
            Ok(bytes)
        })
    }

    /// Opens what a name leads to. Where links stay within the folder, so does this, whatever is exchanged meanwhile.
    fn open(&self, name: &str) -> io::Result<File> {
        if self.follow_links {
            return regular::open_any(&self.path.join(name));
        }
        let Way::To(way, _) = self.way(name) else { return Err(ErrorKind::NotFound.into()) };
        regular::open_below(&File::open(&self.path)?, &way)
    }

    /// Finds where a name leads.
    fn way(&self, name: &str) -> Way {
        let path = self.path.join(name);
        if !self.follow_links {
            return self.way_within(name);
        }
        match (fs::metadata(&path), fs::symlink_metadata(&path)) {
            (Ok(metadata), _) => Way::To(PathBuf::from(name), metadata),
            (Err(error), Ok(_)) => Way::Astray(astray(&error)),
            (Err(_), Err(_)) => Way::Gone,
        }
    }

    fn way_within(&self, name: &str) -> Way {
        let (mut way, mut links) = (PathBuf::new(), 0);
        let mut ahead = vec![OsString::from(name)];
        let mut last = None;
        while let Some(part) = ahead.pop() {
            if part == ".." {
                last = None;
                if !way.pop() {
                    return Way::Astray(leads_out(Path::new("..")));
                }
                continue;
            }
            let next = way.join(&part);
            let path = self.path.join(&next);
            let metadata = match fs::symlink_metadata(&path) {
                Ok(metadata) => metadata,
                Err(_) if links == 0 => return Way::Gone,
                Err(error) => return Way::Astray(astray(&error)),
            };
            if !metadata.is_symlink() {
                (way, last) = (next, Some(metadata));
                continue;
            }
            links += 1;
            if links > LINKS {
                return Way::Astray(astray(&io::Error::from_raw_os_error(libc::ELOOP)));
            }
            let target = match fs::read_link(&path) {
                Ok(target) => target,
                Err(error) => return Way::Astray(astray(&error)),
            };
            let within = match self.below(&target) {
                Some(within) if target.is_absolute() => {
                    way.clear();
                    within
                }
                Some(within) => within,
                None => return Way::Astray(leads_out(&target)),
            };
            ahead.extend(within.into_iter().rev());
        }
        // The folder itself is in nobody's way but that of a link.
        match last.map_or_else(|| fs::symlink_metadata(self.path.join(&way)), Ok) {
            Ok(metadata) => Way::To(way, metadata),
            Err(error) => Way::Astray(astray(&error)),
        }
    }

    /// The steps of a link's target; of an absolute one those below the folder, `None` where it leads elsewhere.
    fn below(&self, target: &Path) -> Option<Vec<OsString>> {
        let steps = |path: &Path| -> Vec<OsString> {
            let step = |component: Component<'_>| match component {
                Component::Normal(name) => Some(name.to_owned()),
                Component::ParentDir => Some("..".into()),
                Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
            };
            path.components().filter_map(step).collect()
        };
        if target.is_relative() {
            return Some(steps(target));
        }
        let here = [std::path::absolute(&self.path).ok(), fs::canonicalize(&self.path).ok()];
        here.iter().flatten().find_map(|here| target.strip_prefix(here).ok().map(steps))
    }
}

fn unfit(link: Option<&Metadata>, why: String) -> Found {
    Found { stamp: link.map(Stamp::of).unwrap_or_default(), size: 0, unfit: Some(why) }
}

fn leads_out(target: &Path) -> String {
    format!(
        "it is a link that leads out of the folder, by way of {}; copy the file itself, or set usr_jobs_follow_links",
        quoted(&target.to_string_lossy())
    )
}

fn astray(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ELOOP) => "it is a link that leads in a circle".to_owned(),
        Some(libc::ENOENT | libc::ENOTDIR) => "it is a link that leads to nothing".to_owned(),
        _ => format!("it is a link that can't be followed: {error}"),
    }
}

/// A name as it can be shown.
fn shown(name: &OsStr) -> String {
    let mut shown = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        shown.push_str(&line(chunk.valid()));
        chunk.invalid().iter().for_each(|byte| shown.push_str(&format!("\\x{byte:02x}")));
    }
    shown
}

#[cfg(test)]
mod tests;
