//! The folders that Python sees while a job's modules are imported. Nothing outside of them can be read, whatever is
//! exchanged meanwhile: each path is opened step by step from the folder, without a link in it. Only regular files and
//! folders are opened, and nothing is waited for.
//!
//! What differs between two builds of the same sources stays out: no times of files, entries of folders in order.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, Result};
use nix::dir::Dir;
use nix::fcntl::{AtFlags, readlinkat};
use nix::libc::ELOOP;
use nix::sys::stat::{FileStat, SFlag, fstat, fstatat};
use pelton_model::regular::open_below;

// Of `error-code` and `descriptor-type` in wasi:filesystem/types.
pub(super) const ACCESS: u8 = 0;
pub(super) const BAD_DESCRIPTOR: u8 = 3;
const IO: u8 = 13;
const IS_DIRECTORY: u8 = 14;
const LOOP: u8 = 15;
pub(super) const NO_ENTRY: u8 = 20;
pub(super) const NO_MEMORY: u8 = 22;
pub(super) const NOT_DIRECTORY: u8 = 24;
const NOT_PERMITTED: u8 = 31;
pub(super) const READ_ONLY: u8 = 33;
const BLOCK_DEVICE: u8 = 1;
const CHARACTER_DEVICE: u8 = 2;
const DIRECTORY: u8 = 3;
const FIFO: u8 = 4;
const LINK: u8 = 5;
const REGULAR: u8 = 6;
const SOCKET: u8 = 7;
/// The size of `descriptor-stat` behind the case of its result.
const STAT: usize = 96;
/// Most that is told of what was refused.
const NOTES: usize = 5;

/// What was refused, in words that help. Told where the import fails.
#[derive(Clone, Default)]
pub(super) struct Notes(Rc<RefCell<Vec<String>>>);

/// A folder by the name that the guest knows.
pub(super) struct Mount {
    pub(super) name: String,
    root: PathBuf,
    top: File,
    notes: Notes,
}

/// A path within a mount. No link is in it, but where it is told not to follow one at its end.
#[derive(Clone)]
pub(super) struct Place {
    mount: Rc<Mount>,
    within: PathBuf,
}

/// What can be opened.
pub(super) enum Opened {
    Folder,
    File(File),
}

impl Notes {
    pub(super) fn add(&self, note: String) {
        let mut notes = self.0.borrow_mut();
        if notes.len() < NOTES && !notes.contains(&note) {
            notes.push(note);
        }
    }

    pub(super) fn all(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}

impl Mount {
    /// # Errors
    /// The folder is not there.
    pub(super) fn open(name: &str, folder: &Path, notes: &Notes) -> Result<Rc<Self>> {
        let open = || {
            let root = folder.canonicalize()?;
            Ok((File::open(&root)?, root))
        };
        let opened: std::io::Result<_> = open();
        let (top, root) = opened.with_context(|| format!("cannot open {}", folder.display()))?;
        Ok(Rc::new(Self { name: name.to_owned(), root, top, notes: notes.clone() }))
    }

    /// The folder itself.
    pub(super) fn place(self: &Rc<Self>) -> Place {
        Place { mount: self.clone(), within: PathBuf::new() }
    }
}

impl Place {
    /// A path below this folder; with `follow` what a link at its end leads to.
    pub(super) fn at(&self, path: &str, follow: bool) -> Result<Self, u8> {
        let path = self.path().join(path);
        // Without a link at its end, all before that is still to be within the mount.
        let found = match path.file_name() {
            Some(name) if !follow => path.parent().unwrap_or(&path).canonicalize().map(|parent| parent.join(name)),
            _ => path.canonicalize(),
        };
        let found = found.map_err(|error| code(&error))?;
        match found.strip_prefix(&self.mount.root) {
            Ok(within) => Ok(Self { mount: self.mount.clone(), within: within.to_owned() }),
            Err(_) => {
                let is_link = path.is_symlink();
                self.mount.notes.add(format!(
                    "{} {} out of its folder, to {}, and is not followed; copy the file itself",
                    path.display(),
                    if is_link { "is a link that leads" } else { "leads" },
                    found.display()
                ));
                Err(ACCESS)
            }
        }
    }

    fn path(&self) -> PathBuf {
        self.mount.root.join(&self.within)
    }

    /// The folder above, and the name in it; no name for the mount itself.
    fn above(&self) -> Result<(File, Option<&OsStr>), u8> {
        let parent = self.within.parent().unwrap_or(Path::new(""));
        let above = open_below(&self.mount.top, parent).map_err(|error| code(&error))?;
        Ok((above, self.within.file_name()))
    }

    fn status(&self) -> Result<FileStat, u8> {
        let (above, name) = self.above()?;
        let status = match name {
            Some(name) => fstatat(&above, name, AtFlags::AT_SYMLINK_NOFOLLOW),
            None => fstat(&above),
        };
        status.map_err(|error| code(&error.into()))
    }

    /// Opens it, which is no link then.
    pub(super) fn open(&self) -> Result<Opened, u8> {
        match kind_of(&self.status()?) {
            LINK => return Err(LOOP),
            REGULAR | DIRECTORY => {}
            _ => {
                self.mount.notes.add(format!("{} is no file and no folder, and is not opened", self.path().display()));
                return Err(NOT_PERMITTED);
            }
        }
        let file = open_below(&self.mount.top, &self.within).map_err(|error| code(&error))?;
        // Another may have come in its place.
        let metadata = file.metadata().map_err(|error| code(&error))?;
        match () {
            () if metadata.is_dir() => Ok(Opened::Folder),
            () if metadata.is_file() => Ok(Opened::File(file)),
            () => Err(NOT_PERMITTED),
        }
    }

    pub(super) fn stat(&self) -> Result<[u8; STAT], u8> {
        let status = self.status()?;
        let mut stat = [0; STAT];
        let kind = kind_of(&status);
        if !matches!(kind, REGULAR | DIRECTORY | LINK) {
            self.mount.notes.add(format!("{} is no file and no folder, and is not opened", self.path().display()));
        }
        if let Some(place) = stat.first_mut() {
            *place = kind;
        }
        for (at, number) in [(8, 1), (16, u64::try_from(status.st_size).unwrap_or(0))] {
            if let Some(place) = stat.get_mut(at..at + 8) {
                place.copy_from_slice(&u64::to_le_bytes(number));
            }
        }
        Ok(stat)
    }

    /// The same for the same place of a mount, wherever that lies.
    pub(super) fn hash(&self) -> [u8; 16] {
        let mut hasher = DefaultHasher::new();
        (&self.mount.name, &self.within).hash(&mut hasher);
        let hash = u128::from(hasher.finish());
        (hash | hash << 64).to_le_bytes()
    }

    /// What is in a folder, in the order of names.
    pub(super) fn entries(&self) -> Result<Vec<(u8, String)>, u8> {
        let folder = open_below(&self.mount.top, &self.within).map_err(|error| code(&error))?;
        let of = |error: nix::Error| code(&error.into());
        let mut listed = Dir::from_fd(OwnedFd::from(folder.try_clone().map_err(|error| code(&error))?)).map_err(of)?;
        let mut entries = Vec::new();
        for entry in listed.iter() {
            let entry = entry.map_err(of)?;
            // A name that is no text can't cross.
            let Ok(name) = entry.file_name().to_str() else { continue };
            if name == "." || name == ".." {
                continue;
            }
            let status = fstatat(&folder, name, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(of)?;
            entries.push((kind_of(&status), name.to_owned()));
        }
        entries.sort_by(|(_, one), (_, other)| one.cmp(other));
        Ok(entries)
    }

    pub(super) fn link(&self) -> Result<String, u8> {
        let (above, name) = self.above()?;
        let link = readlinkat(&above, name.unwrap_or_default()).map_err(|error| code(&error.into()))?;
        Ok(link.to_string_lossy().into_owned())
    }
}

fn kind_of(status: &FileStat) -> u8 {
    match SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFDIR => DIRECTORY,
        SFlag::S_IFLNK => LINK,
        SFlag::S_IFIFO => FIFO,
        SFlag::S_IFSOCK => SOCKET,
        SFlag::S_IFBLK => BLOCK_DEVICE,
        SFlag::S_IFCHR => CHARACTER_DEVICE,
        _ => REGULAR,
    }
}

pub(super) fn code(error: &std::io::Error) -> u8 {
    match error.kind() {
        ErrorKind::NotFound => NO_ENTRY,
        ErrorKind::NotADirectory => NOT_DIRECTORY,
        ErrorKind::IsADirectory => IS_DIRECTORY,
        ErrorKind::PermissionDenied => ACCESS,
        _ if error.raw_os_error() == Some(ELOOP) => LOOP,
        _ => IO,
    }
}
